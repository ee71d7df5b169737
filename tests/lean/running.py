"""The subprocesses that the lean client runs in, and the servers it is run against."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.lean.bridge import Bridge
from tests.support.paths import CLIENT, REPOSITORY

HERE = Path(__file__).parent


def start_script(script: str, *arguments: str, hidden: bool, zone: str = "UTC") -> subprocess.Popen[str]:
    """Start ``scripts/NAME.py`` in a process of its own, with or without the packages that lean does without."""
    command = [sys.executable, *([str(HERE / "hidden.py")] if hidden else []), str(HERE / "scripts" / script)]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK", "PYSPARK"))}
    env |= {"PYTHONPATH": f"{CLIENT}{os.pathsep}{REPOSITORY}", "TZ": zone, "PYTHONHASHSEED": "0"}
    if hidden:  # as in a browser
        env["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"
    return subprocess.Popen(
        [*command, *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str], timeout: float = 500) -> list[str]:
    """The lines that a script printed; it must have ended well."""
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err[-3000:]
    return out.splitlines()


def run_script(script: str, *arguments: str, hidden: bool, zone: str = "UTC") -> list[str]:
    """:func:`start_script` and :func:`finish`."""
    return finish(start_script(script, *arguments, hidden=hidden, zone=zone))


class Server:
    """A Spark Connect server: ``native`` for grpcio, ``web`` for grpc-web."""

    def __init__(self, target: str) -> None:
        self.native = f"sc://{target}"
        self._bridge = Bridge(target)
        self.web = self._bridge.remote

    def close(self) -> None:
        self._bridge.close()
