"""Unmodified PySpark on the patched channel, against a scripted Spark Connect server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyspark_connect_web as pcw
import pytest
from pyspark.errors import PySparkValueError
from pyspark_connect_web import wire
from pyspark_connect_web.patches.client import RETRY_POLICY

from tests.client.peer import OK_HEAD, OK_TRAILERS, Exchange, Handler, Peer, html_page, json_page
from tests.client.scripted_spark import Spark, run_command

# PySpark warns about pandas 3 when it is imported, which is none of our business.
pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")

CLIENT = Path(pcw.__file__).parents[1]


@pytest.fixture(autouse=True)
def patched() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        pcw.install()


@pytest.fixture
def connect() -> Iterator[Callable[[str], Any]]:
    from pyspark.sql.connect.session import SparkSession

    sessions = []

    def make(url: str) -> Any:
        session = SparkSession(url)
        session.release_session_on_close = False
        sessions.append(session)
        return session

    yield make
    for session in sessions:
        # Not client.close(): it waits for releases, whose server is gone by now.
        session.client._channel.close()


def queries(peer: Peer) -> list[str]:
    """What was asked, settings and releases aside."""
    return [rpc for rpc in peer.rpcs if rpc not in ("Config", "ReleaseExecute")]


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_install_is_idempotent() -> None:
    from pyspark.sql.connect.client import core

    before = (core.DefaultChannelBuilder.__init__, core.DefaultChannelBuilder.toChannel)
    pcw.install()
    assert (core.DefaultChannelBuilder.__init__, core.DefaultChannelBuilder.toChannel) == before


def test_ordinary_connection_string_keeps_grpcio() -> None:
    from pyspark.sql.connect.client import ChannelBuilder, DefaultChannelBuilder
    from pyspark_connect_web.rpc.stub import GrpcWebChannel

    builder = DefaultChannelBuilder("sc://localhost:1/;user_id=me")
    assert (builder.host, builder.endpoint, builder.userId) == ("localhost", "localhost:1", "me")
    with builder.toChannel() as channel:
        assert not isinstance(channel, GrpcWebChannel)
    assert isinstance(builder, ChannelBuilder)
    with pytest.raises(PySparkValueError, match="must start with 'sc://'"):
        DefaultChannelBuilder("ftp://host")


def test_our_connection_string_gives_our_channel() -> None:
    import copy

    from pyspark.sql.connect.client import DefaultChannelBuilder
    from pyspark_connect_web.rpc.stub import GrpcWebChannel

    url = "sc://h:1/;transport=grpcweb;user_id=me;token=t;x-team=data;session_id=00112233-4455-4677-8899-aabbccddeeff"
    builder = DefaultChannelBuilder(url)
    assert (builder.host, builder.endpoint, builder.userId, builder.token) == ("h", "https://h:1", "me", "t")
    assert builder.session_id == "00112233-4455-4677-8899-aabbccddeeff"
    assert list(builder.metadata()) == [("x-team", "data")]
    # Cloned sessions copy their builder.
    for made in (builder, copy.deepcopy(builder)):
        channel = made.toChannel()
        assert isinstance(channel, GrpcWebChannel)
        assert channel.target.base == "https://h:1"


def test_unusable_connection_string_is_pyspark_s_error() -> None:
    from pyspark.sql.connect.client import DefaultChannelBuilder

    with pytest.raises(PySparkValueError) as caught:
        DefaultChannelBuilder("http://host/?token=s3cret")
    assert caught.value.getCondition() == "INVALID_CONNECT_URL"
    assert "';token=...'" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_session_sends_its_user_token_and_metadata(connect: Callable[[str], Any]) -> None:
    spark = Spark()
    with Peer(spark) as peer:
        session = connect(f"{peer.url}/base;token=t0ken;user_id=me;x-team=data")
        run_command(session)
        first = next(request for request in peer.requests if request.rpc == "ExecutePlan")
        assert first.path == "/base/spark.connect.SparkConnectService/ExecutePlan"
        assert first.headers["authorization"] == "Bearer t0ken"
        assert first.headers["x-team"] == "data"
        assert "user_id" not in first.headers
        assert spark.seen[0].user_context.user_id == "me"
        assert spark.seen[0].client_type.startswith("_SPARK_CONNECT_PYTHON")


def test_making_a_session_sends_nothing(connect: Callable[[str], Any]) -> None:
    with Peer(Spark()) as peer:
        connect(peer.url)
        assert peer.requests == []


@pytest.mark.parametrize(
    ("handler", "code", "text"),
    [
        (json_page("401 Unauthorized", "log in"), "UNAUTHENTICATED", "HTTP 401"),
        (json_page("403 Forbidden", "token gone"), "PERMISSION_DENIED", "token gone"),
        (json_page("404 Not Found", "no such endpoint"), "UNIMPLEMENTED", "no such endpoint"),
        (html_page("200 OK", "Sign in"), "UNKNOWN", "Sign in"),
        (lambda exchange: exchange.whole(b""), "INTERNAL", "without trailers"),
    ],
    ids=["401", "403", "404", "login page", "no trailers"],
)
@pytest.mark.parametrize("call", [run_command, lambda session: session.version], ids=["stream", "unary"])
def test_refusal_is_raised_at_once_and_not_retried(
    connect: Callable[[str], Any],
    handler: Any,
    code: str,
    text: str,
    call: Callable[[Any], Any],
) -> None:
    from pyspark.errors.exceptions.connect import SparkConnectGrpcException

    with Peer(handler) as peer:
        session = connect(peer.url)
        with pytest.raises(SparkConnectGrpcException) as caught:
            call(session)
        assert caught.value.getGrpcStatusCode().name == code
        assert text in str(caught.value)
        wait_until(lambda: peer.rpcs.count("ReleaseExecute") <= 1)
        assert queries(peer) in (["ExecutePlan"], ["AnalyzePlan"])


@pytest.mark.filterwarnings("ignore:.RETRIES_EXCEEDED.")
def test_server_that_stays_away_is_an_error_within_ten_seconds(connect: Callable[[str], Any]) -> None:
    from pyspark.errors.exceptions.connect import SparkConnectGrpcException

    with Peer(html_page("502 Bad Gateway", "nginx")) as peer:
        session = connect(peer.url)
        started = time.monotonic()
        with pytest.raises(SparkConnectGrpcException, match="502 Bad Gateway") as caught:
            session.version  # noqa: B018 - asks the server
        # the pauses between the tries
        assert 2 < time.monotonic() - started < 60
        assert caught.value.getGrpcStatusCode().name == "UNAVAILABLE"
        assert peer.rpcs.count("AnalyzePlan") == RETRY_POLICY["max_retries"] + 1


@pytest.mark.filterwarnings("ignore:.RETRIES_EXCEEDED.")
def test_first_query_without_a_server_is_an_error_within_ten_seconds(connect: Callable[[str], Any]) -> None:
    from pyspark.errors.exceptions.connect import SparkConnectGrpcException

    started = time.monotonic()
    with pytest.raises(SparkConnectGrpcException, match=r"Could not connect to http://127\.0\.0\.1:1 "):
        run_command(connect("http://127.0.0.1:1"))
    assert time.monotonic() - started < 60


def test_who_passes_a_policy_keeps_it() -> None:
    from pyspark.sql.connect.client import SparkConnectClient

    def retries(**given: Any) -> int:
        client = SparkConnectClient(given.pop("url", "http://127.0.0.1:1"), **given)
        [policy] = client.get_retry_policies()
        client.close()
        return int(policy.max_retries)

    assert retries() == 4
    assert retries(retry_policy={"max_retries": 9}) == 9
    assert retries(url="sc://127.0.0.1:1") == 15


def cut_early(exchange: Exchange) -> None:
    exchange.send(OK_HEAD)
    exchange.hang_up()


def test_server_that_comes_back_is_reached_by_pyspark_s_retry(connect: Callable[[str], Any]) -> None:
    spark = Spark()
    failures = iter([html_page("503 Service Unavailable", "starting"), cut_early])

    def handler(exchange: Exchange) -> None:
        is_query = exchange.request.rpc not in ("Config", "ReleaseExecute")
        (next(failures, spark) if is_query else spark)(exchange)

    with Peer(handler) as peer:
        run_command(connect(peer.url))
        assert queries(peer) == ["ExecutePlan", "ReattachExecute", "ReattachExecute"]


SAIL_KNOWS_NO_SUCH_OPERATION = wire.encode_trailers(
    [("grpc-status", "3"), ("grpc-message", "invalid argument: operation not found: 4d190b72")]
)
"""What Sail 0.6 answers to ReattachExecute for a plan that never came to it."""


def ended(exchange: Exchange) -> None:
    """A stream that ends properly, and without a result: so ends Sail's of a query that was interrupted."""
    exchange.whole(OK_TRAILERS)


