"""The client, lean, through the endpoint of a real Jupyter server that runs embedded Sail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.comparing import Seen, compare
from tests.client.operations import OPERATIONS
from tests.client.runner import run_operations
from tests.support.jupyter import JupyterProcess
from tests.support.leaving import becomes_busy
from tests.support.paths import CLIENT

REPOSITORY = CLIENT.parent
EXTENSIONS = {
    "pcw_server_ext": True,
    "jupyterlab": False,
    "jupyter_lsp": False,
    "jupyter_server_terminals": False,
}


def start_jupyter(folder: Path) -> JupyterProcess:
    root = folder / "root"
    root.mkdir(parents=True)
    return JupyterProcess(
        Path(sys.prefix),
        root,
        folder / "state",
        app="server",
        base_url="/user/x/",
        arguments=(f"--ServerApp.jpserver_extensions={EXTENSIONS}", "--PcwExtension.engine=sail"),
        environment={"PYTHONPATH": f"{REPOSITORY}:{CLIENT}"},
    )


def remote(server: JupyterProcess, endpoint: str = "default", token: str | None = None) -> str:
    return f"{server.url}pcw/grpc/{endpoint};token={server.token if token is None else token}"


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterProcess]:
    with start_jupyter(tmp_path_factory.mktemp("jupyter")) as server:
        yield server


@pytest.fixture(scope="module")
def seen(jupyter: JupyterProcess, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("operations")
    lean = run_operations("lean", remote(jupyter), folder / "lean")
    native = run_operations("native", f"sc://127.0.0.1:{jupyter.engine_port()}", folder / "native")
    return {"lean": lean, "native": native}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_through_jupyter_shows_what_the_native_client_shows(seen: Seen, name: str) -> None:
    compare(seen, "lean", name)


CELLS = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import pyspark_connect_web as pcw
pcw.install(lean=True, threads=False)
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()

def tell(**facts):
    print(json.dumps(facts), flush=True)

def attempt(action):
    started = time.monotonic()
    try:
        result = action()
        tell(ok=repr(result), seconds=time.monotonic() - started)
    except Exception as error:
        code = getattr(error, "getGrpcStatusCode", lambda: None)()
        tell(error=type(error).__name__, code=getattr(code, "name", None), text=str(error),
             seconds=time.monotonic() - started)

"""


class Session:
    """Cells in a process of their own; `next` returns what the next `tell` said."""

    def __init__(self, cells: str, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CELLS + cells, url],
            env={**os.environ, "PYTHONPATH": str(CLIENT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def next(self) -> dict[str, object]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            assert self.process.stderr is not None
            pytest.fail(self.process.stderr.read())
        told: dict[str, object] = json.loads(line)
        return told

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.mark.parametrize(
    ("url", "code", "text"),
    [
        (lambda server: remote(server, token="wrong"), "PERMISSION_DENIED", "HTTP 403 Forbidden"),
        (lambda server: remote(server, "absent"), "UNIMPLEMENTED", "no endpoint of that name"),
        (lambda server: f"{server.url}api;token={server.token}", "UNIMPLEMENTED", "HTTP 404 Not Found"),
    ],
    ids=["wrong token", "unknown endpoint", "no endpoint at all"],
)
def test_refusal_is_told_at_once(jupyter: JupyterProcess, url: object, code: str, text: str) -> None:
    with Session("attempt(lambda: spark.range(3).collect())", url(jupyter)) as session:  # type: ignore[operator]
        told = session.next()
        assert told["code"] == code
        assert text in str(told["text"])
        assert jupyter.token not in str(told["text"])


SLOW = 'spark.sql("select sum(a.id * b.id) s from range(0, 10000000) a join range(0, 100000) b on a.id % 7 = b.id % 7")'


def test_query_whose_engine_dies_ends_and_the_next_one_runs(tmp_path: Path) -> None:
    cells = f"""
attempt(lambda: spark.range(3).count())
tell(ready=True)
attempt(lambda: {SLOW}.collect())
again = SparkSession.builder.remote(sys.argv[1]).create()
attempt(lambda: again.range(4).count())
"""
    with start_jupyter(tmp_path) as server, Session(cells, remote(server)) as session:
        assert session.next()["ok"] == "3"
        assert session.next() == {"ready": True}
        engine, _ = server.engine()
        assert becomes_busy(engine), "the query does not run"
        engine.send_signal(signal.SIGKILL)
        told = session.next()
        assert "error" in told
        assert float(str(told["seconds"])) < 60
        assert session.next()["ok"] == "4"


@pytest.mark.timeout(200)
def test_stopped_server_is_an_error_that_says_so(tmp_path: Path) -> None:
    cells = """
attempt(lambda: spark.range(3).count())
sys.stdin.readline()
attempt(lambda: spark.range(3).count())
attempt(lambda: spark.version)
"""
    with start_jupyter(tmp_path) as server, Session(cells, remote(server)) as session:
        assert session.next()["ok"] == "3"
        server.stop()
        session.go_on()
        for _ in range(2):
            told = session.next()
            assert told["code"] == "UNAVAILABLE"
            assert f"Could not connect to http://127.0.0.1:{server.port} (Connection refused)" in str(
                told["text"]
            )
            assert float(str(told["seconds"])) < 10
