"""Servers that the lean client is run against, and the subprocesses it runs in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pcw_server_ext.engines import sail
from tests.support.spark import SparkServer, spark_missing

from .bridge import Bridge

HERE = Path(__file__).parent
CLIENT = HERE.parents[1] / "client"


def start_script(script: str, *arguments: str, hidden: bool, zone: str = "UTC") -> subprocess.Popen[str]:
    """Start ``scripts/NAME.py`` in a process of its own, with or without the packages that lean does without."""
    command = [sys.executable, *([str(HERE / "hidden.py")] if hidden else []), str(HERE / "scripts" / script)]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK", "PYSPARK"))}
    env |= {"PYTHONPATH": str(CLIENT), "TZ": zone, "PYTHONHASHSEED": "0"}
    return subprocess.Popen(
        [*command, *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str], timeout: float = 500) -> list[str]:
    """The lines that a script printed; it must have ended well."""
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err[-3000:]
    return out.splitlines()


def run_script(script: str, *arguments: str, hidden: bool, zone: str = "UTC") -> list[str]:
    """:func:`start_script` and :func:`finish`."""
    return finish(start_script(script, *arguments, hidden=hidden, zone=zone))


class Server:
    """A Spark Connect server: ``native`` for grpcio, ``web`` for grpc-web."""

    def __init__(self, target: str) -> None:
        self.native = f"sc://{target}"
        self._bridge = Bridge(target)
        self.web = self._bridge.remote

    def close(self) -> None:
        self._bridge.close()


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
def spark_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    venv = Path(sys.prefix)
    missing = spark_missing(venv)
    if missing is not None:
        pytest.skip(f"Apache Spark: {missing}")
    folder = tmp_path_factory.mktemp("spark")
    with SparkServer(venv, folder, folder / "state") as running:
        server = Server(running.remote.removeprefix("sc://"))
        yield server
        server.close()
