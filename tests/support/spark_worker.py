"""Runs a module of PySpark that works for a stream, and connects to Spark before it imports PySpark.

Spark waits ten seconds, which no setting changes, until the program that it starts for `foreachBatch` has connected,
and ten more until it has shown the secret. PySpark connects when it has imported all that it needs, some two seconds of
a core: on a busy machine that is too late, and the query ends with "Python worker failed to connect back". For what
comes after the secret Spark waits as long as it takes.
"""

from __future__ import annotations

import os
import runpy
import shlex
import socket
import struct
import sys
from pathlib import Path

MODULES = "pyspark.sql.connect.streaming.worker."
"""Where PySpark has the programs that Spark starts one by one, not by its daemon."""


def write_python(path: Path, python: Path) -> Path:
    """Write a program that Spark can take for a Python: `python`, and this module for the programs of streams."""
    real, here = shlex.quote(str(python)), shlex.quote(__file__)
    path.write_text(
        f'#!/bin/sh\ncase "$2" in\n  {MODULES}*) exec {real} {here} "$2" ;;\n  *) exec {real} "$@" ;;\nesac\n'
    )
    path.chmod(0o755)
    return path


def main(module: str) -> None:
    """Run `module` as `python -m` does, with the connection that it would make itself."""
    early = socket.create_connection(("127.0.0.1", int(os.environ["PYTHON_WORKER_FACTORY_PORT"])))
    file = early.makefile("rwb", 65536)
    secret = os.environ["PYTHON_WORKER_FACTORY_SECRET"].encode()
    file.write(struct.pack("!i", len(secret)) + secret)
    file.flush()
    [size] = struct.unpack("!i", file.read(4))
    if file.read(size) != b"ok":
        raise SystemExit("Spark refused its own secret")
    # `-m` puts the folder that it is started in there, not this file's
    sys.path[0] = os.getcwd()
    from pyspark import util

    # `pyspark.worker_util` takes it from there
    assert callable(util.local_connect_and_auth)
    assert "pyspark.worker_util" not in sys.modules
    util.local_connect_and_auth = lambda *_: (file, early)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1])
