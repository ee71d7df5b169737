"""Listeners of streaming queries without threads: PySpark's own bus gets its events when it is closed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pyspark_connect_web.listeners import ReadAtEnd, patch_listeners

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")


class Server:
    """The client that the bus talks to: keeps events until the listener is removed, as Spark does."""

    def __init__(self, events: list[dict[str, str | None]]) -> None:
        self.events = events
        self.removed = False

    def execute_command_as_iterator(self, command: Any) -> Iterator[dict[str, Any]]:
        from pyspark.sql.connect.proto import StreamingQueryListenerEventsResult as Result

        yield {"streaming_query_listener_events_result": Result(listener_bus_listener_added=True)}
        assert self.removed, "the bus reads on before the listener is removed: a kernel would hang"
        for event in self.events:
            found = Result()
            found.events.add(event_json=json.dumps(event), event_type=2)
            yield {"streaming_query_listener_events_result": found}

    def execute_command(self, command: Any) -> None:
        self.removed = True


class Manager:
    def __init__(self, client: Server) -> None:
        self._session = self
        self.client = client


def test_events_come_in_order_when_the_listener_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark.sql.connect.streaming import query
    from pyspark.sql.streaming.listener import StreamingQueryListener

    for name in ("Thread", "Lock"):
        monkeypatch.setattr(query, name, getattr(query, name))
    patch_listeners(query)
    seen: list[str] = []

    class Listener(StreamingQueryListener):
        def onQueryStarted(self, event: Any) -> None: ...
        def onQueryProgress(self, event: Any) -> None: ...
        def onQueryTerminated(self, event: Any) -> None:
            seen.append(str(event.id))

    ids = [f"{number:08x}-0000-0000-0000-000000000000" for number in range(3)]
    bus = query.StreamingQueryListenerBus(
        Manager(
            Server(
                [
                    {"id": name, "runId": name, "exception": None, "errorClassOnException": None}
                    for name in ids
                ]
            )
        )  # type: ignore[arg-type]
    )
    listener = Listener()
    bus.append(listener)
    assert seen == []
    bus.remove(listener)
    assert seen == ids
    bus.close()


def test_work_is_done_once() -> None:
    done: list[int] = []
    thread = ReadAtEnd(target=done.append, args=(1,))
    thread.start()
    assert done == []
    thread.join()
    thread.join()
    assert done == [1]
