"""Real Jupyter servers of the source tree, with a synthetic Spark Connect server behind them.

One server a base URL for the whole run; a test that needs other settings starts its own with `start_server`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.jupyter import JupyterProcess, free_port
from tests.support.server import StartServer, make_bundle, start
from tests.support.upstream import SyntheticUpstream
from tests.support.web import Site


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start a server with settings of the test's own; it ends with the test."""
    started: list[JupyterProcess] = []

    def run(*arguments: str, **options: object) -> Site:
        process = start(tmp_path / f"server-{len(started)}", *arguments, **options)
        started.append(process)
        return Site(process)

    yield run
    for process in started:
        process.stop()


@pytest.fixture(scope="session")
def upstream() -> Iterator[SyntheticUpstream]:
    """The synthetic Spark Connect server."""
    server = SyntheticUpstream()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small browser runtime on disk."""
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def endpoints(upstream: SyntheticUpstream) -> str:
    """The setting of the shared servers: a live endpoint and one where nobody listens."""
    found = {
        "synthetic": upstream.address + "/;x-from-config=yes",
        "nobody": f"sc://127.0.0.1:{free_port()}/;token=TOKEN-OF-NOBODY",
    }
    return f"--PcwExtension.endpoints={found}"


@pytest.fixture(scope="session", params=["/", "/user/x/"])
def any_site(
    request: pytest.FixtureRequest,
    endpoints: str,
    small_bundle: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """A JupyterLab server at each base URL."""
    with start(
        tmp_path_factory.mktemp("lab"),
        endpoints,
        f"--PcwExtension.runtime_dir={small_bundle}",
        app="lab",
        base_url=request.param,
    ) as process:
        yield Site(process)


@pytest.fixture(scope="session")
def site(endpoints: str, small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A Jupyter server below a base URL, as on a hub."""
    with start(
        tmp_path_factory.mktemp("server"),
        endpoints,
        f"--PcwExtension.runtime_dir={small_bundle}",
        base_url="/user/x/",
    ) as process:
        yield Site(process)
