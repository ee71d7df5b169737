"""A real Jupyter server in a process of its own, for tests that talk to it over HTTP or through a browser."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import selectors
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import psutil

from tests.support.processes import descendants, end_with_descendants


def free_port() -> int:
    """Return a TCP port that was free on loopback a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def http2_port(ports: Sequence[int]) -> int | None:
    """The first of these loopback ports that answers HTTP/2, None when none does within 20 s.

    Apache Spark listens on other ports too, which say nothing: all are asked at the same time, so that none of
    them is waited for, and a Spark that is busy has the time it needs.
    """
    hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
    end = time.monotonic() + 20
    with contextlib.ExitStack() as stack:
        probes = stack.enter_context(selectors.DefaultSelector())
        for port in ports:
            with contextlib.suppress(OSError):
                probe = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
                probe.sendall(hello)
                probes.register(probe, selectors.EVENT_READ, (probe, port))
        while probes.get_map() and (left := end - time.monotonic()) > 0:
            for key, _ in probes.select(left):
                probe, port = key.data
                with contextlib.suppress(OSError):
                    # the type of the first frame, which is SETTINGS
                    if probe.recv(9)[3:4] == b"\x04":
                        return int(port)
                probes.unregister(probe)
    return None


class JupyterProcess:
    """`jupyter lab` (or `jupyter server`) of the environment in `venv`, serving the folder `root`.

    Its configuration, data and runtime folders are below `state`, so that neither the user's own settings nor
    another test's are seen. `log` holds what the server printed. With `certificate` (PEM, the same that `arguments`
    give to the server) it is asked over https.
    """

    def __init__(
        self,
        venv: Path,
        root: Path,
        state: Path,
        *,
        app: str = "lab",
        base_url: str = "/",
        arguments: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        token: str | None = None,
        port: int | None = None,
        certificate: Path | None = None,
        timeout: float = 180.0,
    ) -> None:
        self.venv, self.root, self.state, self.arguments = venv, root, state, arguments
        self.environment = environment or {}
        self.base_url = base_url
        self.token = secrets.token_hex(16) if token is None else token
        self.port = port or free_port()
        self._tls = ssl.create_default_context(cafile=certificate) if certificate else None
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}{base_url}"
        self.log = state / "server.log"
        state.mkdir(parents=True, exist_ok=True)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "SPARK", "PYTHON"))}
        env |= {
            # no test asks an index but one of its own, which it names
            "PIP_NO_INDEX": "1",
            "HOME": str(state),
            "IPYTHONDIR": str(state / "ipython"),
            "JUPYTER_CONFIG_DIR": str(state / "config"),
            "JUPYTER_DATA_DIR": str(state / "data"),
            "JUPYTER_RUNTIME_DIR": str(state / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(state / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(state / "workspaces"),
            "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        env |= self.environment
        command = [
            str(venv / "bin" / "jupyter"),
            app,
            "--no-browser",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.base_url={base_url}",
            f"--ServerApp.root_dir={root}",
            f"--IdentityProvider.token={self.token}",
            *(
                ["--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
                if app == "lab"
                else []
            ),
            *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
            *arguments,
        ]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=root, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        self._await_ready(timeout)

    def _await_ready(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                self.get("api")
                return
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"the Jupyter server did not come up; it printed:\n{self.printed()}")

    def printed(self) -> str:
        """Return everything the server has printed."""
        return self.log.read_text(errors="replace")

    def get(self, path: str, *, authenticated: bool = True) -> bytes:
        """GET `path` below the server's base URL and return the body; raises `urllib.error.HTTPError`."""
        headers = {"Authorization": f"token {self.token}"} if authenticated else {}
        request = urllib.request.Request(self.url + path, headers=headers)
        with urllib.request.urlopen(request, timeout=60, context=self._tls) as response:
            return bytes(response.read())

    def get_json(self, path: str) -> object:
        """GET `path` and decode the JSON body."""
        return json.loads(self.get(path))

    def children(self) -> list[psutil.Process]:
        """Return the server's live descendants: kernels and engines."""
        return descendants(self.process)

    def engine(self) -> tuple[psutil.Process, int]:
        """Return the process and the loopback port of this server's local engine; LookupError without one."""
        for child in self.children():
            with contextlib.suppress(psutil.Error):
                words = " ".join(child.cmdline())
                if "ipykernel" in words:
                    continue
                ports = [
                    int(connection.laddr.port)
                    for connection in child.net_connections(kind="tcp")
                    if connection.status == psutil.CONN_LISTEN
                ]
                # Sail listens on one port, and answers nobody new while a query has all its threads
                if "sail" in words and ports:
                    return child, ports[0]
                if "SparkConnectServer" in words and (port := http2_port(ports)) is not None:
                    return child, port
        raise LookupError("no local engine is listening")

    def engine_port(self) -> int:
        """Return the loopback port a local engine of this server listens on; LookupError without one."""
        return self.engine()[1]

    def stop(self) -> None:
        """End the server, first politely; kernels and engines that outlive it are ended too."""
        end_with_descendants(self.process, 15)

    def __enter__(self) -> JupyterProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
