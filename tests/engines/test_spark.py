"""Apache Spark as the local engine: one server for all of it, its end last."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import grpc
import psutil
import pytest

from tests.engines.watching import gone, state
from tests.faults.client import Client
from tests.support.identity_provider import PROVIDER
from tests.support.leaving import IDLE, becomes_busy, becomes_idle, cpu_share, running
from tests.support.paths import REPOSITORY
from tests.support.plans import Session, rows, spark_version
from tests.support.server import start
from tests.support.web import SERVICE, Site

LONG = "SELECT sum(id % 7) AS s FROM range(0, 1000000000000, 1, 4)"
GRACE = 5.0
TOKEN = "t" * 20

pytestmark = [pytest.mark.spark, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def spark_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("spark")
    (folder / "provider.py").write_text(PROVIDER)
    with start(
        folder,
        "--PcwExtension.identity=on",
        "--ServerApp.identity_provider_class=provider.Known",
        f"--Known.token={TOKEN}",
        "--PcwExtension.spark_config={'spark.x.y': 'z'}",
        f"--PcwExtension.grace_period={GRACE}",
        f"--PcwExtension.session_grace_period={GRACE}",
        environment={
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "client"), str(folder)])
        },
        token=TOKEN,
    ) as process:
        site = Site(process)
        # The first call starts Spark.
        answer = site.grpc("AnalyzePlan", Session().version(), endpoint="default", timeout=200)
        assert answer.status == 0, answer.message
        yield site


def jvm(site: Site) -> psutil.Process:
    found = []
    for child in site.process.children():
        # Spark's own launcher leaves a zombie, which has no command line
        with contextlib.suppress(psutil.Error):
            if "SparkConnectServer" in " ".join(child.cmdline()):
                found.append(child)
    (engine,) = found
    return engine


def test_spark_is_chosen_and_answers(spark_site: Site) -> None:
    spark_site.process.root.joinpath("numbers.csv").write_text("1,one\n2,two\n")
    answer = spark_site.grpc("AnalyzePlan", Session().version(), endpoint="default", timeout=200)
    assert answer.status == 0, answer.message
    assert spark_version(answer.messages[0]) == "4.3.0"
    assert state(spark_site) == ("spark", "running")
    found = spark_site.grpc(
        "ExecutePlan", Session().query("SELECT _c1 FROM csv.`numbers.csv`"), endpoint="default", timeout=60
    )
    assert [row["_c1"] for row in rows(found.messages)] == ["one", "two"]
    many = spark_site.grpc(
        "ExecutePlan", Session().query("SELECT id FROM range(300000)"), endpoint="default", timeout=60
    )
    assert sorted(row["id"] for row in rows(many.messages)) == list(range(300_000))


def test_error_of_spark_comes_with_its_details(spark_site: Site) -> None:
    answer = spark_site.grpc("ExecutePlan", Session().query("SELECT none FROM range(1)"), endpoint="default")
    assert answer.status == 13
    assert "UNRESOLVED_COLUMN" in unquote(answer.message)
    assert answer.trailers["grpc-status-details-bin"]


def test_spark_listens_on_loopback_only_and_wants_its_token(spark_site: Site) -> None:
    listening = [c.laddr for c in jvm(spark_site).net_connections() if c.status == "LISTEN"]
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    refused = set()
    for address in listening:
        with grpc.insecure_channel(f"127.0.0.1:{address.port}") as channel:
            call = channel.unary_unary(f"/{SERVICE}/AnalyzePlan")
            with pytest.raises(grpc.RpcError) as caught:
                call(Session().version(), timeout=5)
            refused.add(caught.value.code())
    assert grpc.StatusCode.UNAUTHENTICATED in refused


def test_browsers_user_is_replaced_and_a_session_is_its_users_alone(spark_site: Site) -> None:
    mallory = Session("mallory")
    made = spark_site.grpc(
        "ExecutePlan", mallory.query("CREATE TEMPORARY VIEW mine AS SELECT 7 AS x"), endpoint="default"
    )
    assert made.status == 0, made.message
    # whoever the browser says it is, it is Jupyter's user
    for user in ("mallory", "ann@hub", ""):
        request = Session(user, mallory.id).query("SELECT x FROM mine")
        assert rows(spark_site.grpc("ExecutePlan", request, endpoint="default").messages) == [{"x": 7}]
    engine, port = spark_site.process.engine()
    token = engine.environ()["SPARK_CONNECT_AUTHENTICATE_TOKEN"]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        execute = channel.unary_stream(f"/{SERVICE}/ExecutePlan")
        metadata = [("authorization", f"Bearer {token}")]

        def direct(user: str) -> list[bytes]:
            return list(execute(Session(user, mallory.id).query("SELECT x FROM mine"), metadata=metadata))

        assert rows(direct("ann@hub")) == [{"x": 7}]
        with pytest.raises(grpc.RpcError, match="TABLE_OR_VIEW_NOT_FOUND"):
            direct("mallory")


def test_query_is_stopped_when_its_client_stays_away_and_goes_on_when_it_comes_back(spark_site: Site) -> None:
    engine, session, query = jvm(spark_site), Session(), str(uuid.uuid4())
    with running(spark_site, session.query(LONG, query)):
        assert becomes_busy(engine), "the query does not run"
    time.sleep(GRACE / 5)
    with running(spark_site, session.reattach(query), "ReattachExecute"):
        time.sleep(GRACE + 1)
        assert cpu_share(engine) > IDLE, "the query was stopped although its client had come back"
    assert cpu_share(engine) > IDLE, "Spark stops by itself: nothing is shown by this test"
    assert becomes_idle(engine, GRACE + 60) is not None
    rest = spark_site.grpc("ReattachExecute", session.reattach(query), endpoint="default")
    assert "OPERATION_CANCELED" in unquote(rest.message)


def test_session_of_a_client_that_stays_away_is_released(spark_site: Site) -> None:
    engine, session = jvm(spark_site), Session()
    with running(spark_site, session.query(LONG, str(uuid.uuid4()))):
        assert becomes_busy(engine), "the query does not run"
    assert becomes_idle(engine, GRACE + 60) is not None
    # asking would keep it, so it is asked once
    time.sleep(GRACE + 5)
    late = spark_site.grpc("AnalyzePlan", session.version(), endpoint="default")
    assert "SESSION_CLOSED" in unquote(late.message)
    assert spark_site.grpc("AnalyzePlan", Session().version(), endpoint="default").status == 0


def test_spark_killed_in_a_query_is_said_and_started_again(spark_site: Site, tmp_path: Path) -> None:
    client = Client(f"{spark_site.process.url}pcw/grpc/default;token={spark_site.token}", tmp_path)
    try:
        engine = jvm(spark_site)
        client.ask(2_000_000_000)
        assert becomes_busy(engine), "the query does not run"
        engine.kill()
        error = client.read(60)["error"]
        assert "The Spark engine stopped (killed by SIGKILL)" in error
        assert "started again with the next query" in error
        client.ask(1000)
        again = client.read(200)
        assert (again["error"], again["rows"], again["distinct"]) == (None, 1000, 1000)
    finally:
        client.stop()


def test_spark_dies_with_a_server_that_is_killed(spark_site: Site) -> None:
    engine = jvm(spark_site)
    spark_site.process.process.kill()
    assert gone(engine, 20)
