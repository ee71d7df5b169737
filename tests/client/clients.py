"""What the native client and ours, full and lean, see of the operations through Envoy, which is not our server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.client.comparing import Seen
from tests.client.outcomes import Outcome
from tests.client.runner import run_operations
from tests.support.engines import running_envoy


class Clients(Mapping[str, dict[str, Outcome]]):
    """What each client saw of the operations on an engine; a client runs them when it is first asked for."""

    def __init__(self, remotes: Mapping[str, str], folder: Path) -> None:
        self._remotes, self._folder = remotes, folder
        self._seen: Seen = {}

    def __getitem__(self, mode: str) -> dict[str, Outcome]:
        if mode not in self._seen:
            self._seen[mode] = run_operations(mode, self._remotes[mode], self._folder / mode)
        return self._seen[mode]

    def __iter__(self) -> Iterator[str]:
        return iter(self._remotes)

    def __len__(self) -> int:
        return len(self._remotes)


@contextmanager
def clients(port: int, folder: Path) -> Iterator[Clients]:
    """The clients of an engine on this port."""
    with running_envoy(port, folder) as web:
        lean = f"sc://{web.removeprefix('http://')}/;transport=grpcweb"
        yield Clients({"native": f"sc://127.0.0.1:{port}", "full": web, "lean": lean}, folder)
