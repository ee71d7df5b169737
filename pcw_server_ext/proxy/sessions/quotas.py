"""What one user may have of an endpoint at once, and of the result of one query.

Counted is for the user whom the server sets for Spark; where it sets none, everybody who may use the server counts as
one: such a server is one person's, and its names of users change with each request.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pyspark_connect_web.wire import StatusCode

from pcw_server_ext.errors import QuotaExceeded, UpstreamError
from pcw_server_ext.proxy.call.result_rows import ResultRows, ResultSize
from pcw_server_ext.proxy.observability.metrics import quota_refusals
from pcw_server_ext.proxy.sessions.operations import Operation, Operations, Session

# Seconds that a query waits for one that is just ending: clients release a query after they have begun the next one.
_PATIENCE: Final = 5.0
# Queries whose results are counted; of more, the one that was heard of least lately is forgotten.
_MOST_RESULTS: Final = 4096
# Begins the place that is kept for a session whose id Spark chooses: the first unknown session takes it.
_PLACE: Final = "\0"

_UNREADABLE: Final = (
    "This server has quotas, and the session and the query that the request belongs to cannot be read: send it"
    " uncompressed and name the operation, as Spark Connect's clients do."
)


@dataclass(frozen=True)
class QuotaLimits:
    """The settings; 0 is no limit. ``session_timeout`` is in seconds."""

    queries: int = 0
    sessions: int = 0
    result_bytes: int = 0
    result_rows: int = 0
    session_timeout: float = 3600.0

    @property
    def any(self) -> bool:
        """Whether there is any limit."""
        return bool(self.queries or self.sessions or self.result_bytes or self.result_rows)


class ResultQuota:
    """Counts one answer, together with the others to the same query."""

    def __init__(self, limits: QuotaLimits, endpoint: str, total: ResultSize) -> None:
        self._limits = limits
        self._endpoint = endpoint
        self._total = total
        self._rows = ResultRows(total) if limits.result_rows else None

    def exceeded(self, pieces: Sequence[bytes | memoryview]) -> QuotaExceeded | None:
        """Count the next pieces of the answer; the error with which it ends when they are too much."""
        limits, total = self._limits, self._total
        total.bytes += sum(map(len, pieces))
        if self._rows is not None:
            for piece in pieces:
                self._rows.follow(piece)
        if limits.result_bytes and total.bytes > limits.result_bytes:
            error = _result_error(
                "bytes",
                f"has more than {_size(limits.result_bytes)}",
                f"max_result_bytes = {limits.result_bytes}",
            )
        elif limits.result_rows and total.rows > limits.result_rows:
            error = _result_error(
                "rows",
                f"has more than {limits.result_rows:,} rows",
                f"max_result_rows = {limits.result_rows}",
            )
        else:
            return None
        quota_refusals(self._endpoint, error.quota).inc()
        return error


def _result_error(quota: str, what: str, setting: str) -> QuotaExceeded:
    return QuotaExceeded(
        quota,
        f"The result of this query {what}, the most that the administrator of this Jupyter server allows a query"
        f" (PcwExtension.{setting}); the query was stopped. Fetch less: filter, aggregate or limit() it, or let Spark"
        " write it with df.write.",
    )


def _size(size: int) -> str:
    """A number of bytes, for people."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"


