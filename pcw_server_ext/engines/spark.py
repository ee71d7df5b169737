"""Local Apache Spark: the Spark Connect server of an installed ``pyspark`` that brings its jars."""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import EngineError
from .process import Launch

MIN_JAVA: Final = 17
ANNOUNCEMENT: Final = "Spark Connect server started at: "
_JAVA_VERSION: Final = re.compile(r'version "(\d+)(?:\.(\d+))?')


@dataclass(frozen=True)
class SparkHome:
    """A Spark installation and the Java that runs it."""

    home: Path
    java: Path


def spark_home() -> Path | None:
    """The directory of an installed ``pyspark`` with the Spark Connect jar; nothing is imported."""
    spec = importlib.util.find_spec("pyspark")
    for location in (spec.submodule_search_locations or []) if spec is not None else []:
        home = Path(location)
        if any(home.joinpath("jars").glob("spark-connect_*.jar")):
            return home
    return None


def find_java(environment: Mapping[str, str] = os.environ) -> Path | None:
    """``java`` of JAVA_HOME, else of PATH."""
    home = environment.get("JAVA_HOME")
    if home:
        java = Path(home, "bin", "java")
        return java if java.is_file() else None
    found = shutil.which("java", path=environment.get("PATH"))
    return Path(found) if found else None


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


def find(environment: Mapping[str, str] = os.environ) -> SparkHome | str:
    """The installation, or what is missing."""
    home = spark_home()
    if home is None:
        return "no pyspark with its jars is installed (pip install 'pcw-server-ext[spark]')"
    java = find_java(environment)
    if java is None:
        return f"no Java was found: install Java {MIN_JAVA} or later, or set JAVA_HOME"
    version = java_version(java)
    if version is None or version < MIN_JAVA:
        return f"Java {version or '?'} at {java} is too old: Spark needs Java {MIN_JAVA} or later"
    return SparkHome(home, java)


def launch(
    found: SparkHome,
    *,
    driver_memory: str,
    configuration: Mapping[str, str],
    environment: Mapping[str, str] = os.environ,
) -> Launch:
    """The command line and environment of the Spark Connect server. Raises EngineError."""
    submit = found.home / "bin" / "spark-submit"
    if not submit.is_file():
        raise EngineError(f"Spark cannot be started: {submit} is missing; install pyspark again.")
    token = secrets.token_urlsafe(32)
    env = dict(environment)
    env.pop("SPARK_REMOTE", None)
    env.pop("SPARK_CONNECT_MODE_ENABLED", None)
    # Every user of this machine can reach a loopback port, so the server asks for a token that only we know;
    # in the environment, because command lines are public.
    env["SPARK_CONNECT_AUTHENTICATE_TOKEN"] = token
    env["SPARK_HOME"] = str(found.home)
    env["JAVA_HOME"] = str(found.java.resolve().parent.parent)
    env["PYSPARK_PYTHON"] = env.get("PYSPARK_PYTHON") or sys.executable
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": "0",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.catalogImplementation": "in-memory",
        **configuration,
    }
    command: list[str] = [str(submit), "--master", environment.get("MASTER") or "local[*]"]
    command += ["--driver-memory", driver_memory, "--name", "Jupyter"]
    command += _arguments(settings)
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]
    return Launch(
        kind="spark",
        title="Apache Spark",
        command=command,
        environment=env,
        announcement=ANNOUNCEMENT,
        token=token,
    )


def _arguments(settings: Mapping[str, str]) -> Sequence[str]:
    return [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
