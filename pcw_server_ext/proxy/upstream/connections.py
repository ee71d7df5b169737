"""Connections to one Spark Connect server: asyncio around the HTTP/2 core.

A call is opened on a shared connection, which is made on first use, replaced after GOAWAY or a failure, and
doubled when the server allows no more streams on it. Errors are UpstreamError with the gRPC code that the
browser is told; they never hold an address or a credential.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from pyspark_connect_web.wire import StatusCode

from pcw_server_ext.errors import UpstreamError
from pcw_server_ext.proxy.upstream.http2 import (
    ClientConnection,
    ErrorCode,
    HeaderListTooLarge,
    Http2Error,
    Limits,
    Stream,
    StreamReset,
)

# So large that a read has much of each of many streams: fewer calls of the system, fewer wakeups of their readers.
_READ_BUFFER: Final = 1 << 19
_HIGH_WATER: Final = 1 << 18
_PONG_TIMEOUT: Final = 20.0
_SILENCE: Final = 10.0

Header = tuple[bytes, bytes]

#: Whether a connection's other end, of which both addresses are given, may be spoken to.
Known = Callable[[tuple[str, int], tuple[str, int]], bool]

# "HTTP/2 error codes" in the gRPC protocol document; what it does not name is UNKNOWN.
_RESET_TO_GRPC: Final[Mapping[int, StatusCode]] = {
    ErrorCode.NO_ERROR: StatusCode.INTERNAL,
    ErrorCode.PROTOCOL_ERROR: StatusCode.INTERNAL,
    ErrorCode.INTERNAL_ERROR: StatusCode.INTERNAL,
    ErrorCode.FLOW_CONTROL_ERROR: StatusCode.INTERNAL,
    ErrorCode.SETTINGS_TIMEOUT: StatusCode.INTERNAL,
    ErrorCode.FRAME_SIZE_ERROR: StatusCode.INTERNAL,
    ErrorCode.REFUSED_STREAM: StatusCode.UNAVAILABLE,
    ErrorCode.CANCEL: StatusCode.CANCELLED,
    ErrorCode.COMPRESSION_ERROR: StatusCode.INTERNAL,
    ErrorCode.CONNECT_ERROR: StatusCode.INTERNAL,
    ErrorCode.ENHANCE_YOUR_CALM: StatusCode.RESOURCE_EXHAUSTED,
    ErrorCode.INADEQUATE_SECURITY: StatusCode.PERMISSION_DENIED,
}


def to_upstream_error(error: Http2Error) -> UpstreamError:
    """What a failure of the connection or stream means to a gRPC caller."""
    if isinstance(error, StreamReset):
        code = _RESET_TO_GRPC.get(error.code, StatusCode.UNKNOWN)
        return UpstreamError(code, f"Spark Connect: {error}.")
    return UpstreamError(StatusCode.UNAVAILABLE, f"The connection to Spark was lost: {error}.")


@dataclass(frozen=True)
class Address:
    """Where to connect. ``tls`` is None for plain text (HTTP/2 with prior knowledge)."""

    host: str
    port: int
    authority: str
    tls: ssl.SSLContext | None = None


class Call:
    """One running request on an upstream connection."""

    __slots__ = ("_connection", "_waiters", "failure", "on_body", "stream")

    def __init__(self, connection: Connection, stream: Stream) -> None:
        self._connection = connection
        self.stream = stream
        self.failure: UpstreamError | None = None
        self.on_body: Callable[[], None] | None = None
        """Called inside the receiving turn when body pieces have come, while they are views that need no copy."""
        self._waiters: list[asyncio.Future[None]] = []

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """Send request bytes; waits while the server's windows or the socket are full.

        Returns early, without an error, once the server has finished its answer: the rest is not wanted.
        """
        view = memoryview(data)
        core = self._connection.core
        while True:
            if self.stream.ended or self.failure is not None:
                return
            sent = core.send_data(self.stream, view, end=end)
            self._connection.flush()
            view = view[sent:]
            if not view:
                break
            await self.changed()
        await self._connection.drained()

    async def changed(self) -> None:
        """Wait until anything about the stream changes."""
        waiter = self._connection.loop.create_future()
        self._waiters.append(waiter)
        await waiter

    async def head(self) -> list[Header]:
        """Wait for the response's header list. Raises UpstreamError."""
        while self.stream.headers is None:
            self.check()
            await self.changed()
        return self.stream.headers

    def check(self) -> None:
        """Raise the UpstreamError that ended the call, if one did."""
        if self.failure is not None:
            raise self.failure
        if self.stream.error is not None:
            raise to_upstream_error(self.stream.error)

    def consumed(self, size: int) -> None:
        """Let the server send ``size`` more bytes."""
        self._connection.core.consume(self.stream, size)
        self._connection.flush_soon()

    def fail(self, error: UpstreamError) -> None:
        """End the call from our side with a reason that ``check`` raises."""
        if self.failure is None and not (self.stream.ended and self.stream.error is None):
            self.failure = error
        self.cancel()

    def cancel(self) -> None:
        """Tell the server that nobody wants the answer any more; safe to call at any time."""
        self._connection.core.reset(self.stream)
        self._connection.release(self)
        self.wake()

    def wake(self) -> None:
        """Resume whoever waits for a change."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class Connection(asyncio.BufferedProtocol):
    """One TCP or TLS connection; owned by Upstream."""

    def __init__(self, limits: Limits, keepalive: float, on_slot: asyncio.Event) -> None:
        self.loop = asyncio.get_running_loop()
        self.core = ClientConnection(limits)
        self.settled: asyncio.Future[None] = self.loop.create_future()
        self.lost: asyncio.Future[None] = self.loop.create_future()
        self.calls: dict[Stream, Call] = {}
        self._transport: asyncio.Transport | None = None
        self._buffer = memoryview(bytearray(_READ_BUFFER))
        self._flush_scheduled = False
        self._writable: asyncio.Future[None] | None = None
        self._keepalive = keepalive
        self._timer: asyncio.TimerHandle | None = None
        self._heard = 0.0
        self._on_slot = on_slot

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not of asyncio's classes
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._heard = self.loop.time()
        if self._keepalive > 0:
            self._timer = self.loop.call_later(self._keepalive, self._check_alive)
        self.flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._heard = self.loop.time()
        touched = self.core.receive(self._buffer[:nbytes])
        if self.core.settled and not self.settled.done():
            self.settled.set_result(None)
        self._wake(touched)
        self.flush()
        if self.core.closed is not None:
            self._finish()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None
        self._wake(self.core.lost("the server closed the connection"))
        self.resume_writing()
        if not self.settled.done():
            self.settled.set_exception(
                UpstreamError(StatusCode.UNAVAILABLE, "Spark closed the connection before it was ready.")
            )
            # nobody may be waiting any more; the failure is then no news
            self.settled.exception()
        self.lost.set_result(None)
        self._on_slot.set()

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self.loop.create_future()

    def resume_writing(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    # our side

    def open(self, headers: Sequence[Header]) -> Call:
        """A call on a new stream; its HEADERS leave with the first ``Call.send``, in the same write.

        Raises:
            UpstreamError: RESOURCE_EXHAUSTED, the server takes fewer bytes of headers than these.
        """
        try:
            stream = self.core.open_stream(headers)
        except HeaderListTooLarge as error:
            raise UpstreamError(
                StatusCode.RESOURCE_EXHAUSTED,
                f"The call's metadata has {error.size} bytes with what the endpoint adds; this Spark server takes"
                f" {error.limit} bytes. Send fewer or shorter keys.",
            ) from None
        call = self.calls[stream] = Call(self, stream)
        return call

    def release(self, call: Call) -> None:
        """Forget a call that needs no more news."""
        self.calls.pop(call.stream, None)
        if self.core.wants_to_send:
            self.flush_soon()
        self._on_slot.set()

    def flush(self) -> None:
        """Write everything queued now."""
        self._flush_scheduled = False
        if self._transport is not None:
            data = self.core.data_to_send()
            if data:
                self._transport.writelines(data)
            if self.core.replies and not self._transport.get_write_buffer_size():
                self.core.all_sent()

    def flush_soon(self) -> None:
        """Write at the end of this turn of the loop, together with whatever else is queued until then."""
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self.loop.call_soon(self.flush)

    async def drained(self) -> None:
        """Wait while the socket's buffer is full."""
        if self._writable is not None:
            await asyncio.shield(self._writable)

    def close(self, reason: str) -> None:
        """Fail every call with ``reason`` and close the socket."""
        self._wake(self.core.close(reason))
        self.flush()
        self._finish()

    def abort(self) -> None:
        """Close the socket at once, whatever is still to be written."""
        if self._transport is not None:
            self._transport.abort()

    def _finish(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _wake(self, touched: set[Stream]) -> None:
        for stream in touched:
            call = self.calls.get(stream)
            if call is not None:
                if call.on_body is not None and stream.chunks:
                    call.on_body()
                    if not stream.chunks and not stream.ended:
                        continue
                stream.keep()
                call.wake()
                if stream.ended and stream.id not in self.core.streams:
                    self.calls.pop(stream, None)
                    self._on_slot.set()

    def _check_alive(self) -> None:
        if self._transport is None:
            return
        silent = self.loop.time() - self._heard
        delay = self._keepalive - silent
        if silent >= self._keepalive + _PONG_TIMEOUT:
            self._wake(self.core.close("the server did not answer a ping"))
            self._transport.abort()
            return
        if silent >= self._keepalive:
            if self.core.streams:
                self.core.ping()
                self.flush()
                delay = _PONG_TIMEOUT
            else:
                self._heard, delay = self.loop.time(), self._keepalive
        self._timer = self.loop.call_later(max(delay, 0.1), self._check_alive)


def _why(error: OSError) -> str:
    """A reason without an address, which asyncio puts into its own texts."""
    if isinstance(error, socket.gaierror):
        return "the host name cannot be resolved"
    if error.errno:
        return os.strerror(error.errno).lower()
    return "no address of the host accepts connections"


class Upstream:
    """The connections to one server.

    ``connect_timeout`` and ``keepalive`` are in seconds; a keepalive of 0 sends no PING. An address that stayed silent
    is not asked again for ``_SILENCE`` seconds: a client's retries would each wait the whole time. ``known`` is asked,
    in a thread, with the other end's address and ours before a call is sent on a new connection.
    """

    def __init__(
        self,
        address: Address,
        log: logging.Logger,
        *,
        limits: Limits | None = None,
        connect_timeout: float = 5.0,
        keepalive: float = 0.0,
        max_connections: int = 4,
        known: Known | None = None,
    ) -> None:
        self.address = address
        self._log = log
        self._limits = limits or Limits()
        self._connect_timeout = connect_timeout
        self._keepalive = keepalive
        self._max_connections = max_connections
        self._known = known
        self._connections: list[Connection] = []
        self._connecting = asyncio.Lock()
        self._slot = asyncio.Event()
        self._closed: str | None = None
        self._silent: tuple[float, UpstreamError] | None = None

    @property
    def connected(self) -> bool:
        """Whether a usable connection is there."""
        return any(not connection.core.exhausted for connection in self._connections)

    def open_now(self, headers: Sequence[Header]) -> Call | None:
        """A call on a connection that is there and has a free stream, else None. Raises UpstreamError."""
        connection = self._free()
        return None if connection is None else connection.open(headers)

    async def open(self, headers: Sequence[Header]) -> Call:
        """A call on a connection with a free stream; connects when there is none. Raises UpstreamError."""
        while True:
            connection = self._free()
            if connection is not None:
                return connection.open(headers)
            if len(self._connections) < self._max_connections:
                async with self._connecting:
                    if self._free() is None and len(self._connections) < self._max_connections:
                        connection = await self._connect()
                        self._connections.append(connection)
            else:
                self._slot.clear()
                await self._slot.wait()

    async def probe(self) -> None:
        """Connect, unless a connection is there. Raises UpstreamError when the server cannot be reached."""
        if self._free() is None and len(self._connections) < self._max_connections:
            async with self._connecting:
                if self._free() is None:
                    self._connections.append(await self._connect())

    def _free(self) -> Connection | None:
        if self._closed is not None:
            raise UpstreamError(StatusCode.UNAVAILABLE, self._closed)
        self._connections = [c for c in self._connections if c.core.closed is None and not self._drained(c)]
        return next((c for c in self._connections if c.core.can_open), None)

    def _drained(self, connection: Connection) -> bool:
        """After GOAWAY a connection only finishes what runs on it; then it is closed."""
        if connection.core.exhausted and not connection.core.streams:
            connection.close("replaced by a new connection")
            return True
        return False

    async def _connect(self) -> Connection:
        if self._silent is not None and time.monotonic() - self._silent[0] < _SILENCE:
            raise self._silent[1].with_traceback(None)
        self._silent = None
        try:
            return await asyncio.wait_for(self._dial(), self._connect_timeout)
        except asyncio.TimeoutError:
            silent = self._unreachable(f"no answer within {self._connect_timeout:g} s")
            self._silent = time.monotonic(), silent
            raise silent from None
        except ssl.SSLError as error:
            raise self._unreachable(f"TLS failed ({error.reason or 'handshake'})") from error
        except OSError as error:
            raise self._unreachable(_why(error)) from error

    async def _dial(self) -> Connection:
        address = self.address
        transport, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self._limits, self._keepalive, self._slot),
            address.host,
            address.port,
            ssl=address.tls,
            server_hostname=address.host if address.tls is not None else None,
        )
        try:
            self._check_alpn(transport)
            # the server's SETTINGS prove that it speaks HTTP/2 and tell how many streams it allows
            await asyncio.shield(connection.settled)
            await self._check_known(transport)
        except BaseException:
            transport.abort()
            raise
        return connection

    async def _check_known(self, transport: asyncio.BaseTransport) -> None:
        if self._known is None:
            return
        theirs, ours = (transport.get_extra_info(name)[:2] for name in ("peername", "sockname"))
        if not await asyncio.to_thread(self._known, theirs, ours):
            raise self._unreachable("a process of another account listens in its place")

    def _check_alpn(self, transport: asyncio.BaseTransport) -> None:
        if self.address.tls is not None:
            tls = transport.get_extra_info("ssl_object")
            if tls.selected_alpn_protocol() != "h2":
                raise self._unreachable("the server's TLS does not offer HTTP/2 (ALPN h2)")

    def _unreachable(self, why: str) -> UpstreamError:
        self._log.warning("Spark at %s cannot be reached: %s", self.address.authority, why)
        return UpstreamError(
            StatusCode.UNAVAILABLE,
            f"Spark cannot be reached: {why}. Check that it runs; the Jupyter server's log names the address.",
        )

    def close(self, reason: str) -> None:
        """Fail what runs with UNAVAILABLE and ``reason``, and refuse new calls."""
        self._closed = reason
        self._slot.set()
        for connection in self._connections:
            connection.close(reason)

    async def wait_closed(self, grace: float = 1.0) -> None:
        """Wait until the sockets of a closed upstream are closed too; a TLS peer gets ``grace`` seconds for that."""
        waiting = [connection.lost for connection in self._connections]
        if waiting:
            await asyncio.wait(waiting, timeout=grace)
        for connection in self._connections:
            connection.abort()
            await connection.lost
        self._connections.clear()