def run_query(session: Any) -> None:
    """A plan that reads: one ExecutePlan."""
    client = session.client
    request = client._execute_plan_request_with_metadata()
    request.plan.CopyFrom(session.range(1)._plan.to_proto(client))
    client._execute(request)


NO_SERVER = html_page("503 Service Unavailable", "socket hang up")


@pytest.mark.parametrize(
    ("run", "failure", "calls"),
    [
        (run_query, NO_SERVER, ["ExecutePlan", "ReattachExecute", "ExecutePlan"]),
        # It may have run and written: nobody knows whether Sail remembers operations that have ended.
        (run_command, NO_SERVER, ["ExecutePlan", "ReattachExecute"]),
        (run_query, ended, ["ExecutePlan", "ReattachExecute"]),
    ],
    ids=["a query met no server", "a command met no server", "a query was ended"],
)
def test_query_that_never_reached_sail_is_sent_again_and_nothing_else(
    connect: Callable[[str], Any], run: Callable[[Any], None], failure: Handler, calls: list[str]
) -> None:
    from pyspark.errors import PySparkException

    spark = Spark()
    answers = iter([failure, lambda exchange: exchange.whole(SAIL_KNOWS_NO_SUCH_OPERATION)])

    def handler(exchange: Exchange) -> None:
        is_query = exchange.request.rpc not in ("Config", "ReleaseExecute")
        (next(answers, spark) if is_query else spark)(exchange)

    with Peer(handler) as peer:
        if len(calls) == 3:
            run(connect(peer.url))
        else:
            with pytest.raises(PySparkException, match="operation not found") as caught:
                run(connect(peer.url))
            assert "it was interrupted elsewhere, or its connection broke" in str(caught.value)
            assert "look first whether it has written" in str(caught.value)
        assert queries(peer) == calls


