"""A ``grpc.Channel`` over any transport: PySpark's generated stub runs on it unchanged.

The gRPC calling convention is the one of grpcio's ``UnaryUnaryMultiCallable`` and its siblings: errors are
``grpc.RpcError`` and also a ``grpc.Call``, so that ``grpc_status.rpc_status.from_call`` finds the details and
PySpark's own handlers make their own exceptions of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any

from google.rpc import status_pb2  # type: ignore[import-untyped]  # generated, without annotations
from pyspark.sql.connect.client import core as _core

from . import wire
from .background import BackgroundCalls, in_background
from .channel import Channel, open_channel
from .connection import Target
from .errors import (
    BridgeError,
    ChannelCancelled,
    ChannelError,
    ChannelTimeout,
)
from .version import __version__

__all__ = ["GrpcWebChannel", "GrpcWebError", "ResponseStream"]

# The module that PySpark's own code sees, real or a stand-in: its RpcError is the one that is caught.
grpc: Any = _core.grpc  # type: ignore[attr-defined]

MAX_MESSAGE = wire.DEFAULT_MAX_MESSAGE
_USER_AGENT = f"grpc-python-pcw/{__version__}"
# PySpark opens a unary call on ExecutePlan to drop cached relations and reads the first message only.
_STREAMING = ("/ExecutePlan", "/ReattachExecute")
_DETAILS = "grpc-status-details-bin"

Serializer = Callable[[Any], bytes]
Deserializer = Callable[[bytes], Any]
Pairs = Sequence[tuple[str, "str | bytes"]]

_CallBase: Any = getattr(grpc, "Call", object)


class GrpcWebError(grpc.RpcError, _CallBase):  # type: ignore[misc]  # bases of an untyped module
    """A call that ended with another status than OK: an exception and the finished call in one."""

    def __init__(self, status: wire.Status, initial: Pairs = (), trailing: Pairs = ()) -> None:
        self._code = grpc.StatusCode[status.code.name]
        self._details = status.message
        self._initial = tuple(initial)
        self._trailing = tuple(trailing)
        rich = _consistent_details(status)
        if rich is not None:
            self._details = rich.message
            self._trailing += ((_DETAILS, status.details or b""),)
        super().__init__(str(self))

    def code(self) -> Any:
        """The ``grpc.StatusCode``."""
        return self._code

    def details(self) -> str:
        """The message."""
        return self._details

    def initial_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """Metadata of the response head."""
        return self._initial

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """Metadata of the trailers; ``grpc-status-details-bin`` is a serialised ``google.rpc.Status``."""
        return self._trailing

    def debug_error_string(self) -> str:
        """As `str`; part of grpcio's interface."""
        return str(self)

    def is_active(self) -> bool:
        """False: the call is over."""
        return False

    def time_remaining(self) -> float | None:
        """None: the call is over."""
        return None

    def cancel(self) -> bool:
        """False: the call is over."""
        return False

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """False: the call is over and the callback is not kept."""
        return False

    def __str__(self) -> str:
        return f"[{self._code.name}] {self._details}"

    def __repr__(self) -> str:
        return f"<GrpcWebError {self}>"


def _consistent_details(status: wire.Status) -> status_pb2.Status | None:
    """The rich status, when it belongs to the plain one.

    `rpc_status.from_call` raises ValueError when the two differ. Proxies trim or re-encode
    ``grpc-message``, so the rich message counts; another code means that it is not this call's.
    """
    if status.details is None:
        return None
    try:
        rich = status_pb2.Status.FromString(status.details)
    except Exception:  # noqa: BLE001 - protobuf's DecodeError has another home in every implementation
        return None
    return rich if rich.code == int(status.code) else None


def _local(code: wire.StatusCode, text: str) -> GrpcWebError:
    return GrpcWebError(wire.Status(code, text))


def _from_channel(error: ChannelError) -> GrpcWebError:
    """The status of a call that the transport could not carry."""
    if isinstance(error, ChannelTimeout):
        code = wire.StatusCode.DEADLINE_EXCEEDED
    elif isinstance(error, ChannelCancelled):
        code = wire.StatusCode.CANCELLED
    elif isinstance(error, BridgeError):
        # Not UNAVAILABLE: PySpark would try again, and a page does not repair itself.
        code = wire.StatusCode.FAILED_PRECONDITION
    else:
        code = wire.StatusCode.UNAVAILABLE
    return _local(code, str(error))


