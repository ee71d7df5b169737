"""Connections that are dead without a word: found out, asked for again, and never taken for a query that takes long."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyspark_connect_web import wire
from pyspark_connect_web.errors import DeadConnection
from pyspark_connect_web.rpc.silence import Silence, can_be_asked_again

from tests.support.cutter import Cutter
from tests.support.paths import REPOSITORY
from tests.support.plans import base_pb2
from tests.support.server import StartServer, start
from tests.support.spark import SharedSpark
from tests.support.upstream import SyntheticUpstream, order
from tests.support.web import Site

QUERY = """
import sys, time, warnings
warnings.simplefilter("ignore")
import pyspark_connect_web
pyspark_connect_web.install()
from pyspark.sql.connect.client import reattach
from pyspark.sql.connect.session import SparkSession
from pyspark.sql.connect.functions import udf
from pyspark.sql.types import LongType

kind = reattach.ExecutePlanResponseReattachableIterator
original, asked = kind._create_reattach_execute_request, []
kind._create_reattach_execute_request = lambda self: asked.append(self._last_returned_response_id) or original(self)

spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
assert spark.range(3).count() == 3
"""

LARGE = """
spark.addTag("large")
ids = [row.id for row in spark.range(400_000).collect()]
print(len(ids), len(set(ids)), sum(ids) == sum(range(400_000)), len(asked) > 0)
"""
HALF = 1_600_000
"""Bytes: a row of the large result has eight."""
SLOW = """
slowly = udf(lambda value: time.sleep(4) or value + 41, LongType())
spark.addTag("slow")
print(spark.range(1, 2).select(slowly("id").alias("n")).collect()[0].n)
"""


def run(code: str, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", QUERY + code, url],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        cwd=REPOSITORY,
    )


@contextmanager
def chain(folder: Path, engine: str) -> Iterator[tuple[Cutter, str]]:
    """A cutter before a server whose answers are not silent for long; the address of the endpoint through it."""
    with start(folder, engine, "--PcwExtension.silence_limit=0.6") as process:
        cutter = Cutter(process.port)
        yield cutter, f"http://127.0.0.1:{cutter.port}/pcw/grpc/default;token={process.token}"
        cutter.close()


@pytest.fixture(scope="module")
def sail_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cutter, str]]:
    """The server's engine is Sail."""
    with chain(tmp_path_factory.mktemp("sail"), "--PcwExtension.engine=sail") as found:
        yield found


@pytest.fixture(scope="module")
def spark_chain(
    run_spark: SharedSpark, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cutter, str]]:
    """The server's endpoint is Apache Spark."""
    endpoints = f"--PcwExtension.endpoints={{'default': '{run_spark.remote}'}}"
    with chain(tmp_path_factory.mktemp("spark"), endpoints) as found:
        yield found


def run_on_dying_connection(chain: tuple[Cutter, str], after: int) -> subprocess.CompletedProcess[str]:
    """Run a query of which `after` bytes come before its connection dies."""
    cutter, url = chain
    before = cutter.cuts
    cutter.arm(b"large", after, swallow=True)
    done = run(LARGE, url)
    cutter.disarm()
    assert cutter.cuts == before + 1
    return done


@pytest.mark.parametrize("after", [0, HALF], ids=["nothing-came", "half-came"])
def test_result_whose_connection_dies_is_asked_for_again_and_arrives_once(
    spark_chain: tuple[Cutter, str], after: int
) -> None:
    done = run_on_dying_connection(spark_chain, after)
    assert done.stdout == "400000 400000 True True\n", done.stderr[-3000:]


def test_result_of_which_nothing_came_is_made_again_by_sail(sail_chain: tuple[Cutter, str]) -> None:
    done = run_on_dying_connection(sail_chain, 0)
    assert done.stdout == "400000 400000 True True\n", done.stderr[-3000:]


def test_result_of_which_sail_keeps_no_rest_is_said_to_be_lost(sail_chain: tuple[Cutter, str]) -> None:
    done = run_on_dying_connection(sail_chain, HALF)
    assert done.stdout == ""
    assert "Spark no longer knows of this operation" in done.stderr
    assert "Run it again; if it writes, look first whether it has written." in done.stderr


def test_query_that_says_nothing_goes_on_when_its_connection_dies(sail_chain: tuple[Cutter, str]) -> None:
    cutter, url = sail_chain
    before = cutter.cuts
    cutter.arm(b"slow", 0, swallow=True)
    done = run(SLOW, url)
    cutter.disarm()
    assert done.stdout == "42\n", done.stderr[-3000:]
    assert cutter.cuts == before + 1


def promised(seconds: str, *, name: str = wire.LONGEST_SILENCE) -> Silence:
    silence = Silence()
    silence.learn([("content-type", wire.GRPC_WEB_PROTO), (name, seconds)])
    return silence


def test_nothing_is_dead_where_nothing_is_promised() -> None:
    assert Silence().limit(0) is None
    for value in ("", "soon", "nan", "inf", "0", "-1"):
        assert promised(value).limit(0) is None
    assert promised("15", name="x-other").limit(0) is None


def test_limit_leaves_room_for_a_busy_machine_and_for_the_request_itself() -> None:
    assert promised("15").limit(0) == 40
    assert promised("15", name="X-Pcw-Longest-Silence").limit(0) == 40
    assert promised("15").limit(64 << 20) == 40 + 16384
    assert promised("1e12").limit(0) == 7210


def test_answer_of_another_program_on_the_way_takes_no_promise_back() -> None:
    silence = promised("15")
    silence.learn([("content-type", "text/html")])
    assert silence.limit(0) == 40


def test_promise_holds_for_answers_that_can_be_asked_for_again_only() -> None:
    service = "/spark.connect.SparkConnectService"
    plain = base_pb2.ExecutePlanRequest(session_id="s")
    resumable = base_pb2.ExecutePlanRequest(request_options=[{"reattach_options": {"reattachable": True}}])
    assert not can_be_asked_again(f"{service}/ExecutePlan", plain)
    assert can_be_asked_again(f"{service}/ExecutePlan", resumable)
    assert can_be_asked_again(f"{service}/ReattachExecute", base_pb2.ReattachExecuteRequest())
    assert not can_be_asked_again(f"{service}/AnalyzePlan", base_pb2.AnalyzePlanRequest())


def test_person_is_told_what_happened() -> None:
    assert str(DeadConnection(41.2)) == (
        "The connection to the server is dead: nothing has come for 41 seconds, and the server leaves none unanswered"
        " for so long. The network was interrupted, this machine slept, or a proxy dropped the connection. Run the"
        " cell again."
    )


def test_server_promises_as_long_as_it_keeps(start_server: StartServer, upstream: SyntheticUpstream) -> None:
    endpoints = f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}'}}"

    def promise(site: Site) -> str | None:
        return site.grpc("AnalyzePlan", order()).http.headers.get(wire.LONGEST_SILENCE)

    assert promise(start_server(endpoints)) == "15"
    assert promise(start_server(endpoints, "--PcwExtension.silence_limit=0")) is None
