"""`python -m tests.versions`: make an environment for each edge of each range and run the core of the tests in it."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from tests.support.paths import CLIENT, REPOSITORY
from tests.versions.ranges import (
    CLIENT_PACKAGE,
    CORE,
    TESTED_FILE,
    Row,
    oldest,
    project,
    ranges,
    spans,
    table,
)

FOLDER: Final = REPOSITORY / "build" / "versions"
EDGES: Final = ("oldest", "newest", "next")
#: Seconds that the tests of one environment may take.
LIMIT: Final = 3600


class Uninstallable(Exception):
    """No environment has this version; the text is the installer's reason."""


def _uv(*arguments: str, given: str | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "uv", *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    if done.returncode != 0:
        raise Uninstallable(" ".join(done.stderr.split())[-400:])
    return done.stdout


def requirements() -> list[str]:
    """What the tests need beside the package that is looked at: the project's own needs and its group of tests."""
    found = project()
    return [*found["project"]["dependencies"], *found["dependency-groups"]["test"], CLIENT_PACKAGE]


def resolve(requirement: Requirement, edge: str, python: str) -> str:
    """The version that stands at an edge of a range, by what the index has."""
    wanted = str(requirement)
    options = {"oldest": ["--resolution=lowest"], "newest": [], "next": ["--prerelease=allow"]}[edge]
    if edge == "next":
        wanted = f"{requirement.name}>={oldest(requirement)}"
    printed = _uv(
        "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate", "--no-deps", f"--python-version={python}",
        *options, given=wanted,
    )  # fmt: skip
    return printed.strip().rpartition("==")[2]


def make(folder: Path, package: str, version: str, python: str) -> Path:
    """An environment with that version, everything else as new as it may be; return its Python."""
    _uv("venv", "--quiet", "--clear", f"--python={python}", str(folder))
    pinned = folder / "pinned.txt"
    pinned.write_text(f"{package}=={version}\n")
    interpreter = folder / "bin" / "python"
    # not a constraint: what is to come lies beyond the ranges, ours and others'
    _uv("pip", "install", "--quiet", f"--python={interpreter}", f"--override={pinned}", *requirements())
    # the project itself is the source tree: only what pip knows of it is installed
    _uv("pip", "install", "--quiet", f"--python={interpreter}", "--no-deps", str(wheel()))
    return interpreter


def wheel() -> Path:
    """The wheel that was built last."""
    found = sorted((REPOSITORY / "dist").glob("*.whl"))
    if not found:
        raise SystemExit("There is no wheel in dist/: make build")
    return found[-1]


def run(package: str, edge: str, python: str, before: Sequence[Row] = ()) -> Row:
    """Make the environment and run the package's part of the tests in it.

    Args:
        package: a key of `CORE`.
        edge: one of `EDGES`.
        python: the version of Python.
        before: what has been run: a version that is there already is not run again.
    """
    began = time.monotonic()

    def row(passed: bool | None, version: str, said: str) -> Row:
        claimed = version == "" or requirement.specifier.contains(version, prereleases=True)
        return Row(package, edge, version, claimed, passed, said, time.monotonic() - began)

    requirement = ranges([package])[package]
    version = ""
    try:
        version = resolve(requirement, edge, python)
        for other in before:
            if (other.package, other.version) == (package, version) and other.passed is not None:
                return row(other.passed, version, f"the same as {other.edge}")
        interpreter = make(FOLDER / f"{package}-{edge}", package, version, python)
    except Uninstallable as error:
        return row(None, version, str(error))
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))
    }
    environment["PYTHONPATH"] = f"{REPOSITORY}{os.pathsep}{CLIENT}"
    log = FOLDER / f"{package}-{edge}.log"
    with log.open("w") as file:
        # an old or a new package may warn of what it will change: that is to be seen, and does not fail
        command = [
            str(interpreter),
            "-m",
            "pytest",
            "-q",
            "-o",
            "filterwarnings=default",
            "-p",
            "no:cacheprovider",
        ]
        status = subprocess.run(
            [*command, *CORE[package]],
            cwd=REPOSITORY,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            timeout=LIMIT,
            check=False,
        ).returncode
    lines = log.read_text(errors="replace").strip().splitlines()
    return row(status == 0, version, lines[-1].strip("= ") if lines else f"pytest ended with {status}")


def main() -> int:
    """Run everything that was asked for and print the table; 0 when all passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.versions", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(CORE), help="this package; repeatable")
    parser.add_argument("--edge", action="append", choices=EDGES, help="this edge; repeatable")
    parser.add_argument(
        "--python", default=f"{sys.version_info[0]}.{sys.version_info[1]}", help="which Python"
    )
    parser.add_argument("--strict", action="store_true", help="count what lies beyond the ranges as well")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--record",
        action="store_true",
        help="write what passed down for `jupyter pcw doctor` (releases only)",
    )
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    stated = ranges(options.only or CORE)
    rows: list[Row] = []
    for package in options.only or CORE:
        for edge in options.edge or EDGES:
            rows.append(run(package, edge, options.python, rows))
            print(table(rows[-1:], stated).splitlines()[-1], file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        print(table(rows, stated))
    if options.record:
        known = json.loads(TESTED_FILE.read_text(encoding="utf-8"))
        released = [row for row in rows if row.edge != "next"]
        text = json.dumps({**known, **spans(released)}, indent=1, sort_keys=True)
        TESTED_FILE.write_text(text + "\n", encoding="utf-8")
    return 0 if all(row.passed for row in rows if row.claimed or options.strict) else 1


if __name__ == "__main__":
    sys.exit(main())