def test_cut_stream_is_reattached_where_it_stopped(connect: Callable[[str], Any]) -> None:
    spark = Spark(responses=5)

    def handler(exchange: Exchange) -> None:
        if exchange.request.rpc not in ("ExecutePlan", "ReattachExecute"):
            spark(exchange)
            return
        request = spark.parse(exchange)
        exchange.send(OK_HEAD)
        if exchange.request.rpc == "ExecutePlan":
            spark.stream(exchange, request, 1, 2)
            exchange.hang_up()
            return
        spark.stream(exchange, request, int(request.last_response_id[1:]) + 1, 5)
        exchange.chunk(OK_TRAILERS)
        exchange.chunk(b"")

    with Peer(handler) as peer:
        run_command(connect(peer.url))
        assert queries(peer) == ["ExecutePlan", "ReattachExecute"]
        [reattach] = [request for request in spark.seen if hasattr(request, "last_response_id")]
        assert reattach.last_response_id == "r2"


def test_error_of_spark_is_pyspark_s_exception(connect: Callable[[str], Any]) -> None:
    from google.protobuf.any_pb2 import Any as AnyMessage
    from google.rpc import error_details_pb2, status_pb2
    from pyspark.errors import AnalysisException

    info = error_details_pb2.ErrorInfo(
        reason="org.apache.spark.sql.AnalysisException",
        metadata={
            "classes": json.dumps(["org.apache.spark.sql.AnalysisException", "java.lang.Exception"]),
            "errorClass": "UNRESOLVED_COLUMN.WITH_SUGGESTION",
            "sqlState": "42703",
            "messageParameters": json.dumps({"objectName": "`nope`"}),
        },
    )
    detail = AnyMessage()
    detail.Pack(info)
    message = "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column `nope`\ncannot be resolved. SQLSTATE: 42703"
    rich = status_pb2.Status(code=13, message=message, details=[detail])
    status = wire.Status(wire.StatusCode.INTERNAL, message, rich.SerializeToString())

    with Peer(lambda exchange: exchange.whole(wire.encode_trailers(status.to_pairs()))) as peer:
        with pytest.raises(AnalysisException) as caught:
            run_command(connect(peer.url))
        assert caught.value.getCondition() == "UNRESOLVED_COLUMN.WITH_SUGGESTION"
        assert caught.value.getSqlState() == "42703"
        assert message in str(caught.value)


