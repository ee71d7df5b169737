"""Listeners of streaming queries without threads: PySpark's own bus on a scripted server."""

from __future__ import annotations

import json
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pyspark_connect_web as pcw
import pytest
from pyspark_connect_web import wire
from pyspark_connect_web.patches.listeners import patch_listeners
from pyspark_connect_web.rpc.background import InlineExecutor

from tests.client.peer import OK_HEAD, OK_TRAILERS, Exchange, Peer
from tests.client.scripted_spark import Spark, run_command

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")

IDS = [f"{number:08x}-0000-0000-0000-000000000000" for number in range(4)]


class StreamingSpark(Spark):
    """Sends the events that the test tells it to, one at a time, until the listener is removed."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Semaphore(0)
        self.removed = threading.Event()
        self.cut_after = len(IDS) + 1
        self.sent = 0

    def __call__(self, exchange: Exchange) -> None:
        rpc = exchange.request.rpc
        request = self.parse(exchange)
        bus = request.plan.command.streaming_query_listener_bus_command if rpc == "ExecutePlan" else None
        if rpc == "ReattachExecute":
            exchange.send(OK_HEAD)
            self.events(exchange, request)
        elif bus is not None and bus.add_listener_bus_listener:
            exchange.send(OK_HEAD)
            added = self.response(request, 0)
            added.streaming_query_listener_events_result.listener_bus_listener_added = True
            exchange.chunk(wire.encode_frame(added.SerializeToString()))
            self.events(exchange, request)
        else:
            if bus is not None and bus.remove_listener_bus_listener:
                self.removed.set()
            self.seen.pop()
            super().__call__(exchange)

    def events(self, exchange: Exchange, request: Any) -> None:
        while self.sent < len(IDS) and not exchange.stop.is_set():
            if not self.told.acquire(timeout=0.05):
                if self.removed.is_set():
                    break
                continue
            if self.sent == self.cut_after:
                self.cut_after = len(IDS) + 1
                self.told.release()
                exchange.reset()
                return
            report = self.response(request, 0)
            report.response_id = f"event {self.sent}"
            event = {"id": IDS[self.sent], "runId": IDS[0], "exception": None, "errorClassOnException": None}
            report.streaming_query_listener_events_result.events.add(
                event_json=json.dumps(event), event_type=2
            )
            self.sent += 1
            exchange.chunk(wire.encode_frame(report.SerializeToString()))
        self.stream(exchange, request, 1, self.responses)
        exchange.chunk(OK_TRAILERS)
        exchange.chunk(b"")


class Listener:
    """What PySpark calls of a ``StreamingQueryListener``, whose import would warn about pandas here."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.seen: list[str] = []
        self.then = then

    def _set_spark_session(self, session: Any) -> None: ...
    def onQueryStarted(self, event: Any) -> None: ...
    def onQueryProgress(self, event: Any) -> None: ...
    def onQueryTerminated(self, event: Any) -> None:
        self.seen.append(str(event.id))
        self.then()


@pytest.fixture
def streaming(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, StreamingSpark]]:
    """A session without threads, and its server."""
    from pyspark.sql.connect.client import reattach
    from pyspark.sql.connect.session import SparkSession
    from pyspark.sql.connect.streaming import query

    pcw.install()
    for name in ("Thread", "Lock"):
        monkeypatch.setattr(query, name, getattr(query, name))
    bus = query.StreamingQueryListenerBus
    monkeypatch.setattr(bus, "_register_server_side_listener", bus._register_server_side_listener)
    releases = reattach.ExecutePlanResponseReattachableIterator
    monkeypatch.setattr(releases, "_release_thread_pool", InlineExecutor())
    patch_listeners()
    spark = StreamingSpark()
    with Peer(spark) as peer:
        session = SparkSession(f"sc://{peer.url.split('/')[2]}/;transport=grpcweb")
        session.release_session_on_close = False
        yield session, spark
        spark.removed.set()
        session.client._channel.close()


def look_until(session: Any, condition: Callable[[], bool]) -> None:
    """Make short calls until `condition` holds: what a cell does."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        run_command(session)


def test_events_come_while_other_calls_are_made(streaming: tuple[Any, StreamingSpark]) -> None:
    session, spark = streaming
    listener = Listener()
    session.streams.addListener(listener)
    assert listener.seen == []
    for count in (1, 2):
        spark.told.release()
        look_until(session, lambda count=count: len(listener.seen) == count)  # type: ignore[misc]
    spark.told.release()
    session.streams.removeListener(listener)
    assert listener.seen == IDS[:3]
    # Nobody looks any more.
    assert session.client._channel.background._watchers == []
    run_command(session)


def test_listener_may_ask_spark(streaming: tuple[Any, StreamingSpark]) -> None:
    session, spark = streaming
    asked: list[int] = []

    def ask() -> None:
        run_command(session)
        asked.append(len(listener.seen))

    listener = Listener(ask)
    session.streams.addListener(listener)
    spark.told.release(2)
    look_until(session, lambda: len(asked) == 2)
    session.streams.removeListener(listener)
    assert asked == [1, 2]


def test_cut_stream_is_reattached_without_waiting(streaming: tuple[Any, StreamingSpark]) -> None:
    session, spark = streaming
    spark.cut_after = 1
    listener = Listener()
    session.streams.addListener(listener)
    spark.told.release(3)
    look_until(session, lambda: len(listener.seen) == 3)
    session.streams.removeListener(listener)
    assert listener.seen == IDS[:3]


def test_server_that_is_gone_removes_the_listener_with_a_warning(
    streaming: tuple[Any, StreamingSpark],
) -> None:
    session, spark = streaming
    from pyspark.sql.connect.client.retries import DefaultPolicy

    session.client.set_retry_policies([DefaultPolicy(max_retries=2, initial_backoff=1)])
    session.streams.addListener(Listener())
    reader = session.streams._sqlb._execution_thread
    session.client._channel.target = type(session.client._channel.target)(
        **{**vars(session.client._channel.target), "base": "http://127.0.0.1:1"}
    )
    spark.cut_after = 0
    spark.told.release()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        end = time.monotonic() + 60
        while session.streams._sqlb._listener_bus:
            assert time.monotonic() < end
            reader.look()
    assert any("listeners are removed" in str(warning.message) for warning in caught)
    assert session.client._channel.background._watchers == []


def test_session_that_is_stopped_ends_its_listeners(streaming: tuple[Any, StreamingSpark]) -> None:
    session, _ = streaming
    session.streams.addListener(Listener())
    reader = session.streams._sqlb._execution_thread
    session.stop()
    with pytest.warns(UserWarning, match="listeners are removed"):
        reader.look()
    assert session.streams._sqlb._listener_bus == []
    assert session.client._channel.background._watchers == []
    reader.look()
    reader.join()


def test_channel_that_reads_whole_answers_adds_no_listener(streaming: tuple[Any, StreamingSpark]) -> None:
    session, _ = streaming
    session.client._channel.transport.whole_answers = True
    with pytest.warns(UserWarning, match="Failed to add the listener.*'sab'"):
        session.streams.addListener(Listener())
    assert session.streams._sqlb._listener_bus == []
    run_command(session)
