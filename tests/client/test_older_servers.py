"""The client against servers of Spark 4.0, 4.1 and 3.5, with the answers that these give."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pyspark_connect_web as pcw
import pytest
from pyspark_connect_web import wire
from pyspark_connect_web.errors import PcwError, UnsupportedServer

from tests.client.peer import Exchange, Peer
from tests.client.scripted_spark import Spark

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")

LOCAL = "spark.sql.session.localRelation"
SPARK_4_0 = {
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.session.timeZone": "Europe/Berlin",
    f"{LOCAL}CacheThreshold": "67108864",
    "spark.sql.execution.pandas.convertToArrowArraySafely": "false",
    "spark.sql.execution.pandas.inferPandasDictAsMap": "true",
    "spark.sql.pyspark.inferNestedDictAsStruct.enabled": "false",
    "spark.sql.pyspark.legacy.inferArrayTypeFromFirstElement.enabled": "false",
    "spark.sql.pyspark.legacy.inferMapTypeFromFirstPair.enabled": "false",
    "spark.sql.execution.arrow.useLargeVarTypes": "false",
}
SPARK_4_1 = SPARK_4_0 | {
    f"{LOCAL}CacheThreshold": "1048576b",
    f"{LOCAL}SizeLimit": "3221225472b",
    f"{LOCAL}ChunkSizeRows": "10000",
    f"{LOCAL}ChunkSizeBytes": "16MB",
    f"{LOCAL}BatchOfChunksSizeBytes": "512m",
}


def failure(condition: str, message: str) -> bytes:
    """The trailers of a call that Spark refuses."""
    from google.protobuf.any_pb2 import Any as AnyMessage
    from google.rpc import error_details_pb2, status_pb2

    name = "org.apache.spark.SparkException"
    info = error_details_pb2.ErrorInfo(
        reason=name,
        metadata={"classes": json.dumps([name]), "errorClass": condition, "messageParameters": "{}"},
    )
    detail = AnyMessage()
    detail.Pack(info)
    text = f"[{condition}] {message}"
    rich = status_pb2.Status(code=13, message=text, details=[detail])
    status = wire.Status(wire.StatusCode.INTERNAL, text, rich.SerializeToString())
    return wire.encode_trailers(status.to_pairs())


class OlderSpark(Spark):
    """A server with these settings, or of this version, which finds every statement wrong."""

    def __init__(self, settings: dict[str, str], version: str = "") -> None:
        super().__init__()
        self.settings = settings
        self.version = version

    def __call__(self, exchange: Exchange) -> None:
        if exchange.request.rpc == "Config":
            self.config(exchange)
        elif exchange.request.rpc == "AnalyzePlan":
            request = self.parse(exchange)
            answer = self.proto.AnalyzePlanResponse(session_id=request.session_id, server_side_session_id="s")
            answer.spark_version.version = self.version
            exchange.message(answer.SerializeToString())
        elif exchange.request.rpc == "ExecutePlan" and self.version:
            self.parse(exchange)
            exchange.whole(
                failure("PARSE_SYNTAX_ERROR", "Syntax error at or near end of input.(line 1, pos 0)")
            )
        else:
            super().__call__(exchange)

    def config(self, exchange: Exchange) -> None:
        request = self.parse(exchange)
        operation = request.operation
        answer = self.proto.ConfigResponse(session_id=request.session_id, server_side_session_id="s")
        for key in (*operation.get.keys, *operation.get_option.keys):
            value = self.settings.get(key)
            if value is None and operation.HasField("get"):
                exchange.whole(failure("SQL_CONF_NOT_FOUND", f'The SQL config "{key}" cannot be found.'))
                return
            pair = answer.pairs.add(key=key)
            if value is not None:
                pair.value = value
        exchange.message(answer.SerializeToString())

    def asked(self, kind: str) -> list[Any]:
        return [request for request in self.seen if type(request).__name__ == f"{kind}Request"]

    def asked_for(self, setting: str) -> int:
        """How often a client has asked for a setting: PySpark asks for others of its own."""
        operations = [request.operation for request in self.asked("Config")]
        return sum(setting in (*operation.get.keys, *operation.get_option.keys) for operation in operations)


@pytest.fixture
def connect() -> Iterator[Callable[[OlderSpark], Any]]:
    from pyspark.sql.connect.session import SparkSession

    pcw.install()
    opened: list[tuple[Any, Peer]] = []

    def make(spark: OlderSpark) -> Any:
        peer = Peer(spark)
        session = SparkSession(peer.__enter__().url)
        session.release_session_on_close = False
        opened.append((session, peer))
        return session

    yield make
    for session, peer in opened:
        session.client._channel.close()
        peer.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("settings", "questions"),
    [(SPARK_4_0, 2), (SPARK_4_1, 1), ({**SPARK_4_1, f"{LOCAL}SizeLimit": "3221225472"}, 1)],
    ids=["4.0", "4.1", "4.3"],
)
def test_local_rows_go_to_older_servers(
    connect: Callable[[OlderSpark], Any], settings: dict[str, str], questions: int
) -> None:
    spark = OlderSpark(settings)
    session = connect(spark)
    frame = session.createDataFrame([(1, "a"), (2, "b")], "n bigint, s string")
    assert spark.asked_for(f"{LOCAL}SizeLimit") == questions
    relation = frame._plan.to_proto(session.client).root
    assert "local_relation" in str(relation)
    session.createDataFrame([(3, "c")], "n bigint, s string")
    # What a server lacks is asked for once.
    assert spark.asked_for(f"{LOCAL}SizeLimit") == questions + 1


@pytest.mark.parametrize(("settings", "chunks"), [(SPARK_4_0, False), (SPARK_4_1, True)], ids=["4.0", "4.1"])
def test_settings_are_the_servers_own_or_the_defaults(
    connect: Callable[[OlderSpark], Any], settings: dict[str, str], chunks: bool
) -> None:
    spark = OlderSpark(settings)
    found = connect(spark).client.get_config_dict(*SPARK_4_1)
    assert found["spark.sql.session.timeZone"] == "Europe/Berlin"
    assert found["spark.sql.execution.pandas.inferPandasDictAsMap"] == "true"
    sizes = {key.removeprefix(LOCAL): int(value) for key, value in found.items() if key.startswith(LOCAL)}
    threshold = sizes.pop("CacheThreshold")
    assert sizes == {
        "SizeLimit": 3 << 30,
        "ChunkSizeRows": 10000,
        "ChunkSizeBytes": 16 << 20,
        "BatchOfChunksSizeBytes": 512 << 20,
    }
    # A server that knows no data in chunks gets them inside the plan, whatever their size.
    assert threshold == (1 << 20 if chunks else (1 << 63) - 1)


def test_setting_that_nobody_knows_stays_an_error(connect: Callable[[OlderSpark], Any]) -> None:
    from pyspark.errors import PySparkException

    spark = OlderSpark(SPARK_4_0)
    with pytest.raises(PySparkException, match="SQL_CONF_NOT_FOUND"):
        connect(spark).client.get_config_dict("spark.sql.nope")
    assert spark.asked_for("spark.sql.nope") == 1


def test_spark_3_is_refused_in_words(connect: Callable[[OlderSpark], Any]) -> None:
    spark = OlderSpark({}, version="3.5.1")
    session = connect(spark)
    for _ in range(2):
        with pytest.raises(UnsupportedServer) as caught:
            session.sql("CREATE TABLE t (n INT)").collect()
        assert "server runs Apache Spark 3.5.1" in str(caught.value)
        assert "PySpark 4.3" in str(caught.value)
        assert "Connect to a server with Spark 4" in str(caught.value)
        assert isinstance(caught.value, PcwError)
    assert len(spark.asked("AnalyzePlan")) == 1


def test_wrong_statement_is_sparks_error_on_a_newer_server(connect: Callable[[OlderSpark], Any]) -> None:
    from pyspark.errors import PySparkException

    spark = OlderSpark({}, version="4.0.2")
    with pytest.raises(PySparkException, match="PARSE_SYNTAX_ERROR"):
        connect(spark).sql("SELEC").collect()
    assert len(spark.asked("AnalyzePlan")) == 1
