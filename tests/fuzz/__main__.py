"""``python -m tests.fuzz [--cases N] [--seconds S] [--seed N] [--only NAME] [--case NAME:SEED]``.

Runs 100,000 cases by default, and says how many of each it ran; the last line is one JSON object. A case's seed is
all that it depends on: ``--case http2:123`` repeats one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from random import Random
from types import FrameType

from tests.fuzz import codec, handler, http2, request, site

Case = Callable[[Random], None]
# Share of the cases; a case of the handler takes a round trip to a server, so it has the smallest.
_SHARES = {"codec": 0.42, "http2": 0.28, "request": 0.16, "site": 0.12, "handler": 0.02}
# Of the processor's time: a busy machine takes longer. A case that waits for ever is found by the other.
_HANG = 20.0
_WAIT = 300.0
_GROWTH_KIB = 256 << 10


class Hang(Exception):
    """A case took longer than any case may."""


def _on_alarm(number: int, frame: FrameType | None) -> None:
    raise Hang(
        f"a case waits longer than {_WAIT:g} s"
        if number == signal.SIGALRM
        else f"a case computes longer than {_HANG:g} s"
    )


def _limit(computing: float, waiting: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, computing)
    signal.setitimer(signal.ITIMER_REAL, waiting)


@contextlib.contextmanager
def opened(name: str) -> Iterator[Case]:
    """What runs one case of a target."""
    if name == "handler":
        with handler.target() as case:
            yield case
    else:
        yield {"codec": codec.case, "http2": http2.case, "request": request.case, "site": site.case}[name]


def run(name: str, cases: int, seconds: float, first_seed: int) -> dict[str, object]:
    """Run a target; returns ``{"target", "cases", "seconds", "failures": [{"seed", "error"}]}``."""
    began = time.monotonic()
    done = 0
    failures: list[dict[str, object]] = []
    try:
        with opened(name) as case:
            for number in range(cases):
                if time.monotonic() - began > seconds or len(failures) >= 5:
                    break
                seed = first_seed + number
                _limit(_HANG, _WAIT)
                try:
                    case(Random(f"{name}:{seed}"))
                except Exception as error:  # noqa: BLE001 - whatever escapes is what is looked for
                    failures.append({"seed": seed, "error": f"{type(error).__name__}: {error}"})
                    traceback.print_exc()
                    print(f"repeat it: python -m tests.fuzz --case {name}:{seed}", file=sys.stderr)
                finally:
                    _limit(0, 0)
                done += 1
    except AssertionError as error:
        failures.append({"seed": None, "error": str(error)})
        print(error, file=sys.stderr)
    return {
        "target": name,
        "cases": done,
        "seconds": round(time.monotonic() - began, 1),
        "failures": failures,
    }


def main(argv: list[str]) -> int:
    """Run the chosen targets; returns 0 when nothing failed and every case was run."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help="in all targets together (default 100000)")
    parser.add_argument("--seconds", type=float, default=600.0, help="at most, a target (default 600)")
    parser.add_argument("--seed", type=int, default=0, help="of the first case; others follow (default 0)")
    parser.add_argument("--only", choices=list(_SHARES), help="one target alone")
    parser.add_argument("--case", help="TARGET:SEED, one case")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGALRM, _on_alarm)
    signal.signal(signal.SIGPROF, _on_alarm)
    if options.case:
        name, _, seed = options.case.partition(":")
        return 1 if run(name, 1, _HANG, int(seed))["failures"] else 0
    names = [options.only] if options.only else list(_SHARES)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    results = []
    for name in names:
        share = 1.0 if options.only else _SHARES[name]
        results.append(run(name, max(1, round(options.cases * share)), options.seconds, options.seed))
        print(json.dumps(results[-1]), flush=True)
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    total = sum(int(str(result["cases"])) for result in results)
    failed = any(result["failures"] for result in results) or growth > _GROWTH_KIB
    print(json.dumps({"fuzz": {"cases": total, "grown_kib": growth, "ok": not failed, "targets": results}}))
    return 1 if failed or total < options.cases else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
