"""Local Apache Spark: the Spark Connect server of an installed ``pyspark`` that brings its jars."""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pcw_server_ext.engines.environment import for_engine
from pcw_server_ext.engines.java import MIN_JAVA, Java, find_java
from pcw_server_ext.engines.lock import Lock
from pcw_server_ext.engines.private_folder import PrivateFolder
from pcw_server_ext.engines.process import Launch
from pcw_server_ext.errors import EngineError

ANNOUNCEMENT: Final = "Spark Connect server started at: "
_MAIN: Final = "org.apache.spark.sql.connect.service.SparkConnectServer"
_MISSING_MODULE: Final = "--add-modules=jdk.incubator.vector"
# the masters that are one process
_LOCAL_MASTER: Final = re.compile(r"local(\[[^\]]*\])?")


@dataclass(frozen=True)
class SparkHome:
    """A Spark installation and the Java that runs it."""

    home: Path
    java: Java


def spark_home() -> Path | None:
    """The directory of an installed ``pyspark`` with the Spark Connect jar; nothing is imported."""
    spec = importlib.util.find_spec("pyspark")
    for location in (spec.submodule_search_locations or []) if spec is not None else []:
        home = Path(location)
        if any(home.joinpath("jars").glob("spark-connect_*.jar")):
            return home
    return None


def find(environment: Mapping[str, str] = os.environ) -> SparkHome | str:
    """The installation, or what is missing."""
    home = spark_home()
    if home is None:
        return "no pyspark with its jars is installed (pip install 'pcw-server-ext[spark]')"
    java = find_java(environment)
    return SparkHome(home, java) if isinstance(java, Java) else java


