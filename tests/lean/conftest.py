"""Servers that the lean client is run against, and the subprocesses it runs in."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pcw_server_ext.engines import sail
from pcw_server_ext.runtime.bundle import Bundle
from tests.lean.running import Server
from tests.support.paths import REPOSITORY
from tests.support.spark import SharedSpark

_CORE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")


@pytest.fixture(scope="session")
def pyodide_core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The core of Pyodide as Node loads it, out of the built browser runtime, which keeps its files compressed."""
    bundle = REPOSITORY / "pcw_server_ext" / "runtime" / "bundle"
    if shutil.which("node") is None or not (bundle / "manifest.json").is_file():
        pytest.skip("needs Node and the built browser runtime (make build)")
    folder = tmp_path_factory.mktemp("pyodide")
    runtime = Bundle.load(bundle)
    for name in _CORE:
        file = runtime.get(f"pyodide/{name}")
        assert file is not None, f"the browser runtime has no {name}"
        (folder / name).write_bytes(file.read())
    return folder


@pytest.fixture(scope="session")
def sail_server() -> Iterator[Server]:
    missing = sail.available()
    if missing is not None:
        pytest.skip(f"Sail: {missing}")
    launch = sail.launch()
    process = subprocess.Popen(
        launch.command, env=launch.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith(sail.ANNOUNCEMENT):
                server = Server(line.removeprefix(sail.ANNOUNCEMENT).strip())
                yield server
                server.close()
                break
        else:
            pytest.fail("Sail ended before it was ready")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        process.stdout.close()


@pytest.fixture(scope="session")
def spark_server(run_spark: SharedSpark) -> Iterator[Server]:
    server = Server(run_spark.remote.removeprefix("sc://"))
    yield server
    server.close()
