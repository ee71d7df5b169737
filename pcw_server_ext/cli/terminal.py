"""What the commands print, as plain text: names of files, and what servers and sites say, come from others.

A terminal acts on control characters: a file's name could clear the screen, change its title or hide a line.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from typing import Any, Final

#: Control characters (C0 without tab and line feed, C1), what turns the direction of a line, and halves of pairs, which
#: are names that are no text.
_ACTING: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Return text whose control characters are written out, but for tabs and the ends of its lines."""
    return _ACTING.sub(lambda found: ascii(found[0])[1:-1], text)


def in_one_line(text: object) -> str:
    """Return somebody's text for a place in a line of ours."""
    return visible(str(text)).replace("\n", "\\n").replace("\t", "\\t")


class PlainStream:
    """A stream that writes what is `visible`.

    Attributes:
        stream: the one below, for who moves the cursor.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write text, control characters written out."""
        return int(self.stream.write(visible(text)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def plain_text() -> Iterator[None]:
    """Let standard output and error take plain text alone."""
    with (
        contextlib.redirect_stdout(PlainStream(sys.stdout)),
        contextlib.redirect_stderr(PlainStream(sys.stderr)),
    ):
        yield
