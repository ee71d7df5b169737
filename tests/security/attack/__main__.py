"""`python -m tests.security.attack [KIND ...]`: attacks a live server, and says by kind what held.

An attempt is a request of a stranger or of somebody who wants more than is theirs. It holds when the answer says no (or
says what is theirs), when nothing of it reaches Spark, when there is no 500, and when the answer has nothing secret in
it. At the end the server's log is read. The exit status is 1 when anything got through.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.security.attack import access, calls, sites
from tests.security.attack.attempts import Attempt, run
from tests.security.attack.target import ANN, BOB, COOKIE, NOBODY, READER, SPARK_TOKEN, Target, opened

KINDS: dict[str, Callable[[Target], Iterator[Attempt]]] = {
    "authentication": access.authentication,
    "authorization": access.authorization,
    "scoped tokens": access.scoped_tokens,
    "origins": access.origins,
    "XSRF": access.xsrf,
    "hosts": access.hosts,
    "paths": calls.paths,
    "HTTP framing": calls.framing,
    "names": calls.names,
    "metadata": calls.metadata,
    "identity": calls.identity,
    "staging": sites.staging,
    "files": sites.files,
    "builds": sites.builds,
    "tokens": sites.tokens,
    "log": sites.log,
}
NOT_OURS = {
    # Jupyter's page for a method that its own handlers never serve; test_log.py shows that ours do not fail so
    "RuntimeError: Calling `": 2,
    # Tornado takes a cookie that it cannot read for none, and says so
    "Uncaught exception in _decode_xsrf_token": 1,
}
"""What Jupyter and Tornado log with tracebacks, and how many each; neither holds anything of the request."""
SHOWN = 400
"""Octets of an input that got through."""


@dataclass
class Result:
    """How the attempts of a kind ended."""

    kind: str
    tries: int = 0
    through: list[tuple[str, str, bytes]] = field(default_factory=list)
    """What got through: the attempt's name, what did not hold, what was sent."""

    @property
    def held(self) -> int:
        """How many held."""
        return self.tries - len(self.through)


def every(count: int, attempts: Iterable[Attempt]) -> Iterator[Attempt]:
    """One of `count`, so that a short run has all kinds of attempts."""
    return (attempt for number, attempt in enumerate(attempts) if number % count == 0)


def attack(folder: Path, kinds: Iterable[str], *, share: int = 1, broken: str = "") -> list[Result]:
    """Attack a server of its own.

    Args:
        folder: the server's files; made by this.
        kinds: of attempts, names of `KINDS`.
        share: one of how many attempts is made; those of `staging` follow from each other, so all or none are.
        broken: Python that the server runs first, to see that the attempts find what it breaks.

    Returns:
        A result a kind, and one for the server as a whole.
    """
    results, marked = [], []
    whole = Result("server")
    with opened(folder, broken) as target:
        before, outside = target.state(), target.outside()
        for kind in kinds:
            result = Result(kind)
            for attempt in every(share, KINDS[kind](target)):
                result.tries += 1
                wrong = run(target, attempt)
                if wrong is not None:
                    result.through.append((attempt.name, wrong, attempt.data))
                elif attempt.marker:
                    marked.append((result, attempt))
            _check(whole, f"sites and tokens after {kind}", (now := target.state()) == before, "differ")
            before = now
            results.append(result)
        _check(whole, "files around the sites", target.outside() == outside, "there are more or fewer")
        process = target.site.process
        _check(whole, "the server", process.process.poll() is None, "has ended")
        scoped = (target.scoped, target.revoked)
    printed = process.printed()
    for result, attempt in marked:
        if attempt.marker in printed:
            result.through.append((attempt.name, "its query is in the log", attempt.data))
    for name, secret in {
        "ann's token": ANN, "bob's token": BOB, "a reader's token": READER, "nobody's token": NOBODY,
        "a login cookie": COOKIE, "Spark's token": SPARK_TOKEN, "a token for one endpoint": scoped[0],
        "a revoked token": scoped[1],
    }.items():  # fmt: skip
        _check(whole, f"{name} in the log", secret not in printed, "is there")
    others = sum(printed.count(text) * tracebacks for text, tracebacks in NOT_OURS.items())
    ours = printed.count("Traceback") - others
    _check(whole, "the log", ours == 0, "has a traceback:\n" + _traceback(printed))
    return [*results, whole]


def _check(result: Result, name: str, holds: bool, otherwise: str) -> None:
    result.tries += 1
    if not holds:
        result.through.append((name, otherwise, b""))


def _traceback(printed: str) -> str:
    return "Traceback" + printed.partition("Traceback")[2][:1500]


def table(results: list[Result]) -> str:
    """What held by kind, and each attempt that got through with its input."""
    lines = [f"{'kind':<18}{'tries':>7}{'held':>7}{'got through':>13}"]
    total = Result("all", sum(result.tries for result in results))
    for result in results:
        total.through += result.through
    lines += [
        f"{result.kind:<18}{result.tries:>7}{result.held:>7}{len(result.through):>13}"
        for result in [*results, total]
    ]
    for result in results:
        for name, wrong, data in result.through:
            sent = ascii(data[:SHOWN])[1:] + (f" ... of {len(data)} octets" if len(data) > SHOWN else "")
            lines.append(f"\n{result.kind}: {name}: {wrong}\n    {sent}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Attack, print the table; 1 when anything got through."""
    parser = argparse.ArgumentParser(prog="python -m tests.security.attack", description=__doc__)
    parser.add_argument("kind", nargs="*", help=f"of {', '.join(KINDS)}; without one all")
    options = parser.parse_args(arguments)
    unknown = [kind for kind in options.kind if kind not in KINDS]
    if unknown:
        parser.error(f"there is no kind {', '.join(unknown)}; there are {', '.join(KINDS)}")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pcw-attack-") as folder:
        results = attack(Path(folder) / "server", options.kind or KINDS)
    print(table(results))
    print(f"\n{time.monotonic() - began:.0f} seconds")
    return int(any(result.through for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
