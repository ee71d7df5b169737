"""Jupyter events about sessions and queries (schemas: ``pcw_server_ext/event_schemas``).

Nothing is made when nobody listens, and never before the bytes of a call have gone on.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final, Protocol

from pyspark_connect_web.wire import StatusCode

from pcw_server_ext.proxy.call.methods import QUERIES

_SCHEMAS: Final = Path(__file__).parents[2] / "event_schemas"
QUERY: Final = "https://events.jupyter.org/pcw_server_ext/query/v1"
SESSION: Final = "https://events.jupyter.org/pcw_server_ext/session/v1"
_RELEASE: Final = "ReleaseSession"
_MOST_SESSIONS: Final = 4096

Session = tuple[str, str, str]


class EventLogger(Protocol):
    """The part of ``jupyter_events.EventLogger`` that is used."""

    def register_event_schema(self, schema: Any) -> None: ...

    def emit(self, *, schema_id: str, data: dict[str, Any]) -> Any: ...


class SparkEvents:
    """Tells what becomes of sessions and queries; remembers the last 4096 sessions, to know which are new."""

    def __init__(self, events: EventLogger) -> None:
        self._events = events
        # by endpoint and id: with Jupyter's own token each request is a new user
        self._sessions: OrderedDict[tuple[str, str], None] = OrderedDict()
        for schema in sorted(_SCHEMAS.glob("*/*.yaml")):
            events.register_event_schema(schema)

    def _emit(self, schema: str, action: str, data: dict[str, Any]) -> None:
        asyncio.get_running_loop().call_soon(self._emit_now, schema, {"action": action, **data})

    def _emit_now(self, schema: str, data: dict[str, Any]) -> None:
        self._events.emit(schema_id=schema, data=data)

    def began(self, method: str, session: Session, operation_id: str) -> None:
        """A request has come whole."""
        if method not in QUERIES:
            return
        known = session[0], session[2]
        if known not in self._sessions:
            self._emit(SESSION, "start", _session(session))
            if len(self._sessions) >= _MOST_SESSIONS:
                self._sessions.popitem(last=False)
        self._sessions[known] = None
        self._sessions.move_to_end(known)
        self._emit(QUERY, "start", {**_session(session), "method": method, "operation_id": operation_id})

    def ended(
        self, method: str, session: Session, operation_id: str, *, status: int, seconds: float, size: int
    ) -> None:
        """Its answer is out, or was given up; ``size`` in bytes."""
        if method == _RELEASE and status == StatusCode.OK:
            self.released(session, "client")
        if method in QUERIES:
            data = {
                **_session(session),
                "method": method,
                "operation_id": operation_id,
                "status": StatusCode(status).name,
                "duration_seconds": round(seconds, 6),
                "response_bytes": size,
            }
            self._emit(QUERY, "end", data)

    def interrupted(self, session: Session, operation_id: str) -> None:
        """The server interrupts a query whose browser has left."""
        self._emit(QUERY, "interrupt", {**_session(session), "operation_id": operation_id})

    def released(self, session: Session, by: str) -> None:
        """``client`` or ``server`` has ended a session."""
        self._sessions.pop((session[0], session[2]), None)
        self._emit(SESSION, "release", {**_session(session), "by": by})


def _session(session: Session) -> dict[str, Any]:
    endpoint, user, session_id = session
    return {"endpoint": endpoint, "user": user, "session_id": session_id}
