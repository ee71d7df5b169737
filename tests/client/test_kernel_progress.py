"""What the page is told of running queries, by real PySpark on a scripted server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyspark_connect_web as pcw
import pytest
from pyspark_connect_web import wire
from pyspark_connect_web.kernel.progress import SWITCH, QueryProgress
from pyspark_connect_web.patches import client as patch

from tests.client.peer import OK_HEAD, OK_TRAILERS, Exchange, Peer
from tests.client.scripted_spark import Spark, run_command

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")


class BusySpark(Spark):
    """Reports two stages before the end."""

    def __call__(self, exchange: Exchange) -> None:
        if exchange.request.rpc != "ExecutePlan":
            super().__call__(exchange)
            return
        request = self.parse(exchange)
        report = self.response(request, 0)
        for number, done in ((0, True), (1, False)):
            stage = report.execution_progress.stages.add()
            stage.stage_id, stage.num_tasks, stage.done = number, 4, done
            stage.num_completed_tasks, stage.input_bytes_read = (4 if done else 1), 1000
        report.execution_progress.num_inflight_tasks = 2
        exchange.send(OK_HEAD)
        exchange.chunk(wire.encode_frame(report.SerializeToString()))
        self.stream(exchange, request, 1, self.responses)
        exchange.chunk(OK_TRAILERS)
        exchange.chunk(b"")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    """A session whose client was made while progress is watched, and what the page was told."""
    from pyspark.sql.connect.session import SparkSession

    pcw.install()
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(patch, "_on_client", [])
    patch.on_client(QueryProgress(lambda text: messages.append(json.loads(text))).watch)
    with Peer(BusySpark()) as peer:
        session = SparkSession(f"sc://{peer.url.split('/')[2]}/;transport=grpcweb")
        session.release_session_on_close = False
        yield session, messages
        session.client._channel.close()


def test_page_hears_of_the_beginning_the_stages_and_the_end(
    told: tuple[Any, list[dict[str, Any]]],
) -> None:
    session, messages = told
    run_command(session)
    assert len({message["operation"] for message in messages}) == 1
    assert messages[0]["operation"]
    for message in messages:
        del message["operation"]
    nothing = {"stages": 0, "stages_done": 0, "tasks": 0, "tasks_done": 0, "running": 0, "bytes": 0}
    assert messages == [
        {"done": False, "label": "", **nothing},
        {
            "done": False,
            "label": "",
            "stages": 2,
            "stages_done": 1,
            "tasks": 8,
            "tasks_done": 5,
            "running": 2,
            "bytes": 2000,
        },
        {"done": True},
    ]


def test_failed_query_ends_too(told: tuple[Any, list[dict[str, Any]]]) -> None:
    session, messages = told
    session.client._channel.close()
    with pytest.raises(ValueError, match="closed channel"):
        run_command(session)
    assert messages[-1]["done"] is True


@pytest.mark.parametrize("value", ["0", "off", "OFF", "false"])
def test_variable_switches_it_off(
    told: tuple[Any, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    session, messages = told
    monkeypatch.setenv(SWITCH, value)
    run_command(session)
    assert [message for message in messages if not message["done"]] == []


def test_clearing_the_handlers_switches_it_off(told: tuple[Any, list[dict[str, Any]]]) -> None:
    session, messages = told
    session.clearProgressHandlers()
    run_command(session)
    assert messages == []


def test_persons_own_handler_is_called_as_well(told: tuple[Any, list[dict[str, Any]]]) -> None:
    session, messages = told
    seen: list[bool] = []
    session.registerProgressHandler(lambda stages, inflight_tasks, operation_id, done: seen.append(done))
    run_command(session)
    assert seen == [False, True]
    assert len(messages) == 3


def test_label_says_what_else_goes_on() -> None:
    messages: list[dict[str, Any]] = []
    progress = QueryProgress(lambda text: messages.append(json.loads(text)))
    progress.label("Loading pandas")
    progress.label(None)
    assert [(m["operation"], m["done"], m.get("label")) for m in messages] == [
        ("", False, "Loading pandas"),
        ("", True, None),
    ]