def lock(configuration: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> Lock:
    """What keeps other accounts out of a Spark with these settings."""
    settings = _settings(configuration, environment, driver_memory="")
    address = settings["spark.connect.grpc.binding.address"]
    if settings["spark.ui.enabled"].lower() == "true":
        return Lock(False, "Spark's UI shows queries and settings to every account: spark.ui.enabled is true")
    if settings.get("spark.authenticate", "").lower() != "true":
        why = (
            "PcwExtension.spark_config sets spark.authenticate"
            if "spark.authenticate" in configuration
            else f"spark.authenticate is left to the cluster {settings['spark.master']}"
        )
        return Lock(False, f"Spark's internal ports are open to every account that reaches them: {why}")
    return Lock(True, f"Spark Connect on {address} wants a token, Spark's internal ports want its secret")


def launch(
    found: SparkHome,
    *,
    driver_memory: str,
    configuration: Mapping[str, str],
    environment: Mapping[str, str] = os.environ,
    named: Sequence[str] = (),
) -> Launch:
    """The command line and environment of the Spark Connect server, with temporary folders of its own.

    Raises EngineError.
    """
    submit = found.home / "bin" / "spark-submit"
    if not submit.is_file():
        raise EngineError(
            f"Spark cannot be started: {submit} is missing; install pyspark again.", permanent=True
        )
    token = secrets.token_urlsafe(32)
    env = for_engine(environment, named)
    env.pop("SPARK_REMOTE", None)
    env.pop("SPARK_CONNECT_MODE_ENABLED", None)
    # Every user of this machine can reach a loopback port, so the server asks for a token that only we know;
    # in the environment, because command lines are public.
    env["SPARK_CONNECT_AUTHENTICATE_TOKEN"] = token
    env["SPARK_HOME"] = str(found.home)
    env["JAVA_HOME"] = str(found.java.path.resolve().parent.parent)
    env["PYSPARK_PYTHON"] = env.get("PYSPARK_PYTHON") or sys.executable
    settings = _settings(configuration, environment, driver_memory=driver_memory)
    folder = PrivateFolder.create()
    folders = [folder]
    try:
        scratch = [PrivateFolder.create(place) for place in _local_dirs(found.home, configuration, env)]
        folders += scratch
        settings["spark.local.dir"] = ",".join(str(one.path) for one in scratch or folders)
        if not _says_hadoops_folder(found.home, env):
            # Hadoop's own is /tmp/hadoop-NAME, which anybody can make first; uploads to S3 and Azure are kept there
            settings.setdefault("spark.hadoop.hadoop.tmp.dir", str(folder.path / "hadoop"))
        # Spark prefers the variable to the setting
        env.pop("SPARK_LOCAL_DIRS", None)
        env["TMPDIR"] = str(folder.path)
        env["SPARK_SUBMIT_OPTS"] = " ".join(
            [*filter(None, [env.get("SPARK_SUBMIT_OPTS")]), f'-Djava.io.tmpdir="{folder.path}"']
        )
        # Not --conf: everybody on the machine can read a command line, and settings hold credentials.
        file = folder.write("spark.conf", properties(settings))
        command = [
            "--properties-file",
            str(file),
            "--load-spark-defaults",
            "--class",
            _MAIN,
            "spark-internal",
        ]
        if found.java.reduced:
            # as the scripts around the launcher do
            env["PYTHONHASHSEED"] = "0"
            env["SPARK_SCALA_VERSION"] = env.get("SPARK_SCALA_VERSION") or _scala_version(found.home)
            command = _launchers_command(found, command, env)
        else:
            command = [str(submit), *command]
    except BaseException:
        for one in folders:
            one.remove()
        raise
    return Launch(
        kind="spark",
        title="Apache Spark",
        command=command,
        environment=env,
        announcement=ANNOUNCEMENT,
        token=token,
        folders=folders,
    )


def _launchers_command(
    found: SparkHome, arguments: Sequence[str], environment: Mapping[str, str]
) -> list[str]:
    """The command that Spark's launcher would run, without the module that this Java does not have.

    `spark-submit` and `spark-class` are scripts around the launcher, which prints the command's words, each with a NUL
    behind it. Raises EngineError.
    """
    launcher = [str(found.java.path), "-Xmx128m", "-cp", str(found.home / "jars" / "*")]
    launcher += ["org.apache.spark.launcher.Main", "org.apache.spark.deploy.SparkSubmit", *arguments]
    try:
        done = subprocess.run(
            launcher, env=dict(environment), capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"Spark's launcher could not be run with {found.java.path}: {error}.") from error
    words = done.stdout.partition("\0\n")[2].split("\0")[:-1]
    if done.returncode or not words:
        said = next((line for line in done.stderr.splitlines() if "Exception" in line or "rror" in line), "")
        why = said or f"exit code {done.returncode}, no error printed"
        raise EngineError(
            f"Spark's launcher failed with {found.java.path} ({why}). Install Java {MIN_JAVA} and set JAVA_HOME to it."
        )
    return [word for word in words if word != _MISSING_MODULE]


def _scala_version(home: Path) -> str:
    """The Scala of a Spark's jars, from the name of the one that Spark Connect is in."""
    jar = next(iter(home.joinpath("jars").glob("spark-connect_*.jar")), Path("spark-connect_2.13-"))
    return jar.name.removeprefix("spark-connect_").partition("-")[0]


def _settings(
    configuration: Mapping[str, str], environment: Mapping[str, str], *, driver_memory: str
) -> dict[str, str]:
    master = configuration.get("spark.master") or environment.get("MASTER") or "local[*]"
    settings = {
        "spark.master": master,
        "spark.app.name": "Jupyter",
        "spark.driver.memory": driver_memory,
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": "0",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.catalogImplementation": "in-memory",
    }
    if _LOCAL_MASTER.fullmatch(master):
        # The driver's RPC and its block manager listen too. Spark makes the secret itself when all is in one process;
        # a cluster's must be the one that its workers know.
        settings["spark.authenticate"] = "true"
    return {**settings, **{name: str(value) for name, value in configuration.items()}}


def _local_dirs(home: Path, configuration: Mapping[str, str], environment: Mapping[str, str]) -> list[Path]:
    """Where the administrator wants Spark's temporary data; empty: in the system's temporary folder."""
    named = (
        environment.get("SPARK_LOCAL_DIRS")
        or configuration.get("spark.local.dir")
        or _default_setting(home, environment, "spark.local.dir")
        or ""
    )
    return [Path(place.strip()) for place in named.split(",") if place.strip()]


def _says_hadoops_folder(home: Path, environment: Mapping[str, str]) -> bool:
    """Whether the administrator may have chosen Hadoop's temporary folder."""
    return "HADOOP_CONF_DIR" in environment or bool(
        _default_setting(home, environment, "spark.hadoop.hadoop.tmp.dir")
    )


def _default_setting(home: Path, environment: Mapping[str, str], name: str) -> str | None:
    """One setting of `spark-defaults.conf`, where Spark itself looks for that file."""
    folder = Path(environment.get("SPARK_CONF_DIR") or home / "conf")
    try:
        lines = (folder / "spark-defaults.conf").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    found = [re.split(r"\s*[=:]\s*|\s+", line.strip(), maxsplit=1) for line in lines]
    return next((parts[1] for parts in reversed(found) if len(parts) == 2 and parts[0] == name), None)


def properties(settings: Mapping[str, str]) -> str:
    """Settings as a file that `java.util.Properties.load` reads back the same."""
    return "".join(f"{_escaped(name, ' =:')}={_escaped(value, '')}\n" for name, value in settings.items())


def _escaped(text: str, special: str) -> str:
    # the comment signs too: at the beginning of a line they would hide it
    named = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "#": "\\#", "!": "\\!"}
    units = "".join(named.get(c) or (f"\\{c}" if c in special else c) for c in text)
    written = "".join(c if c.isascii() else _code_units(c) for c in units)
    return f"\\{written}" if written[:1] in (" ", "\f") else written


def _code_units(character: str) -> str:
    """A character as `\\uXXXX` in UTF-16, which is how Java counts."""
    packed = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{packed[at : at + 2].hex()}" for at in range(0, len(packed), 2))
