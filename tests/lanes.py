"""Runs the tests in lanes, with one Apache Spark for all: `python -m tests.lanes test|nightly|quick [LANE ...]`.

A lane is one command; they run one after the other, and most use both cores themselves (pytest-xdist). At the end a
table says what ran, and what passed, failed and took how long. docs/testing.md says which lane proves what.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.paths import REPOSITORY
from tests.support.selection import QUICK
from tests.support.spark import RUN_FOLDER, RUN_REMOTE, SparkServer, spark_missing

REPORTS = REPOSITORY / "build" / "tests"
BIN = Path(sys.executable).parent

PARALLEL = ("-n", os.environ.get("PCW_TEST_WORKERS", "2"), "--dist", "loadscope", "--no-loadscope-reorder")
"""Two at once; `tests/conftest.py` says what must stay together and what comes first."""


def pytest(*arguments: str) -> tuple[str, ...]:
    """A pytest command of this environment."""
    return (sys.executable, "-m", "pytest", "--durations=10", "--durations-min=5", *arguments)


@dataclass(frozen=True)
class Lane:
    """One command of a run: it must end with 0."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    spark: bool = False
    """Whether its tests use the run's Apache Spark."""

    @property
    def is_pytest(self) -> bool:
        """Whether the command writes a report of single tests."""
        return "pytest" in self.command

    @property
    def report(self) -> Path:
        """Where pytest writes that report."""
        return REPORTS / f"{self.name}.xml"


def module(name: str, *arguments: str) -> tuple[str, ...]:
    """A program of the tests."""
    return (sys.executable, "-m", name, *arguments)


def make_lanes() -> dict[str, list[Lane]]:
    """The lanes of each run."""
    venv = os.environ.get("PCW_TEST_VENV", str(REPOSITORY / ".venv"))
    together = "not alone and not nightly"
    offline = pytest("-m", "offline and not nightly", "tests/browser/main_job")
    return {
        "quick": [Lane("quick", pytest(*PARALLEL, "-m", "quick", *QUICK))],
        "test": [
            Lane("plain", pytest(*PARALLEL, "-m", f"not browser and not offline and {together}"), spark=True),
            Lane("browser", pytest(*PARALLEL, "-m", f"browser and not offline and {together}"), spark=True),
            # a network namespace of its own: the run's Spark is out of reach
            Lane("offline", module("tests.support.offline", *offline)),
            Lane("alone", pytest("-m", "alone and not nightly")),
        ],
        "nightly": [
            Lane("nightly", pytest("-m", "nightly and not browser and not soak"), {"PCW_TEST_CUTS": "50"}, spark=True),
            Lane("nightly-in-browser", pytest("-m", "nightly and browser and not soak"), spark=True),
            Lane("sdist", module("tests.runtime.sdist")),
            Lane("fuzz", module("tests.fuzz")),
            Lane("fuzz-site", module("tests.fuzz", "--only", "site", "--seconds", "2400")),
            Lane("attack", module("tests.security.attack")),
            Lane("conformance", module("tests.conformance")),
            Lane("soak", module("tests.browser.soak", "--starts", "200", "--venv", venv)),
            Lane("versions", module("tests.versions")),
            Lane("parity", module("tests.parity")),
        ],
    }  # fmt: skip


@dataclass
class Result:
    """How a lane ended."""

    lane: Lane
    status: int
    seconds: float

    def counts(self) -> dict[str, int]:
        """Numbers of single tests, for a lane of pytest that wrote its report."""
        if not (self.lane.is_pytest and self.lane.report.is_file()):
            return {}
        suite = ElementTree.parse(self.lane.report).getroot().find("testsuite")
        assert suite is not None
        ran, failed, errors, skipped = (
            int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")
        )
        return {
            "ran": ran - skipped,
            "passed": ran - failed - errors - skipped,
            "failed": failed + errors,
            "skipped": skipped,
        }


def summary(results: list[Result]) -> str:
    """A table of what ran: a line a lane, and all of it."""
    lines = [f"{'lane':<20}{'ran':>7}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}"]
    for result in results:
        counts = result.counts()
        cells = [str(counts.get(name, "-")) for name in ("ran", "passed", "failed", "skipped")]
        verdict = "" if result.status == 0 else f"  FAILED (exit status {result.status})"
        widths = zip(cells, (7, 8, 8, 9), strict=True)
        row = "".join(f"{cell:>{width}}" for cell, width in widths)
        lines.append(f"{result.lane.name:<20}{row}{result.seconds:>9.0f}{verdict}")
    failed = [result.lane.name for result in results if result.status]
    lines.append(f"{'all':<20}{'':32}{sum(result.seconds for result in results):>9.0f}")
    lines.append(f"failed: {', '.join(failed)}" if failed else "every lane passed")
    return "\n".join(lines)


def run_lane(lane: Lane, environment: dict[str, str]) -> Result:
    """Run a lane's command and let it print."""
    lane.report.unlink(missing_ok=True)
    command = [*lane.command, *([f"--junitxml={lane.report}"] if lane.is_pytest else [])]
    shown = " ".join(f"{name}={value}" for name, value in lane.environment.items())
    print(f"\n==> {lane.name}: {shown} {shlex.join(command).replace(sys.executable, 'python')}", flush=True)
    began = time.monotonic()
    status = subprocess.run(
        command, cwd=REPOSITORY, env=environment | lane.environment, check=False
    ).returncode
    return Result(lane, status, time.monotonic() - began)


@contextmanager
def one_spark(wanted: bool) -> Iterator[dict[str, str]]:
    """Start the run's Apache Spark, if lanes want it; yields the variables by which tests find it."""
    venv = Path(sys.prefix)
    missing = spark_missing(venv) if wanted else None
    if missing is not None:
        raise SystemExit(f"Apache Spark cannot be started: {missing}")
    if not wanted:
        yield {}
        return
    root = REPORTS / "spark" / "root"
    shutil.rmtree(root.parent, ignore_errors=True)
    root.mkdir(parents=True)
    print("==> starting Apache Spark for this run", flush=True)
    with SparkServer.for_a_run(venv, root, REPORTS / "spark" / "state") as spark:
        yield {RUN_REMOTE: spark.remote, RUN_FOLDER: str(root)}


def main(arguments: list[str], show: Callable[[str], None] = print) -> int:
    """Run the lanes of a run, or some of them; 1 when one failed."""
    lanes = make_lanes()
    parser = argparse.ArgumentParser(prog="python -m tests.lanes", description=__doc__)
    parser.add_argument("run", choices=lanes, help="which lanes")
    parser.add_argument("only", nargs="*", help="names of lanes; without them all of the run's")
    options = parser.parse_args(arguments)
    chosen = [lane for lane in lanes[options.run] if not options.only or lane.name in options.only]
    unknown = set(options.only) - {lane.name for lane in chosen}
    if unknown:
        names = ", ".join(lane.name for lane in lanes[options.run])
        parser.error(f"{options.run} has no lane {', '.join(sorted(unknown))}; it has {names}")
    REPORTS.mkdir(parents=True, exist_ok=True)
    # What a shell sets for Spark is not the tests' business; and compiled modules are kept for the next process.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SPARK", "PYSPARK")) and name != "PYTHONDONTWRITEBYTECODE"
    }
    results: list[Result] = []
    with ExitStack() as stack:
        variables = stack.enter_context(one_spark(any(lane.spark for lane in chosen)))
        for lane in chosen:
            results.append(run_lane(lane, environment | (variables if lane.spark else {})))
    show("\n" + summary(results))
    return int(any(result.status for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
