"""Listeners of streaming queries where no thread can be started.

PySpark reads the events of a session's listeners in a thread. Here they are looked for without waiting: while a call
of the session waits for its answer, and, in a browser kernel, whenever it is idle. What is left is read when the last
listener is removed, before the removal returns; stopping the session ends them, with PySpark's warning. Only a cell
that computes or sleeps in Python, and asks Spark nothing, has its events when it ends.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pyspark_connect_web.errors import BridgeError
from pyspark_connect_web.patches.apply import replace
from pyspark_connect_web.patches.pyspark_types import ConnectClient, ListenerBus, RetryAttempts
from pyspark_connect_web.rpc.waiting import NothingYet, without_waiting

__all__ = ["EventReader", "ListenerEvents", "patch_listeners"]

IDLE_INTERVAL = 0.25
"""Seconds between two looks of an idle kernel."""

_FIELD = "streaming_query_listener_events_result"


class ListenerEvents:
    """The answers to the command that adds a session's listener, as PySpark's ``execute_command_as_iterator`` has them.

    Iterating waits for each; `arrived` does not. Both go on where the other one stopped.
    """

    def __init__(self, client: ConnectClient, command: Any) -> None:
        reattach: Any = importlib.import_module("pyspark.sql.connect.client.reattach")
        self.client = client
        self.over = False
        self._attempts: RetryAttempts | None = None
        deadlines = client._rpc_deadlines
        request = client._execute_plan_request_with_metadata()
        client._set_command_in_plan(request.plan, command)
        self._responses = reattach.ExecutePlanResponseReattachableIterator(
            request,
            client._stub,
            self._retrying,
            client._builder.metadata(),
            reattachable_execute_plan_timeout=deadlines.reattachable_execute_plan,
            reattach_execute_timeout=deadlines.reattach_execute,
        )

    def _retrying(self) -> RetryAttempts:
        """The attempts so far count until one succeeds, over several looks too."""
        if self._attempts is None or self._attempts._done:
            self._attempts = self.client._retrying()
        return self._attempts

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            for response in self._responses:
                self.client._verify_response_integrity(response)
                if response.HasField(_FIELD):
                    yield {_FIELD: response.streaming_query_listener_events_result}
            self.over = True
        except Exception as error:  # noqa: BLE001 - PySpark makes its own exceptions of all of them
            self.over = True
            self.client._handle_error(error)

    def arrived(self) -> Iterator[dict[str, Any]]:
        """Those that are there."""
        while True:
            try:
                with without_waiting():
                    response = next(iter(self))
            except (NothingYet, StopIteration):
                return
            yield response


class EventReader:
    """Stands in for ``threading.Thread`` in PySpark's listener bus."""

    def __init__(self, target: Callable[[Iterable[Any]], None], args: tuple[ListenerEvents]) -> None:
        self._handle = target
        self._events = args[0]
        self._over = False

    def start(self) -> None:
        """Look for events from now on."""
        background = getattr(self._events.client._channel, "background", None)
        if background is not None:
            background.watch(self.look)
        self._look_when_idle()

    def look(self) -> None:
        """Hand out the events that are there, as the thread would: a failure removes the listeners."""
        if not self._over:
            self._handle(self._events.arrived())
            if self._events.over:
                self._stop()

    def _stop(self) -> None:
        self._over = True
        background = getattr(self._events.client._channel, "background", None)
        if background is not None:
            background.unwatch(self.look)

    def _look_when_idle(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # no kernel: nobody calls when nothing runs

        def look() -> None:
            if not self._over:
                self.look()
                loop.call_later(IDLE_INTERVAL, look)

        loop.call_later(IDLE_INTERVAL, look)

    def join(self, timeout: float | None = None) -> None:
        """Hand out the events that are left, once; it blocks until the server has ended them."""
        if not self._over:
            self._stop()
            self._handle(self._events)


def patch_listeners() -> None:
    """Let the listener bus of ``pyspark.sql.connect.streaming.query`` do without a thread. Idempotent.

    The bus waits for its thread with its lock held, and takes that lock for each event.
    """
    query = "pyspark.sql.connect.streaming.query"
    replace(f"{query}:Thread", lambda thread: EventReader)
    replace(f"{query}:Lock", lambda lock: threading.RLock)
    replace(f"{query}:StreamingQueryListenerBus._register_server_side_listener", lambda original: _register)


def _register(bus: ListenerBus) -> ListenerEvents:
    """As PySpark's own: ask for the events, and wait until Spark says that it will send them."""
    from pyspark.sql.connect import proto

    client = bus._sqm._session.client
    if getattr(getattr(client._channel, "transport", None), "whole_answers", False):
        # PySpark shows it as a warning, and the listener is not added.
        raise BridgeError(
            "Events come in an answer that does not end before the listener is removed, and the 'xhr' channel"
            " reads whole answers only. Use a page that is cross-origin isolated, where the channel is 'sab'."
        )
    command = proto.Command()
    command.streaming_query_listener_bus_command.add_listener_bus_listener = True
    events = ListenerEvents(client, command)
    for result in events:
        if result[_FIELD].HasField("listener_bus_listener_added"):
            break
    return events
