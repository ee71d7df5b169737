"""One request and its response (RFC 9113 section 5.1), as seen by a client."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from pcw_server_ext.proxy.upstream.http2.errors import Http2Error
from pcw_server_ext.proxy.upstream.http2.header_block import Header


class StreamState(Enum):
    OPEN = auto()
    HALF_CLOSED_LOCAL = auto()
    HALF_CLOSED_REMOTE = auto()
    CLOSED = auto()


class StreamInput(Enum):
    SEND_END = auto()
    RECV_END = auto()
    RESET = auto()


_SMALL: Final = 1 << 14

_S, _I = StreamState, StreamInput
TRANSITIONS: Final[dict[tuple[StreamState, StreamInput], StreamState]] = {
    (_S.OPEN, _I.SEND_END): _S.HALF_CLOSED_LOCAL,
    (_S.OPEN, _I.RECV_END): _S.HALF_CLOSED_REMOTE,
    (_S.OPEN, _I.RESET): _S.CLOSED,
    (_S.HALF_CLOSED_LOCAL, _I.RECV_END): _S.CLOSED,
    (_S.HALF_CLOSED_LOCAL, _I.RESET): _S.CLOSED,
    (_S.HALF_CLOSED_REMOTE, _I.SEND_END): _S.CLOSED,
    (_S.HALF_CLOSED_REMOTE, _I.RESET): _S.CLOSED,
}


class Stream:
    """What the connection knows of one stream.

    ``headers`` and ``trailers`` are lists of (name, value), None until they have arrived; ``chunks`` holds
    body pieces that nobody has taken yet; ``ended`` is true once the peer will send nothing more, with ``error``
    set when that came too early.
    """

    __slots__ = (
        "chunks",
        "ended",
        "error",
        "headers",
        "id",
        "recv_window",
        "send_window",
        "state",
        "trailers",
        "uncredited",
    )

    def __init__(self, stream_id: int, send_window: int, recv_window: int) -> None:
        self.id = stream_id
        self.state = StreamState.OPEN
        self.headers: list[Header] | None = None
        self.trailers: list[Header] | None = None
        self.chunks: list[bytes | memoryview] = []
        self.error: Http2Error | None = None
        self.ended = False
        self.send_window = send_window
        self.recv_window = recv_window
        self.uncredited = 0

    def step(self, event: StreamInput) -> None:
        """Follow the table; an event that the state does not allow is a programming error (KeyError)."""
        self.state = TRANSITIONS[self.state, event]

    @property
    def can_send(self) -> bool:
        """Whether request bytes may still be sent."""
        return self.state in (StreamState.OPEN, StreamState.HALF_CLOSED_REMOTE)

    def take(self) -> list[bytes | memoryview]:
        """Body pieces received so far, for the caller to use at once or to copy, and to credit when used up."""
        taken, self.chunks = self.chunks, []
        return taken

    def keep(self) -> None:
        """Copy pieces that are views of the received data, which is about to change; small ones are joined."""
        kept: list[bytes | memoryview] = []
        views: list[bytes | memoryview] = []
        for piece in self.chunks:
            (kept if isinstance(piece, bytes) else views).append(piece)
        if views:
            if kept and len(kept[-1]) < _SMALL:
                views.insert(0, kept.pop())
            kept.append(b"".join(views))
        self.chunks = kept

    def fail(self, error: Http2Error) -> None:
        """End the stream with an error; the first one stays. Body pieces nobody took stay readable."""
        if not self.ended:
            self.ended = True
            self.error = error
        if self.state is not StreamState.CLOSED:
            self.step(StreamInput.RESET)
