"""The endpoint under test: a real Jupyter server with the extension, as `pip install` and `jupyter server` give it."""

from __future__ import annotations

import sys
from pathlib import Path

from bench._go import ROOT
from tests.support.jupyter import JupyterProcess


class Relay:
    """A Jupyter server whose endpoint ``default`` is the gRPC server on loopback port `upstream`."""

    def __init__(self, upstream: int, state: Path, *arguments: str) -> None:
        state.mkdir(parents=True, exist_ok=True)
        (state / "root").mkdir(exist_ok=True)
        # the header by which the load client says what it wants; without this it would not be passed on
        endpoint = {"url": f"sc://127.0.0.1:{upstream}", "metadata": ["bench-stream"]}
        self.server = JupyterProcess(
            Path(sys.prefix),
            state / "root",
            state,
            app="server",
            environment={"PYTHONPATH": f"{ROOT}:{ROOT / 'client'}"},
            arguments=(
                f"--ServerApp.jpserver_extensions={ {'pcw_server_ext': True}!r}",
                f"--PcwExtension.endpoints={ {'default': endpoint}!r}",
                *arguments,
            ),
        )
        self.process = self.server.process
        self.port = self.server.port
        self.prefix = "/pcw/grpc/default"
        self.headers = [f"Authorization: token {self.server.token}"]

    def stop(self) -> None:
        """End the server."""
        self.server.stop()
