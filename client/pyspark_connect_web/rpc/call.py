"""One running call: from the transport through the wire's state machine to messages and a status."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from pyspark_connect_web import wire
from pyspark_connect_web.channel.api import Channel
from pyspark_connect_web.connection import Target
from pyspark_connect_web.errors import ChannelError, DeadConnection
from pyspark_connect_web.rpc.error import GrpcWebError, error_from_channel, grpc, local_error
from pyspark_connect_web.rpc.silence import Silence
from pyspark_connect_web.rpc.waiting import NothingYet, may_wait

__all__ = ["Deserializer", "Explain", "ResponseStream", "Rpc", "parse_message"]

Deserializer = Callable[[bytes], Any]
Explain = Callable[[GrpcWebError, bool], GrpcWebError]
"""The error that a reader gets, of the call's own and of whether a message had come before it."""


class Owner(Protocol):
    """The channel that a call belongs to."""

    target: Target
    silence: Silence

    @property
    def transport(self) -> Channel:
        """What carries the call. Raises BridgeError where it cannot be had in this process."""

    def headers(
        self, timeout: float | None, metadata: Iterable[tuple[str, str | bytes]] | None
    ) -> list[tuple[str, str]]:
        """The headers of a call. Raises `wire.MetadataError` for metadata that HTTP cannot carry."""

    def attend(self, rpc: Rpc) -> None:
        """Return when `rpc` has something to read; other work may be done until then."""


