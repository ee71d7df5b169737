"""What every transport offers: start a POST, block for its head, block for its bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

__all__ = ["Call", "Channel", "Head", "Headers"]

Headers = Sequence[tuple[str, str]]


class Head(NamedTuple):
    """The head of a response: HTTP status and headers in the order received."""

    status: int
    headers: list[tuple[str, str]]


class Call(Protocol):
    """One running POST. Every method raises a `ChannelError` when the call cannot go on."""

    def head(self) -> Head:
        """Block until the response head is there."""

    def read(self) -> bytes:
        """Block for the next piece of the body, of any size; ``b""`` at its end."""

    def ready(self) -> bool:
        """True when `head` would not block."""

    def readable(self, seconds: float = 0.0) -> bool:
        """True when `head` and one `read` would not block; wait for that, `seconds` at most."""

    def cancel(self) -> None:
        """End the call and give back what it holds; harmless when it is over, allowed from any thread."""


class Channel(Protocol):
    """A way to carry calls."""

    def call(self, url: str, headers: Headers, parts: Iterable[bytes], timeout: float | None) -> Call:
        """Start a POST whose body is the parts, joined.

        Args:
            url: absolute URL.
            headers: sent as they are.
            parts: the body, in order; read once, before this returns. What reading them raises is passed on.
            timeout: seconds for the whole call, the last byte included; None for no limit.
        """

    def close(self) -> None:
        """Cancel what runs and give back connections."""
