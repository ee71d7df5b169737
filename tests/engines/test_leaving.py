"""A client that goes away in the middle of a query: the embedded engine, and the server's own end."""

from __future__ import annotations

import uuid

import psutil
import pytest

from tests.support.leaving import becomes_busy, becomes_idle, running
from tests.support.plans import Session, rows
from tests.support.server import StartServer
from tests.support.web import Site

GRACE = 3.0
LONG = "SELECT sum(id % 7) AS s FROM range(1000000000000)"


@pytest.fixture
def site(start_server: StartServer) -> Site:
    return start_server("--PcwExtension.engine=sail", f"--PcwExtension.grace_period={GRACE}")


def engine_of(site: Site) -> psutil.Process:
    assert site.grpc("AnalyzePlan", Session().version(), endpoint="default").status == 0
    return site.process.engine()[0]


def test_sail_is_idle_within_the_grace_time_after_its_client_left(site: Site) -> None:
    engine = engine_of(site)
    with running(site, Session().query(LONG, str(uuid.uuid4()))):
        assert becomes_busy(engine), "the query does not run"
    assert becomes_idle(engine, GRACE + 60) is not None
    answer = site.grpc("ExecutePlan", Session().query("SELECT 1 AS one"), endpoint="default")
    assert rows(answer.messages) == [{"one": 1}]
