"""The Python that Spark starts for a stream connects before it imports what takes its time."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.spark_worker import MODULES, write_python

SECRET = b"a secret of Spark's"
Start = Callable[..., tuple[subprocess.Popen[bytes], socket.socket]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the program for a stream as Spark does; yields it, and its connection."""
    python = write_python(tmp_path / "python", Path(sys.executable))
    begun: list[tuple[subprocess.Popen[bytes], socket.socket]] = []

    def run(**environment: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as spark:
            spark.settimeout(120)
            env = {
                **os.environ,
                "PYTHON_WORKER_FACTORY_PORT": str(spark.getsockname()[1]),
                "PYTHON_WORKER_FACTORY_SECRET": SECRET.decode(),
                **environment,
            }
            process = subprocess.Popen([python, "-m", f"{MODULES}foreach_batch_worker"], env=env)
            connection, _ = spark.accept()
        connection.settimeout(120)
        begun.append((process, connection))
        return process, connection

    yield run
    for process, connection in begun:
        connection.close()
        process.kill()
        process.wait()


def exchange_secrets(connection: socket.socket) -> None:
    """Read the secret, and accept it, as Spark does."""
    with connection.makefile("rwb") as file:
        [size] = struct.unpack("!i", file.read(4))
        assert file.read(size) == SECRET
        file.write(struct.pack("!i", 2) + b"ok")
        file.flush()


def test_it_connects_and_shows_the_secret_before_it_imports_pyspark(start: Start, tmp_path: Path) -> None:
    (tmp_path / "pyspark.py").write_text("import signal\nsignal.pause()\n")
    process, connection = start(PYTHONPATH=str(tmp_path))
    exchange_secrets(connection)
    assert process.poll() is None


def test_it_is_pysparks_own_program_that_says_who_it_is(start: Start) -> None:
    process, connection = start()
    exchange_secrets(connection)
    with connection.makefile("rb") as file:
        assert struct.unpack("!i", file.read(4)) == (process.pid,)


def test_every_other_program_is_started_as_ever(tmp_path: Path) -> None:
    python = write_python(tmp_path / "python", Path(sys.executable))
    said = subprocess.run(
        [python, "-c", "import sys; print(sys.argv[1:])", "a b"], capture_output=True, text=True
    )
    assert said.stdout == "['a b']\n"
