"""A real Apache Spark Connect server, one for all tests that need it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.support.jupyter import free_port


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
        timeout: float = 60.0,
        *,
        cores: int = 2,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self.remote = f"sc://127.0.0.1:{self.port}"
        self.log = state / "spark.log"
        state.mkdir(parents=True, exist_ok=True)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK", "PYTHON", "PYSPARK"))}
        env |= {
            "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYSPARK_PYTHON": str(venv / "bin" / "python"),
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

    def stop(self) -> None:
        """End the launcher script and the JVM it started: the process group made for them."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def __enter__(self) -> SparkServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