class Rpc:
    """One running call: bytes from a transport through the wire's state machine."""

    def __init__(
        self,
        owner: GrpcWebChannel,
        method: str,
        parts: Sequence[bytes],
        timeout: float | None,
        metadata: Iterable[tuple[str, str | bytes]] | None,
        streaming: bool,
    ) -> None:
        self.response = wire.Response(streaming=streaming, max_message=MAX_MESSAGE)
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self._call: Any = None
        self._messages: list[bytes] = []
        self._error: GrpcWebError | None = None
        self._finished = False
        try:
            headers = owner.headers(timeout, metadata)
            self._call = owner.transport.call(owner.target.base + method, headers, parts, timeout)
        except ChannelError as error:
            # As with grpcio a call that cannot start fails when its result is asked for.
            self._fail(_from_channel(error))

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
                self._read()
            except ChannelError as error:
                self._fail(_from_channel(error))
            except BaseException:
                # KeyboardInterrupt above all: nobody will read the rest.
                self.cancel()
                raise
        return self._messages.pop()

    def _read(self) -> None:
        response = self.response
        if response.state is wire.State.HEAD:
            head = self._call.head()
            response.receive_head(head.status, head.headers)
        data = b"" if response.done else self._call.read()
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
        self._fail(_local(wire.StatusCode.CANCELLED, "The call was cancelled."))
        self._call.cancel()
        return True


class ResponseStream:
    """An iterator over the responses of a call, and the call itself (``grpc.Call``)."""

    def __init__(self, rpc: Rpc, deserialize: Deserializer, before: Callable[[], None]) -> None:
        self._rpc = rpc
        self._deserialize = deserialize
        self._before = before

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self._before()
        payload = self._rpc.next_message()
        if payload is None:
            raise StopIteration
        return _parse(self._deserialize, payload, self._rpc)

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


def _parse(deserialize: Deserializer, payload: bytes, rpc: Rpc) -> Any:
    try:
        return deserialize(payload)
    except Exception as error:
        rpc.cancel()
        text = f"A response could not be decoded ({type(error).__name__}): client and server do not fit."
        raise _local(wire.StatusCode.INTERNAL, text) from error


def _frame(serialize: Serializer, request: Any) -> tuple[bytes, bytes]:
    payload = serialize(request)
    if len(payload) > MAX_MESSAGE:
        raise _local(
            wire.StatusCode.RESOURCE_EXHAUSTED,
            f"The request has {len(payload)} bytes; a message may have {MAX_MESSAGE} bytes at most. Send less"
            " at once, for example in several DataFrames.",
        )
    return wire.frame_header(len(payload)), payload


class _Callable:
    """What the multi-callables share."""

    def __init__(
        self,
        channel: GrpcWebChannel,
        method: str,
        request_serializer: Serializer | None,
        response_deserializer: Deserializer | None,
    ) -> None:
        self._channel = channel
        self._method = method
        self._serialize: Serializer = request_serializer or bytes
        self._deserialize: Deserializer = response_deserializer or bytes

    def _unary(self, rpc: Rpc) -> tuple[Any, ResponseStream]:
        stream = ResponseStream(rpc, self._deserialize, self._channel.background.poll)
        payload = rpc.next_message()
        first = payload
        while payload is not None:
            payload = rpc.next_message()
        if first is None:
            raise _local(wire.StatusCode.UNIMPLEMENTED, "The server ended a unary call without a message.")
        return _parse(self._deserialize, first, rpc), stream


