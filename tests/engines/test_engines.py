"""Local engines in real processes: first use, crash, failures, and the end of the server in every way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.client import IncompleteRead
from pathlib import Path
from urllib.parse import unquote

import psutil
import pytest
from pyspark_connect_web.wire import encode_frame

from pcw_server_ext.engines import java, sail, spark, supervise
from pcw_server_ext.engines.local import describe_exit
from tests.engines.watching import FAILED_PRECONDITION, engine_of, gone, state
from tests.support.paths import REPOSITORY
from tests.support.plans import Session, rows, spark_version
from tests.support.server import StartServer
from tests.support.web import Answer, Site, decode

UNAVAILABLE = 14
ENDLESS = "SELECT id, repeat('x', 1000) AS text FROM range(1000000000000)"


@pytest.fixture
def sail_site(start_server: StartServer) -> Site:
    return start_server("--PcwExtension.engine=sail")


def test_engine_starts_with_the_first_query_in_jupyters_folder(sail_site: Site) -> None:
    assert state(sail_site) == ("local", "idle")
    assert sail_site.process.children() == []
    sail_site.process.root.joinpath("numbers.csv").write_text("name,value\none,1\ntwo,2\n")
    answer = sail_site.grpc(
        "ExecutePlan",
        Session().query("SELECT * FROM csv.`numbers.csv` ORDER BY 1"),
        endpoint="default",
    )
    assert answer.status == 0, answer.message
    assert len(rows(answer.messages)) >= 2
    assert state(sail_site) == ("sail", "running")
    assert Path(engine_of(sail_site).cwd()) == sail_site.process.root
    listening = [c.laddr.ip for c in engine_of(sail_site).net_connections() if c.status == "LISTEN"]
    assert set(listening) == {"127.0.0.1"}


def test_simultaneous_first_queries_share_one_engine(sail_site: Site) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(
                lambda _: sail_site.grpc("AnalyzePlan", Session().version(), endpoint="default"), range(6)
            )
        )
    assert [(a.status, a.message) for a in answers] == [(0, "")] * 6
    assert spark_version(answers[0].messages[0]).startswith("4.")
    engine_of(sail_site)


def run_to_its_error(site: Site, started: threading.Event, query: str, *, reattach: bool = True) -> str:
    """Run a query, set ``started`` when its answer has begun, and return the end of the answer."""
    session, operation = Session(), str(uuid.uuid4())
    connection = site.begin(session.query(query, operation), endpoint="default", timeout=60)
    response = connection.getresponse()
    body = response.read(100_000)
    started.set()
    try:
        body += response.read()
    except (IncompleteRead, ValueError):
        assert reattach, "the answer was cut off"
        # Trailers cannot follow half a message: the answer is broken off, and who asks for its rest gets the error.
        rest = site.grpc("ReattachExecute", session.reattach(operation), endpoint="default")
        assert rest.messages == []
        body = rest.http.body
    connection.close()
    return unquote(body[-400:].decode("latin-1"))


def test_engine_killed_in_a_query_is_said_and_started_again(sail_site: Site) -> None:
    started = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_to_its_error, sail_site, started, ENDLESS)
        assert started.wait(30)
        engine_of(sail_site).kill()
        tail = running.result(20)
    assert "grpc-status:10\r\n" in tail
    assert "x-pcw-session:lost\r\n" in tail
    assert "The Spark engine stopped (killed by SIGKILL)" in tail
    assert "started again with the next query" in tail
    again = sail_site.grpc("AnalyzePlan", Session().version(), endpoint="default")
    assert again.status == 0


def test_server_that_is_stopped_ends_calls_with_trailers_and_the_engine(sail_site: Site) -> None:
    started = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_to_its_error, sail_site, started, ENDLESS, reattach=False)
        assert started.wait(30)
        engine = engine_of(sail_site)
        sail_site.process.process.send_signal(signal.SIGTERM)
        tail = running.result(20)
    assert "grpc-status:14\r\n" in tail
    assert "shutting down" in tail
    assert gone(engine)


def test_engine_dies_with_a_server_that_is_killed(sail_site: Site) -> None:
    assert sail_site.grpc("AnalyzePlan", Session().version(), endpoint="default").status == 0
    engine = engine_of(sail_site)
    sail_site.process.process.kill()
    assert gone(engine)


def fake_pysail(folder: Path, text: str) -> dict[str, str]:
    package = folder / "pysail"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "spark.py").write_text(text)
    path = [str(folder), str(REPOSITORY), str(REPOSITORY / "client")]
    return {"PYTHONPATH": os.pathsep.join(path)}


def test_engine_that_dies_at_start_is_a_clear_error_remembered_for_a_while(
    start_server: StartServer, tmp_path: Path
) -> None:
    log = tmp_path / "starts"
    site = start_server(
        "--PcwExtension.engine=sail",
        environment=fake_pysail(
            tmp_path, f"open({str(log)!r}, 'a').write('x')\nraise RuntimeError('the disk is on fire')\n"
        ),
    )
    answer = site.grpc("AnalyzePlan", Session().version(), endpoint="default")
    assert answer.status == UNAVAILABLE
    text = unquote(answer.message)
    assert "Sail ended while it started (exit code 1)" in text
    assert "the disk is on fire" in text
    begin = time.monotonic()
    assert site.grpc("AnalyzePlan", Session().version(), endpoint="default").status == UNAVAILABLE
    assert time.monotonic() - begin < 30
    assert log.read_text() == "x"
    assert state(site) == ("sail", "failed")
    assert site.process.children() == []


def test_engine_that_never_gets_ready_is_ended_after_the_timeout(
    start_server: StartServer, tmp_path: Path
) -> None:
    site = start_server(
        "--PcwExtension.engine=sail",
        "--PcwExtension.engine_start_timeout=10",
        environment=fake_pysail(
            tmp_path, "import time\nprint('still thinking', flush=True)\ntime.sleep(60)\n"
        ),
    )
    begin = time.monotonic()
    answer = site.grpc("AnalyzePlan", Session().version(), endpoint="default")
    assert time.monotonic() - begin < 60
    assert answer.status == UNAVAILABLE
    assert "did not start within 10" in answer.message
    assert "still thinking" in answer.message
    assert site.process.children() == []


def test_deadline_passes_while_the_engine_starts(start_server: StartServer, tmp_path: Path) -> None:
    site = start_server(
        "--PcwExtension.engine=sail", environment=fake_pysail(tmp_path, "import time\ntime.sleep(60)\n")
    )
    begin = time.monotonic()
    answer = site.grpc(
        "AnalyzePlan", Session().version(), endpoint="default", headers={"grpc-timeout": "700m"}
    )
    assert time.monotonic() - begin < 40
    assert answer.status == 4


def test_engine_that_cannot_be_started_names_the_remedy(start_server: StartServer) -> None:
    site = start_server("--PcwExtension.engine=spark", environment={"JAVA_HOME": "/nowhere"})
    answer = site.grpc("AnalyzePlan", Session().version(), endpoint="default")
    # PySpark would repeat what is UNAVAILABLE for ten minutes
    assert answer.status == FAILED_PRECONDITION
    assert "No Spark engine can be started here" in answer.message
    assert "Java 17" in answer.message


def test_pyspark_of_the_user_is_not_imported_by_sail(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "pyspark").mkdir()
    (tmp_path / "pyspark" / "__init__.py").write_text("raise SystemExit('the wrong pyspark')\n")
    path = [str(tmp_path), str(REPOSITORY), str(REPOSITORY / "client")]
    site = start_server("--PcwExtension.engine=sail", environment={"PYTHONPATH": os.pathsep.join(path)})
    answer = site.grpc("ExecutePlan", Session().query("SELECT 1 + 1 AS two"), endpoint="default")
    assert rows(answer.messages) == [{"two": 2}]


@pytest.mark.parametrize("mode", ["watch", "exec"])
def test_supervised_program_keeps_its_exit_status(mode: str) -> None:
    with subprocess.Popen(
        [sys.executable, supervise.__file__, str(os.getpid()), mode, "--", sys.executable, "-c", "exit(7)"],
        stdin=subprocess.PIPE,
    ) as process:
        assert process.wait(30) == 7


def test_watched_program_ends_when_the_pipe_is_closed() -> None:
    code = (
        "import subprocess, time; subprocess.Popen(['sleep', '60']); print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, supervise.__file__, str(os.getpid()), "watch", "--", sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"up\n"
        below = psutil.Process(process.pid).children(recursive=True)
        assert len(below) == 2
        process.stdin.close()
        assert process.wait(40) != 0
        assert all(gone(child) for child in below)


def test_supervisor_of_another_parent_starts_nothing() -> None:
    done = subprocess.run(
        [sys.executable, supervise.__file__, "1", "exec", "--", sys.executable, "-c", "print('ran')"],
        stdin=subprocess.PIPE,
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert (done.returncode, done.stdout) == (3, b"")


@pytest.mark.parametrize(
    ("code", "text"), [(1, "exit code 1"), (-9, "killed by SIGKILL"), (-99, "killed by signal 99")]
)
def test_exit_status_is_told_in_words(code: int, text: str) -> None:
    assert describe_exit(code) == text


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_202"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ("no such thing", None),
    ],
)
def test_java_version_is_read(tmp_path: Path, printed: str, version: int | None) -> None:
    program = tmp_path / "java"
    program.write_text(f"#!/bin/sh\necho '{printed}' >&2\n")
    program.chmod(0o755)
    assert java.java_version(program) == version


def test_java_that_does_not_run_has_no_version(tmp_path: Path) -> None:
    assert java.java_version(tmp_path / "none") is None


def test_old_java_is_refused_with_the_remedy(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    program.chmod(0o755)
    found = spark.find({"JAVA_HOME": str(tmp_path)})
    assert isinstance(found, str)
    assert "Java 11" in found
    assert "Java 17 or later" in found


def test_sail_is_launched_with_its_own_pyspark_first_and_without_sparks_variables() -> None:
    made = sail.launch({"PYTHONPATH": "/mine", "SPARK_REMOTE": "sc://x", "SPARK_HOME": "/y", "HOME": "/h"})
    made.clean()
    assert made.environment["PYTHONPATH"].split(os.pathsep) == [str(sail.SITE), "/mine"]
    assert not any(name.startswith("SPARK") for name in made.environment)
    assert made.environment["HOME"] == "/h"


def test_sparks_token_is_not_on_its_command_line() -> None:
    home = spark.SparkHome(Path(spark.spark_home() or "/none"), java.Java(Path("/usr/bin/java")))
    made = spark.launch(home, driver_memory="1g", configuration={"spark.x": "y"}, environment={})
    assert made.token
    assert made.token not in " ".join(made.command)
    assert made.token not in repr(made)
    settings = Path(made.command[made.command.index("--properties-file") + 1]).read_text(encoding="utf-8")
    made.clean()
    assert made.token not in settings
    assert "spark.x=y\n" in settings
    assert "spark.connect.grpc.binding.address=127.0.0.1\n" in settings


def test_answer_decoder_of_these_tests_wants_trailers() -> None:
    with pytest.raises(AssertionError):
        decode(Answer(200, {}, encode_frame(b"x")))
