"""Real Apache Spark Connect servers: one for all tests that need one, and others for tests that break theirs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.support.jupyter import free_port
from tests.support.spark_worker import write_python

RUN_REMOTE, RUN_FOLDER = "PCW_TEST_SPARK_REMOTE", "PCW_TEST_SPARK_FOLDER"
"""Where `tests.lanes` says that an Apache Spark runs for all tests, and the folder it was started in."""


def spark_missing(venv: Path) -> str | None:
    """Say what Apache Spark lacks in the environment `venv`, or None when it can start."""
    if not list(venv.glob("lib/python*/site-packages/pyspark/jars/spark-connect_*.jar")):
        return f"{venv} has no pyspark with jars: pip install 'pyspark==4.3.0'"
    if shutil.which("java") is None:
        return "no java on PATH: apt-get install openjdk-17-jre-headless"
    return None


class SparkServer:
    """`SparkConnectServer` of pip's pyspark in `venv`, started in `folder`, on a free loopback port.

    `more` are settings beside, or in place of, those that all tests share; it runs `cores` tasks at once.
    """

    def __init__(
        self,
        venv: Path,
        folder: Path,
        state: Path,
        timeout: float = 180.0,
        *,
        cores: int = 2,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.remote = f"sc://127.0.0.1:{self.port}"
        self.log = state / "spark.log"
        state.mkdir(parents=True, exist_ok=True)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK", "PYTHON", "PYSPARK"))}
        env |= {
            "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYSPARK_PYTHON": str(write_python(state / "python", venv / "bin" / "python")),
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
        settings = {
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": str(self.port),
            "spark.driver.memory": "1g",
            "spark.ui.enabled": "false",
            "spark.sql.shuffle.partitions": "4",
            "spark.sql.warehouse.dir": str(state / "warehouse"),
            **(more or {}),
        }
        command = [
            str(venv / "bin" / "spark-submit"),
            f"--master=local[{cores}]",
            "--class=org.apache.spark.sql.connect.service.SparkConnectServer",
            *(f"--conf={key}={value}" for key, value in settings.items()),
            "spark-internal",
        ]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.2)
        self.stop()
        raise RuntimeError(
            f"Apache Spark did not come up; it printed:\n{self.log.read_text(errors='replace')}"
        )

    @classmethod
    def for_a_run(cls, venv: Path, folder: Path, state: Path) -> SparkServer:
        """The Spark that many tests share.

        PySpark's own tests run on a build where the examples of the TIME type work; here a setting switches it on.
        """
        return cls(venv, folder, state, 240, cores=4, more={"spark.sql.timeType.enabled": "true"})

    def stop(self) -> None:
        """End the launcher script and the JVM it started: the process group made for them."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def __enter__(self) -> SparkServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@dataclass(frozen=True)
class SharedSpark:
    """An Apache Spark that other tests use too: what is made in it has a name of its own.

    Paths without a folder are below `folder`, for Spark and for a kernel that works there.
    """

    remote: str
    folder: Path

    @property
    def port(self) -> int:
        """Its port on loopback."""
        return int(self.remote.rpartition(":")[2])


@contextlib.contextmanager
def shared_spark(venv: Path, folder: Path) -> Iterator[SharedSpark]:
    """The run's Spark; where none was started, as for a single test, one of this process's own, in `folder`."""
    remote = os.environ.get(RUN_REMOTE)
    if remote is not None:
        yield SharedSpark(remote, Path(os.environ[RUN_FOLDER]))
        return
    with SparkServer.for_a_run(venv, folder, folder.with_name(folder.name + "-state")) as own:
        yield SharedSpark(own.remote, own.folder)