def script(code: str, *arguments: str, timeout: float = 60) -> str:
    """Run code in a process of its own, with the lean stand-ins and without threads for releases."""
    prelude = (
        "import sys, threading, warnings\n"
        f"sys.path.insert(0, {str(CLIENT)!r})\n"
        "import pyspark_connect_web as pcw\n"
        "pcw.install(lean=True, threads=False)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", prelude + code, *arguments], capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


RANGE = """
from pyspark.sql.connect.session import SparkSession
session = SparkSession(sys.argv[1])
session.release_session_on_close = False
session.range(1).createOrReplaceTempView("v")
assert threading.active_count() == 1, threading.enumerate()
session.client.close()
"""


def test_releases_are_sent_without_threads() -> None:
    spark = Spark(responses=40)
    with Peer(spark) as peer:
        script(RANGE, peer.url)
        releases = [request for request in spark.seen if hasattr(request, "release_until")]
        assert releases
        last = releases[-1]
        assert last.HasField("release_all")
        assert sum(request.HasField("release_all") for request in releases) == 1
        # One each fifth of a second and one at the end: a quick query has hardly anything to release before it.
        assert len(releases) < 20


def test_long_stream_is_released_while_it_is_read() -> None:
    spark = Spark(responses=40)
    took: list[float] = []

    def handler(exchange: Exchange) -> None:
        if exchange.request.rpc != "ExecutePlan":
            spark(exchange)
            return
        request = spark.parse(exchange)
        exchange.send(OK_HEAD)
        began = time.monotonic()
        for number in range(1, 41):
            spark.stream(exchange, request, number, number)
            time.sleep(0.03)
        took.append(time.monotonic() - began)
        exchange.chunk(OK_TRAILERS)
        exchange.chunk(b"")

    with Peer(handler) as peer:
        script(RANGE, peer.url)
        releases = [request for request in spark.seen if hasattr(request, "release_until")]
        assert releases[-1].HasField("release_all")
        numbers = [int(request.release_until.response_id[1:]) for request in releases[:-1]]
        assert numbers == sorted(set(numbers))
        # One release each fifth of a second; native PySpark sends all 39.
        assert 1 <= len(numbers) <= took[0] / 0.2 + 1


def test_release_that_never_gets_an_answer_holds_nothing_up() -> None:
    spark = Spark(responses=40)

    def handler(exchange: Exchange) -> None:
        if exchange.request.rpc == "ReleaseExecute":
            spark.parse(exchange)
            exchange.stop.wait(30)
        else:
            spark(exchange)

    with Peer(handler) as peer:
        started = time.monotonic()
        script(
            RANGE.replace("session.client.close()", "import os; print(1, flush=True); os._exit(0)"), peer.url
        )
        assert time.monotonic() - started < 25
        releases = [request for request in spark.seen if hasattr(request, "release_until")]
        assert [request.HasField("release_all") for request in releases] == [True]


@pytest.mark.parametrize("threads", [True, False])
def test_interrupt_stops_the_query_at_spark_and_the_session_goes_on(threads: bool) -> None:
    spark = Spark()
    running = threading.Event()

    def handler(exchange: Exchange) -> None:
        if exchange.request.rpc == "ExecutePlan" and not running.is_set():
            spark.parse(exchange)
            running.set()
            assert exchange.wait_for_close()
        else:
            spark(exchange)

    code = f"""
import signal
import sys
# A shell starts what runs in its background with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {str(CLIENT)!r})
import warnings
warnings.simplefilter("ignore")
import pyspark_connect_web as pcw
pcw.install(threads={threads})
from pyspark.sql.connect.session import SparkSession
session = SparkSession(sys.argv[1])
session.release_session_on_close = False
print("ready", flush=True)
try:
    session.range(1).createOrReplaceTempView("v")
except KeyboardInterrupt:
    print("interrupted", flush=True)
session.range(1).createOrReplaceTempView("v")
session.client.close()
print("went on", flush=True)
"""
    with Peer(handler) as peer:
        process = subprocess.Popen(
            [sys.executable, "-c", code, peer.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert running.wait(60)
        os.kill(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=240)
        assert output.split("\n")[:3] == ["ready", "interrupted", "went on"], errors
        [interrupt] = [request for request in spark.seen if hasattr(request, "interrupt_type")]
        executed = [request for request in spark.seen if hasattr(request, "plan")]
        assert interrupt.operation_id == executed[0].operation_id