class Rpc:
    """One running call: bytes from a transport through the wire's state machine."""

    def __init__(
        self,
        owner: Owner,
        method: str,
        parts: Iterable[bytes],
        timeout: float | None,
        metadata: Iterable[tuple[str, str | bytes]] | None,
        streaming: bool,
        resumable: bool = False,
    ) -> None:
        self.response = wire.Response(streaming=streaming, max_message=wire.DEFAULT_MAX_MESSAGE)
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self._call: Any = None
        self._messages: list[bytes] = []
        self._error: GrpcWebError | None = None
        self._finished = False
        self._attend = owner.attend
        self._silence = owner.silence
        self._resumable = resumable
        # bytes of the request, which the server must have before it can answer
        self._uploaded = 0
        # when the last byte came
        self._heard = time.monotonic()
        try:
            headers = owner.headers(timeout, metadata)
            self._call = owner.transport.call(
                owner.target.base + method, headers, self._counted(parts), timeout
            )
            self._heard = time.monotonic()
        except ChannelError as error:
            # As with grpcio a call that cannot start fails when its result is asked for.
            self._fail(error_from_channel(error))

    def _counted(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        for part in parts:
            self._uploaded += len(part)
            yield part

    def _fail(self, error: GrpcWebError) -> None:
        self._finished = True
        self._error = error

    @property
    def finished(self) -> bool:
        """True when the status is known."""
        return self._finished

    @property
    def error(self) -> GrpcWebError | None:
        """Why the call ended; None while it runs and after OK."""
        return self._error

    def ready(self) -> bool:
        """True when `next_message` would not block on the response head."""
        return self._finished or self._call.ready()

    def next_message(self) -> bytes | None:
        """Block for the next message; None after the last one of an OK call.

        Raises:
            GrpcWebError: the call ended with another status.
        """
        while not self._messages:
            if self._finished:
                if self._error is not None:
                    raise self._error
                return None
            try:
                self._attend(self)
                if not self._messages and not self._finished:
                    self._listen()
                    self._read()
            except ChannelError as error:
                self._fail(error_from_channel(error))
            except BaseException:
                # KeyboardInterrupt above all: nobody will read the rest.
                self.cancel()
                raise
        return self._messages.pop()

    def arrived(self, seconds: float = 0.0) -> bool:
        """True when `next_message` would not block; takes what has come, and waits for it `seconds` at most."""
        while not self._messages and not self._finished:
            late = self.deadline is not None and time.monotonic() >= self.deadline
            try:
                if not late and not self.response.done and not self._call.readable(seconds):
                    self._check_alive()
                    return False
                self._read()
            except ChannelError as error:
                self._fail(error_from_channel(error))
        return True

    def _silent_until(self) -> float | None:
        """When an answer without a byte is dead, on the monotonic clock; None: never."""
        limit = self._silence.limit(self._uploaded) if self._resumable else None
        return None if limit is None else self._heard + limit

    def _listen(self) -> None:
        """Wait until there is something to read, or it is certain that nothing will come. Raises DeadConnection."""
        end = self._silent_until()
        if end is None or self.response.done or (self.deadline is not None and self.deadline < end):
            return
        while not self._call.readable(max(0.0, end - time.monotonic())):
            self._check_alive()

    def _check_alive(self) -> None:
        end, now = self._silent_until(), time.monotonic()
        if end is not None and now >= end:
            # who is behind the connection, if anybody, shall not go on for this call
            self._call.cancel()
            raise DeadConnection(now - self._heard)

    def _read(self) -> None:
        response = self.response
        if response.state is wire.State.HEAD:
            head = self._call.head()
            response.receive_head(head.status, head.headers)
            self._silence.learn(head.headers)
            self._uploaded = 0
            self._heard = time.monotonic()
            # the answer may be silent behind its head, and this one, too, can be dead
            self._listen()
        data = b"" if response.done else self._call.read()
        self._heard = time.monotonic()
        if data:
            # Reversed, so that handing out the next one is a pop from the end.
            self._messages = response.receive_data(data)[::-1]
            return
        if response.done:
            self._call.cancel()
        self._finished = True
        status = response.receive_end()
        if status.code is not wire.StatusCode.OK:
            self._error = GrpcWebError(status, response.initial_metadata, response.trailing_metadata)

    def cancel(self) -> bool:
        """End the call; True when it was running."""
        if self._finished:
            return False
        self._fail(local_error(wire.StatusCode.CANCELLED, "The call was cancelled."))
        self._call.cancel()
        return True


class ResponseStream:
    """An iterator over the responses of a call, and the call itself (``grpc.Call``)."""

    def __init__(
        self, rpc: Rpc, deserialize: Deserializer, before: Callable[[], None], explain: Explain | None = None
    ) -> None:
        self._rpc = rpc
        self._deserialize = deserialize
        self._before = before
        self._explain = explain
        self._begun = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self._before()
        if not may_wait() and not self._rpc.arrived():
            raise NothingYet
        try:
            payload = self._rpc.next_message()
        except GrpcWebError as error:
            if self._explain is None:
                raise
            raise self._explain(error, self._begun) from None
        if payload is None:
            raise StopIteration
        self._begun = True
        return parse_message(self._deserialize, payload, self._rpc)

    next = __next__

    def __del__(self) -> None:
        # Nobody can read it any more: let the server stop sending.
        self._rpc.cancel()

    def cancel(self) -> bool:
        """End the call; True when it was running."""
        return self._rpc.cancel()

    def is_active(self) -> bool:
        """True until the status is known."""
        return not self._rpc.finished

    def time_remaining(self) -> float | None:
        """Seconds to the deadline, None without one."""
        deadline = self._rpc.deadline
        return None if deadline is None else max(0.0, deadline - time.monotonic())

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """False: the callback is not kept; nothing here runs while nobody reads."""
        return False

    def _drain(self) -> None:
        while not self._rpc.finished:
            try:
                self._rpc.next_message()
            except GrpcWebError:
                return

    def code(self) -> Any:
        """The ``grpc.StatusCode``; like grpcio it waits for the end of the call."""
        self._drain()
        return grpc.StatusCode.OK if self._rpc.error is None else self._rpc.error.code()

    def details(self) -> str:
        """The status message; waits for the end of the call."""
        self._drain()
        return "" if self._rpc.error is None else self._rpc.error.details()

    def initial_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """Metadata of the response head, as far as it was read."""
        return tuple(self._rpc.response.initial_metadata)

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """Metadata of the trailers; waits for the end of the call."""
        self._drain()
        if self._rpc.error is not None:
            return self._rpc.error.trailing_metadata()
        return tuple(self._rpc.response.trailing_metadata)


def parse_message(deserialize: Deserializer, payload: bytes, rpc: Rpc) -> Any:
    try:
        return deserialize(payload)
    except Exception as error:
        rpc.cancel()
        text = f"A response could not be decoded ({type(error).__name__}): client and server do not fit."
        raise local_error(wire.StatusCode.INTERNAL, text) from error
