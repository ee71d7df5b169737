"""One attempt: the bytes that are sent, and what must hold of the answer and of what reached Spark."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.security.attack.target import Target
from tests.support.recording_upstream import Received

Headers = Sequence[tuple[str, str]]

REFUSED = frozenset({400, 401, 403, 404, 405, 411, 413, 414, 415, 431, 501})
"""What says no. A server that closes the connection says no too: status 0."""


def request(
    method: str, target: str, headers: Headers = (), body: bytes = b"", *, host: str = "127.0.0.1"
) -> bytes:
    """A request whose target and headers are sent as they stand."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass(frozen=True)
class Outcome:
    """What came back, and what reached Spark meanwhile."""

    answer: bytes
    reached: list[Received]
    begun: int
    """Calls that Spark saw begin."""

    @property
    def status(self) -> int:
        """The status of the first answer; 0 when the server closed the connection without one."""
        found = re.match(rb"HTTP/1\.[01] (\d{3}) ", self.answer)
        return int(found[1]) if found else 0

    @property
    def head(self) -> bytes:
        """The first answer's headers, in lower case."""
        return self.answer.partition(b"\r\n\r\n")[0].lower()

    @property
    def body(self) -> bytes:
        """What follows them."""
        return self.answer.partition(b"\r\n\r\n")[2]

    def header(self, name: str) -> str | None:
        """A header of the first answer."""
        found = re.search(rb"^%s:[ \t]*(.*?)\r?$" % re.escape(name.lower().encode()), self.head, re.MULTILINE)
        return found[1].decode("latin-1") if found else None


Rule = Callable[[Outcome], "str | None"]
"""Says what does not hold, or None."""


def refused(outcome: Outcome) -> str | None:
    """Answered with no, or led to the login page, and nothing was dialled."""
    if outcome.begun:
        return "reached Spark"
    if outcome.status in REFUSED or outcome.status == 0:
        return None
    if outcome.status == 302 and "/login?" in (outcome.header("location") or ""):
        return None
    return f"answered with {outcome.status}"


def preflight_allows_nothing(outcome: Outcome) -> str | None:
    """An answer to OPTIONS that lets no page do anything, and says nothing."""
    if outcome.header("access-control-allow-origin") is not None:
        return "a page may read the answer"
    return None if outcome.status in (200, 204) and not outcome.body else refused(outcome)


def not_dialled(outcome: Outcome) -> str | None:
    """Any answer but 500, and nothing was dialled."""
    return "reached Spark" if outcome.begun else None


def anything(outcome: Outcome) -> str | None:
    """What holds of every answer is enough."""
    return None


def answered(*statuses: int) -> Rule:
    """One of these statuses, and nothing was dialled."""

    def rule(outcome: Outcome) -> str | None:
        if outcome.begun:
            return "reached Spark"
        return None if outcome.status in statuses else f"answered with {outcome.status}, not {statuses}"

    return rule


@dataclass(frozen=True)
class Attempt:
    """One attempt of a kind."""

    kind: str
    name: str
    data: bytes = field(repr=False)
    rule: Rule = refused
    marker: str = ""
    """A text of the request that must not be in the server's log at the end."""
    patience: float = 30
    """Seconds to wait for an answer; few where the server may wait for the rest of a request."""


def always(outcome: Outcome, target: Target) -> str | None:
    """What holds of every answer: no 500, nothing secret, no header of the attacker's, no foreign page let in."""
    if 500 <= outcome.status < 600 and outcome.status != 501:
        return f"answered with {outcome.status}"
    for secret in target.secrets:
        if secret in outcome.answer:
            return f"the answer holds {secret.decode()}"
    if re.search(rb"^(x-evil|x-smuggled):", outcome.head, re.MULTILINE):
        return "the answer has a header that the request wrote"
    if b"access-control-allow-credentials: true" in outcome.head:
        return "foreign pages are let in with cookies"
    allowed = outcome.header("access-control-allow-origin")
    # Jupyter answers a token that comes without an origin with an empty value, which no page matches
    if allowed and allowed != target.allowed_origin:
        return f"pages of {allowed} may read the answer"
    if re.match(
        r"(https?:)?//(?!127\.0\.0\.1[:/]|[a-z0-9-]+\.localhost[:/])", outcome.header("location") or ""
    ):
        return "leads to another host"
    return None


def send(target: Target, data: bytes, patience: float) -> bytes:
    """Send bytes on a connection of their own, and read until the server has nothing more to say."""
    pieces = []
    with socket.create_connection(("127.0.0.1", target.port), 30) as connection:
        connection.settimeout(patience)
        try:
            connection.sendall(data)
            while piece := connection.recv(1 << 16):
                pieces.append(piece)
        except OSError:
            # cut off, or nothing more came: what came before counts
            pass
    return b"".join(pieces)


def run(target: Target, attempt: Attempt) -> str | None:
    """Make an attempt; returns what did not hold."""
    received, begun = len(target.recorder.received), target.recorder.begun
    answer = send(target, attempt.data, attempt.patience)
    outcome = Outcome(answer, target.recorder.received[received:], target.recorder.begun - begun)
    return attempt.rule(outcome) or always(outcome, target)
