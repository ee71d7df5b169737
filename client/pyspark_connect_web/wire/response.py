"""The client's side of one response, without I/O: head and bytes in, messages and a status out.

Sources: PROTOCOL-WEB (body trailers, trailers-only), gRPC over HTTP/2 "Responses", gRPC status codes.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from pyspark_connect_web.wire.content import parse_content_type
from pyspark_connect_web.wire.errorpage import MAX_ERROR_BODY, status_from_page
from pyspark_connect_web.wire.errors import MessageTooLarge, ProtocolError, StateError
from pyspark_connect_web.wire.frames import COMPRESSED, DEFAULT_MAX_MESSAGE, TRAILERS, FrameDecoder
from pyspark_connect_web.wire.metadata import decode_metadata
from pyspark_connect_web.wire.status import Status, StatusCode
from pyspark_connect_web.wire.text import TextDecoder
from pyspark_connect_web.wire.trailers import parse_trailers

__all__ = ["Response", "State"]


class State(enum.Enum):
    """Where a response is."""

    HEAD = "waiting for the response head"
    MESSAGES = "reading messages"
    PAGE = "reading a body that is no grpc-web"
    TRAILED = "the trailers frame was read"
    DONE = "the status is known"


class _Event(enum.Enum):
    HEAD = "head"
    DATA = "data"
    END = "end"


_ALLOWED = {
    State.HEAD: frozenset({_Event.HEAD}),
    State.MESSAGES: frozenset({_Event.DATA, _Event.END}),
    State.PAGE: frozenset({_Event.DATA, _Event.END}),
    State.TRAILED: frozenset({_Event.DATA, _Event.END}),
    State.DONE: frozenset({_Event.DATA, _Event.END}),
}


class Response:
    """One grpc-web response of a call.

    Feed `receive_head`, then `receive_data` for each piece, then `receive_end`; every fault of the
    peer becomes a `status`, never an exception. After a status is known further data is dropped, so a
    caller may stop reading when `done` is true.

    Args:
        streaming: False demands exactly one message with OK (zero or more than one is UNIMPLEMENTED).
        max_message: largest message in bytes; a larger one ends the call with RESOURCE_EXHAUSTED.
    """

    def __init__(self, *, streaming: bool, max_message: int = DEFAULT_MAX_MESSAGE) -> None:
        self.streaming = streaming
        self.state = State.HEAD
        self.status: Status | None = None
        self.initial_metadata: list[tuple[str, str | bytes]] = []
        self.trailing_metadata: list[tuple[str, str | bytes]] = []
        self._frames = FrameDecoder(max_message)
        self._text: TextDecoder | None = None
        self._count = 0
        self._head_pairs: list[tuple[str, str]] = []
        self._http_status = 0
        self._content_type = ""
        self._page: list[bytes] = []
        self._page_size = 0

    @property
    def done(self) -> bool:
        """True when the status is final and the rest of the body does not matter."""
        return self.state is State.DONE

    @property
    def _trailed(self) -> bool:
        return self.state is State.TRAILED

    def _expect(self, event: _Event) -> None:
        if event not in _ALLOWED[self.state]:
            raise StateError(
                f"Event {event.value!r} while {self.state.value}: feed head, data, end in order."
            )

    def _end(self, status: Status) -> None:
        self.status = status
        self.state = State.DONE

    def _fail(self, code: StatusCode, text: str) -> None:
        self._end(Status(code, text))

    def receive_head(self, http_status: int, headers: Iterable[tuple[str, str]]) -> None:
        """Take the HTTP status and headers.

        Raises:
            StateError: called twice.
        """
        self._expect(_Event.HEAD)
        pairs = [(key.lower(), value) for key, value in headers]
        self._head_pairs = pairs
        self._http_status = http_status
        first: dict[str, str] = {}
        for key, value in pairs:
            first.setdefault(key, value)
        self._content_type = first.get("content-type", "")
        self.initial_metadata = decode_metadata(pairs)
        kind = parse_content_type(self._content_type)
        # A gRPC status in the headers counts whatever the HTTP status is; the HTTP mapping is for
        # responses without one ("HTTP to gRPC Status Code Mapping").
        if (http_status != 200 or kind is None) and "grpc-status" not in first:
            self.state = State.PAGE
            return
        self.state = State.MESSAGES
        if kind is None:
            return
        if kind.codec != "proto":
            self._fail(
                StatusCode.INTERNAL,
                f"The server answered with the codec {kind.codec[:32]!r}; this client speaks proto only.",
            )
            return
        if kind.text:
            self._text = TextDecoder()

    def receive_data(self, data: bytes) -> list[bytes]:
        """Take the next piece of the body and return the messages that it completes, in order.

        Messages before a fault in the same piece are returned; look at `status` afterwards.

        Raises:
            StateError: called before the head.
        """
        self._expect(_Event.DATA)
        if self.state is State.DONE:
            return []
        if self.state is State.PAGE:
            if self._page_size < MAX_ERROR_BODY:
                self._page.append(data[: MAX_ERROR_BODY - self._page_size])
                self._page_size += len(self._page[-1])
            return []
        if not data:
            return []
        if self.state is State.TRAILED:
            self._fail(StatusCode.INTERNAL, "The server sent data after the trailers.")
            return []
        messages: list[bytes] = []
        try:
            if self._text is not None:
                data = self._text.feed(data)
            frames = self._frames.feed(data)
        except ProtocolError as error:
            self._fault(error)
            return messages
        for flags, payload in frames:
            if self._trailed:
                self._fail(StatusCode.INTERNAL, "The server sent data after the trailers.")
                break
            if flags & COMPRESSED:
                self._fail(
                    StatusCode.INTERNAL,
                    "The server sent a compressed frame although this client accepts identity only.",
                )
                break
            if flags & TRAILERS:
                self._receive_trailers(payload)
                if self.done:
                    break
                continue
            self._count += 1
            if not self.streaming and self._count > 1:
                self._fail(
                    StatusCode.UNIMPLEMENTED, "The server sent more than one message for a unary call."
                )
                break
            messages.append(payload)
        if self._trailed and (self._frames.partial or self._frames.fault is not None):
            self._fail(StatusCode.INTERNAL, "The server sent data after the trailers.")
        elif not self.done and self._frames.fault is not None:
            self._fault(self._frames.fault)
        return messages

    def _fault(self, error: ProtocolError) -> None:
        too_large = isinstance(error, MessageTooLarge)
        self._fail(StatusCode.RESOURCE_EXHAUSTED if too_large else StatusCode.INTERNAL, str(error))

    def _receive_trailers(self, payload: bytes) -> None:
        try:
            pairs = parse_trailers(payload)
        except ProtocolError as error:
            self._fail(StatusCode.INTERNAL, str(error))
            return
        self.trailing_metadata = decode_metadata(pairs)
        self.status = Status.from_pairs(pairs)
        if self.status is None:
            self.status = Status(StatusCode.UNKNOWN, "The server's trailers hold no grpc-status.")
        self.state = State.TRAILED

    def receive_end(self) -> Status:
        """Declare the regular end of the body; returns the final status.

        A body that was cut off is the transport's to report: do not call this then.

        Raises:
            StateError: called before the head.
        """
        self._expect(_Event.END)
        if self.state is State.PAGE:
            self._end(status_from_page(self._http_status, self._content_type, b"".join(self._page)))
        elif self.state is State.MESSAGES:
            self._end(self._status_without_trailers())
        elif self.state is State.TRAILED:
            self.state = State.DONE
        status = self.status
        if status is None:
            raise StateError("A finished response has no status.")
        if status.code is StatusCode.OK and not self.streaming and self._count == 0:
            status = Status(StatusCode.UNIMPLEMENTED, "The server ended a unary call with OK and no message.")
            self.status = status
        return status

    def _status_without_trailers(self) -> Status:
        try:
            if self._text is not None:
                self._text.finish()
            self._frames.finish()
        except ProtocolError as error:
            return Status(StatusCode.INTERNAL, str(error))
        status = Status.from_pairs(self._head_pairs)
        # Trailers-only: the status in the headers and an empty body. OK in the headers before messages
        # would let a stream that was cut between two messages pass as complete.
        if status is not None and (self._count == 0 or status.code is not StatusCode.OK):
            self.trailing_metadata = self.initial_metadata
            self.initial_metadata = []
            return status
        return Status(
            StatusCode.INTERNAL,
            "The response ended without trailers, so it may be incomplete: the server, or a proxy"
            " on the way, cut it off.",
        )
