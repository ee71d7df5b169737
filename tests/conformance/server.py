"""The server-mode program: the service on grpcio, behind a Jupyter server that is there already.

The runner gives a server ten seconds to appear, which a Jupyter server on a busy machine may need for itself
alone, so `jupyter` starts one for each configuration beforehand.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench._go import ROOT
from tests.conformance.rewrite import SERVICE
from tests.conformance.service import serve
from tests.conformance.suite import PROTO, load, read_message, write_message
from tests.support import certificates
from tests.support.jupyter import JupyterProcess, free_port

# What the endpoint does not need stays off.
_EXTENSIONS = {
    "tests.conformance.rewrite": True,
    "pcw_server_ext": True,
    "jupyterlab": False,
    "jupyter_lsp": False,
    "jupyter_server_terminals": False,
    "notebook_shim": False,
}


@contextlib.contextmanager
def jupyter(folder: Path, tls: certificates.Pair | None) -> Iterator[str]:
    """Run a Jupyter server with the extension; yields this program's argument for it."""
    upstream = free_port()
    endpoint = {
        "default": {
            "url": f"sc://127.0.0.1:{upstream}",
            "services": {
                SERVICE: {
                    "Unary": False,
                    "IdempotentUnary": False,
                    "Unimplemented": False,
                    "ServerStream": False,
                    "ClientStream": True,
                    "BidiStream": True,
                }
            },
        }
    }
    arguments = [f"--ServerApp.jpserver_extensions={_EXTENSIONS!r}", f"--PcwExtension.endpoints={endpoint!r}"]
    if tls is not None:
        arguments += [
            f"--ServerApp.certfile={tls.certificate}",
            f"--ServerApp.keyfile={tls.key}",
        ]
    folder.mkdir()
    with JupyterProcess(
        Path(sys.prefix),
        folder,
        folder / "state",
        app="server",
        certificate=tls.certificate if tls else None,
        environment={"PYTHONPATH": f"{ROOT}:{ROOT / 'client'}:{PROTO}"},
        arguments=tuple(arguments),
    ) as server:
        yield f"{server.port}:{upstream}"


def main() -> None:
    """Serve what the runner asks for until it says stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plain", required=True, help="PORT:UPSTREAM of the Jupyter server without TLS")
    parser.add_argument("--tls", required=True, help="PORT:UPSTREAM of the one with TLS")
    parser.add_argument("--certificate", type=Path, required=True)
    options = parser.parse_args()
    server_compat_pb2: Any = load("server_compat_pb2")
    data = read_message(sys.stdin.buffer)
    if data is None:
        raise SystemExit("the runner closed stdin without a request")
    request = server_compat_pb2.ServerCompatRequest.FromString(data)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    port, upstream = map(int, (options.tls if request.use_tls else options.plain).split(":"))
    service = serve(upstream, request.message_receive_limit)
    response = server_compat_pb2.ServerCompatResponse(host="127.0.0.1", port=port)
    if request.use_tls:
        response.pem_cert = options.certificate.read_bytes()
    write_message(sys.stdout.buffer, response.SerializeToString())
    stop.wait()
    service.stop(None)


if __name__ == "__main__":
    main()
