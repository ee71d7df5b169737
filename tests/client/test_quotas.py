"""What a person sees of quotas: PySpark itself, through the endpoint of a real Jupyter server that runs Sail."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pyspark_connect_web as pcw
import pytest

from tests.support.leaving import becomes_busy
from tests.support.server import start
from tests.support.web import Site

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")

SLOW = "select sum(a.id * b.id) s from range(0, 10000000) a join range(0, 100000) b on a.id % 7 = b.id % 7"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server on which one query may run at once, with results of at most 100 rows."""
    with start(
        tmp_path_factory.mktemp("quotas"),
        "--PcwExtension.engine=sail",
        "--PcwExtension.max_user_queries=1",
        "--PcwExtension.max_result_rows=100",
        "--PcwExtension.max_user_sessions=3",
    ) as process:
        yield Site(process)


@pytest.fixture
def connect(site: Site) -> Iterator[Callable[[], Any]]:
    """Make sessions; they end with the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        pcw.install()
        from pyspark.sql.connect.session import SparkSession
    made = []

    def make() -> Any:
        made.append(SparkSession(f"{site.process.url}pcw/grpc/default;token={site.token}"))
        return made[-1]

    yield make
    for session in made:
        session.stop()


def refusals(site: Site, quota: str) -> int:
    text = site.request("GET", "metrics").body.decode()
    found = re.search(
        rf'^pcw_quota_refusals_total\{{endpoint="default",quota="{quota}"\}} (\S+)$', text, re.M
    )
    return int(float(found[1])) if found else 0


def refused(action: Callable[[], Any]) -> str:
    """The text of the error with which the action ends."""
    import grpc
    from pyspark.errors.exceptions.connect import SparkConnectGrpcException

    with pytest.raises(SparkConnectGrpcException) as caught:
        action()
    assert caught.value.getGrpcStatusCode() is grpc.StatusCode.RESOURCE_EXHAUSTED
    return str(caught.value)


def test_queries_one_after_the_other_are_never_one_too_many(site: Site, connect: Callable[[], Any]) -> None:
    spark = connect()
    for number in range(30):
        assert spark.range(number).count() == number
    with pytest.raises(Exception, match="nowhere"):
        spark.sql("select * from nowhere").collect()
    assert len(spark.range(100).collect()) == 100
    assert refusals(site, "queries") == 0


def test_query_too_many_is_an_error_that_is_not_repeated(site: Site, connect: Callable[[], Any]) -> None:
    from pyspark.errors import PySparkException

    first, second = connect(), connect()
    assert second.range(3).count() == 3
    ends: list[BaseException] = []

    def run() -> None:
        try:
            first.sql(SLOW).collect()
        except PySparkException as error:
            ends.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    engine, _ = site.process.engine()
    assert becomes_busy(engine), "the query does not run"
    before = refusals(site, "queries")
    text = refused(lambda: second.range(3).collect())
    assert "1 query of yours is already running on this endpoint" in text
    assert "(PcwExtension.max_user_queries = 1). Wait for one to end, or stop one in its notebook" in text
    assert refusals(site, "queries") == before + 1
    first.interruptAll()
    thread.join(60)
    assert not thread.is_alive()
    assert len(ends) == 1
    assert second.range(4).count() == 4


def test_result_with_too_many_rows_is_an_error_that_is_not_repeated(
    site: Site, connect: Callable[[], Any]
) -> None:
    spark = connect()
    before = refusals(site, "rows")
    text = refused(lambda: spark.range(100_000).collect())
    assert "has more than 100 rows, the most that the administrator of this Jupyter server allows" in text
    assert "Fetch less: filter, aggregate or limit() it, or let Spark write it with df.write." in text
    assert refusals(site, "rows") == before + 1
    assert len(spark.range(100_000).limit(100).collect()) == 100
    assert spark.range(100_000).count() == 100_000


def test_session_too_many_is_an_error_until_one_is_stopped(site: Site, connect: Callable[[], Any]) -> None:
    sessions = [connect() for _ in range(4)]
    for session in sessions[:3]:
        assert session.range(2).count() == 2
    text = refused(lambda: sessions[3].range(2).count())
    assert "3 sessions of yours are already open on this endpoint" in text
    assert "End one with spark.stop() in a notebook that you no longer need" in text
    sessions[0].stop()
    assert sessions[3].range(2).count() == 2
