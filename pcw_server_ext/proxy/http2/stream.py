"""One request and its response (RFC 9113 section 5.1), as seen by a client."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from .errors import Http2Error
from .header_block import Header


class StreamState(Enum):
    OPEN = auto()
    HALF_CLOSED_LOCAL = auto()
    HALF_CLOSED_REMOTE = auto()
    CLOSED = auto()


class StreamInput(Enum):
    SEND_END = auto()
    RECV_END = auto()
    RESET = auto()


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
    body pieces that nobody has taken yet, ``buffered`` their size in bytes; ``ended`` is true once the peer
    will send nothing more, with ``error`` set when that came too early.
    """

    __slots__ = (
        "buffered",
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
        self.chunks: list[bytes] = []
        self.buffered = 0
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

    def take(self) -> list[bytes]:
        """Body pieces received so far, which the caller now owns (and credits when they are used up)."""
        taken, self.chunks, self.buffered = self.chunks, [], 0
        return taken

    def fail(self, error: Http2Error) -> None:
        """End the stream with an error; the first one stays. Body pieces nobody took stay readable."""
        if not self.ended:
            self.ended = True
            self.error = error
        if self.state is not StreamState.CLOSED:
            self.step(StreamInput.RESET)
