"""Check the installation: versions, the browser runtime, and which Spark engine would serve."""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from .engines import choose
from .errors import ConfigurationError, EngineError
from .proxy.connection_string import parse
from .runtime.bundle import DEFAULT_FOLDER, Bundle

_PACKAGES: Final = ("pcw-server-ext", "jupyterlab", "jupyter-server", "tornado", "pysail", "pyspark")
_OPTIONAL: Final = frozenset({"pyspark"})


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``text`` says what is wrong and what to do when ``ok`` is false."""

    name: str
    ok: bool
    text: str


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def versions() -> list[Finding]:
    """Python and the packages that matter."""
    found = [Finding("python", True, platform.python_version())]
    for package in _PACKAGES:
        version = _version(package)
        absent = "not installed" + (" (optional)" if package in _OPTIONAL else f": pip install {package}")
        found.append(Finding(package, version is not None or package in _OPTIONAL, version or absent))
    return found


def runtime(folder: Path = DEFAULT_FOLDER) -> Finding:
    """The browser runtime of this installation."""
    try:
        bundle = Bundle.load(folder)
    except ConfigurationError as error:
        return Finding("browser runtime", False, str(error))
    details = [f"{name} {bundle.manifest[name]}" for name in ("pyodide", "python") if name in bundle.manifest]
    return Finding("browser runtime", True, ", ".join([*details, f"hash {bundle.hash}"]))


def engine() -> Finding:
    """What serves the default endpoint when nothing else is configured."""
    remote = os.environ.get("SPARK_REMOTE", "")
    if remote.startswith("sc://"):
        try:
            target = parse(remote, "SPARK_REMOTE")
        except ConfigurationError as error:
            return Finding("engine", False, str(error))
        return Finding("engine", True, f"the Spark Connect server {target.authority} (SPARK_REMOTE)")
    try:
        choice = choose(
            "auto", driver_memory="1g", configuration={}, log=logging.getLogger("pcw_server_ext.doctor")
        )
    except EngineError as error:
        return Finding("engine", False, str(error))
    return Finding("engine", True, f"{choice.kind}: {choice.reason}")


def findings() -> list[Finding]:
    """The whole report."""
    checks: list[Callable[[], Finding]] = [runtime, engine]
    return [*versions(), *(check() for check in checks)]


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``doctor`` to the subcommands of ``jupyter pcw``."""
    parser = subparsers.add_parser(
        "doctor", help="check the installation and say what it will do", description=__doc__
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report; 0 when everything that is needed is there, else 1."""
    report = findings()
    if arguments.json:
        json.dump({"findings": [asdict(finding) for finding in report]}, sys.stdout, indent=2)
        print()
    else:
        for finding in report:
            print(f"{'ok ' if finding.ok else 'NOT OK'}  {finding.name}: {finding.text}")
    return 0 if all(finding.ok for finding in report) else 1
