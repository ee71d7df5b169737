"""A ``grpc.Channel`` over any transport: PySpark's generated stub runs on it unchanged.

The gRPC calling convention is the one of grpcio's ``UnaryUnaryMultiCallable`` and its siblings: errors are
``grpc.RpcError`` and also a ``grpc.Call``, so that ``grpc_status.rpc_status.from_call`` finds the details and
PySpark's own handlers make their own exceptions of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any

from pyspark_connect_web import wire
from pyspark_connect_web.channel import Channel, open_channel
from pyspark_connect_web.connection import Target
from pyspark_connect_web.rpc.background import BackgroundCalls, in_background
from pyspark_connect_web.rpc.call import Deserializer, ResponseStream, Rpc, parse_message
from pyspark_connect_web.rpc.error import GrpcWebError, grpc, local_error
from pyspark_connect_web.rpc.reattach import UnansweredPlans
from pyspark_connect_web.rpc.silence import Silence, can_be_asked_again
from pyspark_connect_web.version import __version__

__all__ = ["GrpcWebChannel", "GrpcWebError", "ResponseStream"]

MAX_MESSAGE = wire.DEFAULT_MAX_MESSAGE
JOINED = 1 << 20
_USER_AGENT = f"grpc-python-pcw/{__version__}"
# PySpark opens a unary call on ExecutePlan to drop cached relations and reads the first message only.
_STREAMING = ("/ExecutePlan", "/ReattachExecute")

Serializer = Callable[[Any], bytes]


def _frame(serialize: Serializer, request: Any) -> tuple[bytes, bytes]:
    payload = serialize(request)
    if len(payload) > MAX_MESSAGE:
        raise local_error(
            wire.StatusCode.RESOURCE_EXHAUSTED,
            f"The request has {len(payload)} bytes; a message may have {MAX_MESSAGE} bytes at most. Send less"
            " at once, for example in several DataFrames.",
        )
    return wire.frame_header(len(payload)), payload


def _joined(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of about `JOINED`: a file is sent as thousands of small messages.

    Each piece costs a transport more than its bytes do; each is made when the transport takes it, so that the file is
    never held whole.
    """
    waiting: list[bytes] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= JOINED:
            piece = b"".join(waiting)
            waiting.clear()
            size = 0
            yield piece
            del piece
    if waiting:
        yield b"".join(waiting)


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
            raise local_error(
                wire.StatusCode.UNIMPLEMENTED, "The server ended a unary call without a message."
            )
        return parse_message(self._deserialize, first, rpc), stream


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
        frame = _frame(self._serialize, request)
        resumable = can_be_asked_again(self._method, request)
        rpc = self._channel.start(self._method, frame, timeout, metadata, True, resumable)
        explain = self._channel.unanswered.explaining(self._method, request)
        return ResponseStream(rpc, self._deserialize, self._channel.background.poll, explain)


class StreamUnary(_Callable):
    """``grpc.StreamUnaryMultiCallable``: the requests are made while they are sent, as one body."""

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
        framed = (part for request in request_iterator for part in _frame(self._serialize, request))
        return self._unary(self._channel.start(self._method, _joined(framed), timeout, metadata, False))


class GrpcWebChannel(getattr(grpc, "Channel", object)):  # type: ignore[misc]  # base of an untyped module
    """A channel to one target.

    Args:
        target: where the calls go.
        transport: what carries them; by default the one that the target names.
    """

    def __init__(self, target: Target, transport: Channel | None = None) -> None:
        self.target = target
        self.background = BackgroundCalls(self.launch)
        self.unanswered = UnansweredPlans()
        self.silence = Silence()
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
        passed = wire.encode_metadata(metadata or ())
        if passed:
            headers.append((wire.DECLARED_METADATA, ",".join(dict.fromkeys(key for key, _ in passed))))
            headers.extend(passed)
        return headers

    def attend(self, rpc: Rpc) -> None:
        """Let those who watch this channel look for their events until `rpc` has something to read."""
        self.background.attend(rpc)

    def start(
        self,
        method: str,
        parts: Iterable[bytes],
        timeout: float | None,
        metadata: Iterable[tuple[str, str | bytes]] | None,
        streaming: bool,
        resumable: bool = False,
    ) -> Rpc:
        """Start a call; the server lets the answer of a `resumable` one not be silent for long.

        Raises:
            ValueError: the channel is closed (as grpcio does), or the metadata cannot travel.
        """
        if self._closed:
            raise ValueError("Cannot invoke RPC on closed channel!")
        self.background.poll()
        return self.launch(method, parts, timeout, metadata, streaming, resumable)

    def launch(
        self,
        method: str,
        parts: Iterable[bytes],
        timeout: float | None,
        metadata: Iterable[tuple[str, str | bytes]] | None,
        streaming: bool = False,
        resumable: bool = False,
    ) -> Rpc:
        """Start a call without a look at the ones in the background."""
        return Rpc(self, method, parts, timeout, metadata, streaming, resumable)

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
