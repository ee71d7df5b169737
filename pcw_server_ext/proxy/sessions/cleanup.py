"""Calls that the server makes itself.

It interrupts the query of a client that has left, or that is over a quota, and releases the session of a client that
has left.

Messages are InterruptRequest and ReleaseSessionRequest of spark/connect/base.proto.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from pyspark_connect_web.wire import StatusCode, encode_frame

from pcw_server_ext.errors import UpstreamError
from pcw_server_ext.proxy.access.identity import encode_field
from pcw_server_ext.proxy.call.metadata import call_headers
from pcw_server_ext.proxy.call.methods import SESSION_ID, SPARK_CONNECT
from pcw_server_ext.proxy.call.relay import check_head
from pcw_server_ext.proxy.sessions.operations import Client, Operation, Session

_TIMEOUT: Final = 10.0
_INTERRUPT_TYPE_OPERATION_ID: Final = b"\x20\x03"  # interrupt_type = 4
_OPERATION_ID: Final = 6


def interrupt_request(operation: Operation, client: Client) -> bytes:
    """An InterruptRequest for one query."""
    return (
        encode_field(SESSION_ID, operation.session.id.encode())
        + client.user_context
        + _INTERRUPT_TYPE_OPERATION_ID
        + encode_field(_OPERATION_ID, operation.id.encode())
    )


def release_request(session: Session, client: Client) -> bytes:
    """A ReleaseSessionRequest."""
    return encode_field(SESSION_ID, session.id.encode()) + client.user_context


class SessionCleanup:
    """Makes the calls in the background; a failure is logged, for there is nobody to tell.

    ``interrupted`` is told of queries that Spark names as interrupted, those that were still running.
    """

    def __init__(self, log: logging.Logger, interrupted: Callable[[Operation, Client], None]) -> None:
        self._log = log
        self._interrupted = interrupted
        self._running: set[asyncio.Task[None]] = set()

    def interrupt(self, operation: Operation, client: Client) -> None:
        """Stop a query that nobody reads."""
        self._start(client, "Interrupt", interrupt_request(operation, client), operation)

    def stop(self, operation: Operation, client: Client) -> None:
        """Stop a query whose result is too large, and whose client is still there."""
        self._start(client, "Interrupt", interrupt_request(operation, client))

    def release(self, session: Session, client: Client) -> None:
        """End the session of a client that has left."""
        self._start(client, "ReleaseSession", release_request(session, client))

    def close(self) -> None:
        """Give up what still runs."""
        for task in self._running:
            task.cancel()

    def _start(self, client: Client, method: str, message: bytes, operation: Operation | None = None) -> None:
        task = asyncio.create_task(self._run(client, method, message, operation))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, client: Client, method: str, message: bytes, operation: Operation | None) -> None:
        try:
            answer = await asyncio.wait_for(self._call(client, method, message), _TIMEOUT)
        except UpstreamError as error:
            self._log.warning("%s by the server itself failed: %s", method, error.message)
        except asyncio.TimeoutError:
            self._log.warning("%s by the server itself had no answer within %g s.", method, _TIMEOUT)
        else:
            # InterruptResponse holds the ids of what was interrupted; of a client's ids it also has the session's
            if operation is not None and operation.id.encode() in answer:
                self._interrupted(operation, client)

    async def _call(self, client: Client, method: str, message: bytes) -> bytes:
        if not client.endpoint.leads_to(client.upstream):
            return b""  # the engine has ended, and the query with it
        self._log.info("%s on %s by the server itself.", method, client.endpoint.name)
        upstream, own = await client.endpoint.connect()
        address = upstream.address
        headers = call_headers(address.authority, f"{SPARK_CONNECT}/{method}", tls=address.tls is not None)
        call = await upstream.open(headers + own)
        try:
            await call.send(encode_frame(message), end=True)
            head = await call.head()
            check_head(head)
            while not call.stream.ended and call.failure is None:
                await call.changed()
            call.check()
        finally:
            call.cancel()
        status = dict(call.stream.trailers or head).get(b"grpc-status", b"")
        if status != b"0":
            raise UpstreamError(StatusCode.UNKNOWN, told(status))
        return b"".join(call.stream.take())


def told(status: bytes) -> str:
    """Return what the log says of a gRPC status: a field of HTTP/2 may hold any letters, a terminal acts on some."""
    known = status.isdigit() and len(status) < 4
    return f"gRPC status {status.decode()}" if known else "a gRPC status that is no number"
