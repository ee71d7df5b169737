"""Raw HTTP against a real Jupyter server with the extension: refused or answered, never a traceback, always alive."""

from __future__ import annotations

import contextlib
import re
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import psutil
from pyspark_connect_web import wire

from bench._go import ROOT
from tests.fuzz.codec import body
from tests.fuzz.mutate import blob, damage
from tests.support.jupyter import JupyterProcess
from tests.support.upstream import SyntheticUpstream, order

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
# What the boundary documents, and 400 of the HTTP layer for what is no HTTP.
_DOCUMENTED = {200, 204, 400, 403, 404, 405, 413, 415}
_GROWTH = 64 << 20
_METHODS = ("AnalyzePlan", "Config", "ExecutePlan", "AddArtifacts", "Nope", "../Config", "%2e%2e%2fapi", "")


def _request(random: Random, token: str) -> bytes:
    verb = random.choice(("POST",) * 8 + ("GET", "OPTIONS", "PUT", "PO ST"))
    endpoint = random.choice(("default",) * 6 + ("nobody", "..", "a%2fb", "http:"))
    service = random.choice(("spark.connect.SparkConnectService",) * 6 + ("x.Y", "//"))
    content = random.choice(
        (wire.encode_frame(order()), wire.encode_frame(order()), body(random), blob(random, 300))
    )
    content = damage(random, content)
    headers = [
        "Host: 127.0.0.1",
        "Connection: close",
        f"Content-Type: application/grpc-web{random.choice(('', '+proto', '-text', '+json', '; x=y'))}",
        f"Content-Length: {random.choice((len(content),) * 9 + (10**12,))}",
    ]
    if random.random() < 0.9:
        headers.append(f"Authorization: token {token}")
    if random.random() < 0.3:
        headers.append(f"grpc-timeout: {random.choice(('1S', '500m', '0n', '99999999H', '-1S', 'x'))}")
    if random.random() < 0.2:
        headers.append(f"grpc-encoding: {random.choice(('identity', 'gzip', 'rot13'))}")
    if random.random() < 0.3:
        headers.append(f"x-{random.randrange(99)}-bin: {blob(random).hex()}")
    head = f"{verb} /pcw/grpc/{endpoint}/{service}/{random.choice(_METHODS)} HTTP/1.1\r\n"
    raw = (head + "\r\n".join(headers) + "\r\n\r\n").encode()
    return (damage(random, raw) if random.random() < 0.3 else raw) + content


def _exchange(port: int, request: bytes, patience: float) -> bytes:
    """What comes back until the server closes, is silent for ``patience`` seconds, or has sent a whole answer."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.settimeout(patience)
        received = b""
        try:
            connection.sendall(request)
            while piece := connection.recv(1 << 16):
                received += piece
                if len(received) > 1 << 20:
                    break
        except (TimeoutError, ConnectionError):
            return received
        return received


@contextlib.contextmanager
def target() -> Iterator[Callable[[Random], None]]:
    """Start the server; yields what runs one case. Raises AssertionError at the end when the server suffered."""
    upstream = SyntheticUpstream()
    with tempfile.TemporaryDirectory(prefix="pcw-fuzz-") as folder, contextlib.ExitStack() as stack:
        stack.callback(upstream.stop)
        extensions = {
            "pcw_server_ext": True,
            "jupyterlab": False,
            "jupyter_lsp": False,
            "notebook_shim": False,
        }
        server = stack.enter_context(
            JupyterProcess(
                Path(sys.prefix),
                Path(folder),
                Path(folder) / "state",
                app="server",
                environment={"PYTHONPATH": f"{ROOT}:{ROOT / 'client'}"},
                arguments=(
                    f"--ServerApp.jpserver_extensions={extensions}",
                    f"--PcwExtension.endpoints={ {'default': upstream.address}!r}",
                ),
            )
        )
        process = psutil.Process(server.process.pid)
        warm = [process.memory_info().rss]

        def case(random: Random) -> None:
            request = _request(random, server.token)
            received = _exchange(server.port, request, 0.3)
            statuses = {int(status) for status in _STATUS.findall(received)}
            if request.startswith(b"POST /pcw/grpc/default/"):
                # a damaged path may lead to Jupyter's own pages, which redirect
                assert statuses <= _DOCUMENTED, (
                    f"undocumented status among {sorted(statuses)}: {request[:300]!r}"
                )
            assert not {status for status in statuses if status >= 500}, (
                f"{sorted(statuses)}: {request[:300]!r}"
            )
            assert server.process.poll() is None, "the server died"
            warm.append(process.memory_info().rss)

        yield case
        message = wire.encode_frame(order())
        lines = [
            "POST /pcw/grpc/default/spark.connect.SparkConnectService/AnalyzePlan HTTP/1.1",
            "Host: 127.0.0.1",
            "Connection: close",
            f"Authorization: token {server.token}",
            "Content-Type: application/grpc-web",
            f"Content-Length: {len(message)}\r\n\r\n",
        ]
        received = _exchange(server.port, "\r\n".join(lines).encode() + message, 10.0)
        assert b"grpc-status:0" in received, f"the server serves no more: {received[:500]!r}"
        settled = warm[min(len(warm) - 1, 200)]
        assert warm[-1] - settled < _GROWTH, f"memory grew from {settled >> 20} to {warm[-1] >> 20} MiB"
        printed = server.printed()
        for word in ("Traceback", "Uncaught exception", "Task exception was never retrieved"):
            assert word not in printed, (
                f"the server printed {word!r}:\n{printed[printed.index(word) - 500 :][:3000]}"
            )
        # Jupyter prints its own address at the start, and Tornado repeats headers that are no HTTP
        foreign = ("/?token=", "Malformed HTTP message")
        ours = [
            line
            for line in printed.splitlines()
            if server.token in line and not any(word in line for word in foreign)
        ]
        assert not ours, f"the token is in the log: {ours[:3]}"
