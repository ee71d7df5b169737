"""Patterns of `_headers`, matched in a time that grows with the path and not with the number of its readings.

Translated to a regular expression, `/*a*a*a*a*b` is tried in each way in which the stars share a path that does not
match. Here the positions from which the rest of a pattern matches are one integer, a bit for each position, computed
once for each part of the pattern from its end; what a placeholder stands for follows from them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal as OneOf

#: `any`: anything, or nothing. `segment`: one or more letters, no `/`. `label`: no `.` either. `rest`: nothing,
#: or `/` and anything. `slash`: a `/` or nothing.
Kind = OneOf["any", "segment", "label", "rest", "slash"]

_RUNS = {"segment": re.compile(r"[^/]+"), "label": re.compile(r"[^/.]+")}


@dataclass(frozen=True)
class Literal:
    """A text that stands for itself."""

    text: str

    def before(self, after: int, subject: str) -> int:
        """Return the positions from which this and then the rest matches; `after`: those of the rest."""
        if not self.text:
            return after
        positions, found = 0, subject.find(self.text)
        while found >= 0:
            if after >> (found + len(self.text)) & 1:
                positions |= 1 << found
            found = subject.find(self.text, found + 1)
        return positions

    def end(self, begin: int, after: int, subject: str) -> int:
        """Return where this ends when it begins at `begin`."""
        return begin + len(self.text)


@dataclass(frozen=True)
class Wildcard:
    """A part that stands for many texts; the longest one that fits is taken, as regular expressions do."""

    kind: Kind
    name: str = ""

    def before(self, after: int, subject: str) -> int:
        """See `Literal`."""
        if self.kind == "any":
            return (1 << after.bit_length()) - 1
        if self.kind in ("rest", "slash"):
            positions, found = after, subject.find("/")
            while found >= 0:
                if after >> (found + 1) and (self.kind == "rest" or after >> (found + 1) & 1):
                    positions |= 1 << found
                found = subject.find("/", found + 1)
            return positions
        positions = 0
        for run in _RUNS[self.kind].finditer(subject):
            last = self._last(after, run.start() + 1, run.end())
            if last is not None:
                # from anywhere in the run before its last good end
                positions |= (1 << last) - (1 << run.start())
        return positions

    def end(self, begin: int, after: int, subject: str) -> int:
        """See `Literal`."""
        if self.kind == "any":
            return after.bit_length() - 1
        if self.kind in ("rest", "slash"):
            starts = subject.startswith("/", begin)
            last = self._last(after, begin + 1, len(subject) if self.kind == "rest" else begin + 1)
            return last if starts and last is not None else begin
        run = _RUNS[self.kind].match(subject, begin)
        last = self._last(after, begin + 1, run.end()) if run else None
        if last is None:
            raise AssertionError("the pattern does not match from here")
        return last

    @staticmethod
    def _last(positions: int, first: int, last: int) -> int | None:
        """Return the highest of the positions from `first` to `last`, both included."""
        within = positions >> first & (1 << max(0, last - first + 1)) - 1
        return first + within.bit_length() - 1 if within else None


@dataclass(frozen=True)
class Pattern:
    """Parts that follow one another and cover the whole of what is matched."""

    parts: tuple[Literal | Wildcard, ...]

    def match(self, subject: str) -> dict[str, str] | None:
        """Return what the named wildcards stand for; None when `subject` does not match."""
        after = 1 << len(subject)
        reachable = [after]
        for part in reversed(self.parts):
            after = part.before(after, subject)
            if not after:
                return None
            reachable.append(after)
        if not after & 1:
            return None
        reachable.reverse()
        begin, found = 0, {}
        for part, rest in zip(self.parts, reachable[1:], strict=True):
            end = part.end(begin, rest, subject)
            if isinstance(part, Wildcard) and part.name:
                found[part.name] = subject[begin:end]
            begin = end
        return found