class Quotas:
    """The quotas of a server.

    Memory: the ids of at most as many sessions a user and endpoint as they may have, and the counts of 4096 queries.
    """

    def __init__(self, limits: QuotaLimits, operations: Operations, *, by_user: bool) -> None:
        self._limits = limits
        self._operations = operations
        self._by_user = by_user
        self._sessions: dict[tuple[str, str], dict[str, float]] = {}
        self._results: OrderedDict[Operation, ResultSize] = OrderedDict()

    @property
    def reads_every_request(self) -> bool:
        """Whether the session of every request must be known, not of queries alone."""
        return bool(self._limits.sessions)

    @property
    def reads_answers(self) -> bool:
        """Whether the messages of answers must be readable."""
        return bool(self._limits.result_rows)

    @staticmethod
    def unreadable() -> UpstreamError:
        """The error for a request whose names cannot be read, so that nothing could be counted."""
        return UpstreamError(StatusCode.INVALID_ARGUMENT, _UNREADABLE)

    # -- queries at once

    async def wait_for_query(self, operation: Operation) -> None:
        """Return when the query may run now; whoever is told so attaches it at once. Raises QuotaExceeded."""
        limit = self._limits.queries
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE
        while limit and self._running(operation) >= limit:
            left = until - loop.time()
            if left <= 0:
                quota_refusals(operation.session.endpoint, "queries").inc()
                raise QuotaExceeded(
                    "queries",
                    f"{_counted('query', 'queries', limit)} already running on this endpoint, as many as the"
                    " administrator of this Jupyter server allows a user at once (PcwExtension.max_user_queries ="
                    f" {limit}). Wait for one to end, or stop one in its notebook, and run this again.",
                )
            await self._operations.fewer(left)

    def _running(self, but: Operation) -> int:
        session = but.session
        return self._operations.running(session.endpoint, session.user if self._by_user else None, but=but)

    # -- sessions

    def heard(self, session: Session, method: str, new_session_id: str) -> None:
        """A request of the session has come. Raises QuotaExceeded when it would begin one too many."""
        limit = self._limits.sessions
        if not limit:
            return
        account = session.endpoint, session.user if self._by_user else ""
        if method == "ReleaseSession":
            self._forget(account, session.id)
            return
        if method == "ReleaseExecute":
            return
        now = asyncio.get_running_loop().time()
        known = self._sessions.setdefault(account, {})
        added = [session.id] if session.id not in known else []
        clone = new_session_id or _PLACE + uuid.uuid4().hex
        if method == "CloneSession" and clone not in known:
            added.append(clone)
        elif added:
            place = next((name for name in known if name.startswith(_PLACE)), None)
            known.pop(place or "", None)
        if added and len(known) + len(added) > limit:
            for name in [name for name, at in known.items() if now - at > self._limits.session_timeout]:
                del known[name]
        if added and len(known) + len(added) > limit:
            if method == "ReattachExecute":
                return  # it was admitted before
            quota_refusals(session.endpoint, "sessions").inc()
            raise QuotaExceeded(
                "sessions",
                f"{_counted('session', 'sessions', limit)} already open on this endpoint, as many as the"
                " administrator of this Jupyter server allows a user (PcwExtension.max_user_sessions ="
                f" {limit}). End one with spark.stop() in a notebook that you no longer need; one without a call for"
                f" {_time(self._limits.session_timeout)} counts no more.",
            )
        for name in (session.id, *added):
            known[name] = now

    def session_released(self, session: Session) -> None:
        """The server has ended the session."""
        self._forget((session.endpoint, session.user if self._by_user else ""), session.id)

    def _forget(self, account: tuple[str, str], session_id: str) -> None:
        known = self._sessions.get(account, {})
        known.pop(session_id, None)
        if not known:
            self._sessions.pop(account, None)

    # -- results

    def result(self, operation: Operation) -> ResultQuota | None:
        """What counts an answer to the query that begins now; None when results have no limit."""
        limits = self._limits
        if not (limits.result_bytes or limits.result_rows):
            return None
        found = self._results.get(operation)
        if found is None:
            found = self._results[operation] = ResultSize()
            if len(self._results) > _MOST_RESULTS:
                self._results.popitem(last=False)
        self._results.move_to_end(operation)
        return ResultQuota(limits, operation.session.endpoint, found)

    def query_released(self, operation: Operation) -> None:
        """The client wants no more of the query."""
        self._results.pop(operation, None)


def _counted(one: str, many: str, number: int) -> str:
    return f"1 {one} of yours is" if number == 1 else f"{number} {many} of yours are"


def _time(seconds: float) -> str:
    """A time, for people."""
    minutes = seconds / 60
    return f"{minutes:.3g} minutes" if minutes > 1 else f"{seconds:g} seconds"
