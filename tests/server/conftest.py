"""Real Jupyter servers of the source tree, with a synthetic Spark Connect server behind them.

One server a base URL for the whole run; a test that needs other settings starts its own with `start_server`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.upstream import SyntheticUpstream
from tests.server.web import Site
from tests.support.jupyter import JupyterProcess, free_port

REPOSITORY = Path(__file__).parents[2]
StartServer = Callable[..., Site]


# A plain server starts in a fraction of the time without JupyterLab.
ONLY_OURS = {
    "pcw_server_ext": True,
    "jupyter_lsp": False,
    "jupyter_server_terminals": False,
    "jupyterlab": False,
    "notebook_shim": False,
}


def start(folder: Path, *arguments: str, **options: object) -> JupyterProcess:
    """A Jupyter server that runs this source tree's extension."""
    root = folder / "root"
    root.mkdir(parents=True, exist_ok=True)
    environment = {
        "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'client'}",
        "JUPYTER_CONFIG_PATH": str(REPOSITORY / "jupyter-config"),
        **options.pop("environment", {}),  # type: ignore[dict-item]
    }
    options = {"app": "server", **options}
    if options["app"] == "server":
        arguments = (f"--ServerApp.jpserver_extensions={ONLY_OURS}", *arguments)
    return JupyterProcess(
        Path(sys.prefix),
        root,
        folder / "state",
        arguments=("--PcwExtension.spark_driver_memory=1g", *arguments),
        environment=environment,
        **options,  # type: ignore[arg-type]
    )


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


def make_bundle(folder: Path) -> Path:
    """A small browser runtime with the real one's layout."""
    files = {
        "pyodide/pyodide.mjs": b"export const loadPyodide = 1;\n" * 50,
        "pyodide/pyodide.asm.wasm": b"\0asm" + bytes(range(256)) * 40,
        "pyodide/pyodide-lock.json": b'{"packages": {}}',
        "pyodide/some_package-1.0-py3-none-any.whl": b"PK" + bytes(1000),
        "kernel/site.pack": bytes(range(256)) * 2000,
        "kernel/snapshot.bin": bytes(3_000_000),
        "js/network_worker.js": b"self.onmessage = () => {};\n",
    }
    entries = {}
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        entries[path] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "pyodide/pyodide.mjs.br").write_bytes(b"brotli form")
    (folder / "pyodide/pyodide.mjs.gz").write_bytes(b"gzip form")
    (folder / "kernel/site.pack.gz").write_bytes(b"gzip form of the pack")
    manifest = {"format": 1, "hash": "0123abcd", "pyodide": "314.0.6", "python": "3.14", "files": entries}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
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
    request: pytest.FixtureRequest, endpoints: str, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A JupyterLab server at each base URL."""
    with start(
        tmp_path_factory.mktemp("lab"),
        endpoints,
        f"--PcwExtension.runtime_dir={bundle}",
        app="lab",
        base_url=request.param,
    ) as process:
        yield Site(process)


@pytest.fixture(scope="session")
def site(endpoints: str, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A Jupyter server below a base URL, as on a hub."""
    with start(
        tmp_path_factory.mktemp("server"),
        endpoints,
        f"--PcwExtension.runtime_dir={bundle}",
        base_url="/user/x/",
    ) as process:
        yield Site(process)