class UnaryUnary(_Callable):
    """``grpc.UnaryUnaryMultiCallable``."""

    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Iterable[tuple[str, str | bytes]] | None = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        """Send, block, return the response; `GrpcWebError` when the status is not OK."""
        parts = _frame(self._serialize, request)
        if in_background() and self._channel.background.send(self._method, request, parts, metadata):
            return self._deserialize(b"")
        return self.with_call(request, timeout, metadata)[0]

    def with_call(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Iterable[tuple[str, str | bytes]] | None = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> tuple[Any, ResponseStream]:
        """As `__call__`, and the finished call."""
        parts = _frame(self._serialize, request)
        streaming = self._method.endswith(_STREAMING)
        return self._unary(self._channel.start(self._method, parts, timeout, metadata, streaming))


class UnaryStream(_Callable):
    """``grpc.UnaryStreamMultiCallable``."""

    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Iterable[tuple[str, str | bytes]] | None = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> ResponseStream:
        """Send; the stream raises `GrpcWebError` where the call fails."""
        rpc = self._channel.start(self._method, _frame(self._serialize, request), timeout, metadata, True)
        return ResponseStream(rpc, self._deserialize, self._channel.background.poll)


class StreamUnary(_Callable):
    """``grpc.StreamUnaryMultiCallable``: the requests are gathered and sent as one body."""

    def __call__(
        self,
        request_iterator: Iterable[Any],
        timeout: float | None = None,
        metadata: Iterable[tuple[str, str | bytes]] | None = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        """Send all, block, return the response; `GrpcWebError` when the status is not OK."""
        return self.with_call(request_iterator, timeout, metadata)[0]

    def with_call(
        self,
        request_iterator: Iterable[Any],
        timeout: float | None = None,
        metadata: Iterable[tuple[str, str | bytes]] | None = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> tuple[Any, ResponseStream]:
        """As `__call__`, and the finished call."""
        parts: list[bytes] = []
        for request in request_iterator:
            parts.extend(_frame(self._serialize, request))
        return self._unary(self._channel.start(self._method, parts, timeout, metadata, False))


class GrpcWebChannel(getattr(grpc, "Channel", object)):  # type: ignore[misc]  # base of an untyped module
    """A channel to one target.

    Args:
        target: where the calls go.
        transport: what carries them; by default the one that the target names.
    """

    def __init__(self, target: Target, transport: Channel | None = None) -> None:
        self.target = target
        self.background = BackgroundCalls(self)
        self._transport = transport
        self._closed = False

    @property
    def transport(self) -> Channel:
        """The transport, opened when it is first needed.

        Raises:
            BridgeError: it cannot be had in this process.
        """
        if self._transport is None:
            self._transport = open_channel(self.target.transport)
        return self._transport

    def headers(
        self, timeout: float | None, metadata: Iterable[tuple[str, str | bytes]] | None
    ) -> list[tuple[str, str]]:
        """The headers of a call.

        Raises:
            wire.MetadataError: metadata that HTTP cannot carry.
        """
        headers = [
            ("content-type", wire.GRPC_WEB_PROTO),
            ("accept", wire.GRPC_WEB_PROTO),
            ("x-grpc-web", "1"),
            ("x-user-agent", _USER_AGENT),
        ]
        if timeout is not None:
            headers.append(("grpc-timeout", wire.format_timeout(timeout)))
        if self.target.token is not None:
            headers.append(("authorization", f"Bearer {self.target.token}"))
        headers.extend(self.target.headers)
        headers.extend(wire.encode_metadata(metadata or ()))
        return headers

    def start(
        self,
        method: str,
        parts: Sequence[bytes],
        timeout: float | None,
        metadata: Iterable[tuple[str, str | bytes]] | None,
        streaming: bool,
    ) -> Rpc:
        """Start a call.

        Raises:
            ValueError: the channel is closed (as grpcio does), or the metadata cannot travel.
        """
        if self._closed:
            raise ValueError("Cannot invoke RPC on closed channel!")
        self.background.poll()
        return self.launch(method, parts, timeout, metadata, streaming)

    def launch(
        self,
        method: str,
        parts: Sequence[bytes],
        timeout: float | None,
        metadata: Iterable[tuple[str, str | bytes]] | None,
        streaming: bool = False,
    ) -> Rpc:
        """Start a call without a look at the ones in the background."""
        return Rpc(self, method, parts, timeout, metadata, streaming)

    def unary_unary(
        self,
        method: str,
        request_serializer: Serializer | None = None,
        response_deserializer: Deserializer | None = None,
        _registered_method: bool | None = False,
    ) -> UnaryUnary:
        """See ``grpc.Channel``."""
        return UnaryUnary(self, method, request_serializer, response_deserializer)

    def unary_stream(
        self,
        method: str,
        request_serializer: Serializer | None = None,
        response_deserializer: Deserializer | None = None,
        _registered_method: bool | None = False,
    ) -> UnaryStream:
        """See ``grpc.Channel``."""
        return UnaryStream(self, method, request_serializer, response_deserializer)

    def stream_unary(
        self,
        method: str,
        request_serializer: Serializer | None = None,
        response_deserializer: Deserializer | None = None,
        _registered_method: bool | None = False,
    ) -> StreamUnary:
        """See ``grpc.Channel``."""
        return StreamUnary(self, method, request_serializer, response_deserializer)

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Not possible: grpc-web has no bidirectional streams, and Spark Connect needs none.

        Raises:
            NotImplementedError
        """
        raise NotImplementedError("grpc-web has no bidirectional streams.")

    def subscribe(self, callback: Callable[[Any], None], try_to_connect: bool | None = False) -> None:
        """Nothing to tell: HTTP calls have no connectivity state."""

    def unsubscribe(self, callback: Callable[[Any], None]) -> None:
        """See `subscribe`."""

    def close(self) -> None:
        """Send what is left to release, then end every call and give back the transport."""
        if self._closed:
            return
        self.background.finish()
        self._closed = True
        if self._transport is not None:
            self._transport.close()

    def __enter__(self) -> GrpcWebChannel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
