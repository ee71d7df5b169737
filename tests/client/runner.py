"""Runs the operations through one client, each with a limit and a result of its own."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.client.operations import LINE, OPERATIONS
from tests.client.outcomes import Outcome
from tests.client.session_operations import IN_A_PROCESS_OF_ITS_OWN
from tests.support.paths import CLIENT

LIMIT = 120.0
"""Seconds after which an operation is said to hang. The slowest takes a few on two cores that do nothing else."""

START_LIMIT = 180.0
"""Seconds that a client has from its start to its first operation."""

MOST_HANGS = 3
"""After so many the engine is taken to be at fault, and the operations that are left are not run."""


def run_operations(
    mode: str,
    remote: str,
    folder: Path,
    *,
    cwd: Path | None = None,
    zone: str | None = None,
    only: Sequence[str] = (),
    limit: float = LIMIT,
    program: Path | None = None,
) -> dict[str, Outcome]:
    """What `operations.py` saw through a client, in `folder`, which may be relative to `cwd`.

    One process runs the operations one after the other. After one that hangs, or that ends the process, the next goes
    on in a fresh process; the outcome of the one that hung has the key `hung`, with the reason and all threads' stacks.

    Args:
        mode: The client: `native`, `full` or `lean`.
        remote: The connection string.
        folder: Where the operations write; it is made here.
        cwd: The processes' folder.
        zone: The processes' time zone; without it that of this process.
        only: Names of the operations to run; without it all.
        limit: Seconds for an operation.
        program: What is run in place of `operations.py`, by the tests of this function.
    """
    ((cwd or Path()) / folder).mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith("SPARK")}
    env["PYTHONPATH"] = str(CLIENT)
    if zone is not None:
        env["TZ"] = zone
    program = program or Path(__file__).with_name("operations.py")
    command = [sys.executable, str(program), mode, remote, str(folder)]
    names = [name for name in OPERATIONS if name in only] if only else list(OPERATIONS)
    groups = [[name for name in names if name not in IN_A_PROCESS_OF_ITS_OWN]]
    groups += [[name] for name in names if name in IN_A_PROCESS_OF_ITS_OWN]
    results: dict[str, Outcome] = {}
    hangs = 0
    for group in groups:
        left = group
        while left:
            if hangs == MOST_HANGS:
                results |= {name: {"hung": f"not run: {hangs} operations before it hung"} for name in left}
                break
            done = _run([*command, *left], env, cwd, left, limit)
            results |= done
            hangs += sum("hung" in outcome for outcome in done.values())
            left = left[len(done) :]
    return results


def _run(
    command: list[str], env: dict[str, str], cwd: Path | None, names: list[str], limit: float
) -> dict[str, Outcome]:
    """The outcomes of the first of `names`, at least one: up to the end, or to the one that hung."""
    results: dict[str, Outcome] = {}
    with _Program(command, env, cwd) as program:
        for name in names:
            try:
                program.expect("begins", name, START_LIMIT)
                results[name] = program.expect("ended", name, limit)["outcome"]
            except _HangError as error:
                results[name] = {"hung": str(error)}
                break
    return results


class _HangError(Exception):
    """Nothing came in time, or the program ended."""


class _Program:
    """A running `operations.py`."""

    def __init__(self, command: list[str], env: dict[str, str], cwd: Path | None) -> None:
        self._process = subprocess.Popen(
            command, env=env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._messages: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._errors: list[str] = []
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._read_errors)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(LINE):
                self._messages.put(json.loads(line.removeprefix(LINE)))
        self._messages.put(None)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        self._errors.extend(self._process.stderr)

    def expect(self, kind: str, name: str, seconds: float) -> dict[str, Any]:
        """The next message, which is of this kind and operation. Raises _HangError."""
        try:
            message = self._messages.get(timeout=seconds)
        except queue.Empty:
            # faulthandler writes before Python's own code goes on
            self._process.send_signal(signal.SIGUSR1)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2)
            self._end()
            raise _HangError(f"{name} {kind}: nothing after {seconds:g} s\n{self._printed()}") from None
        if message is None:
            # its output is closed, so it is about to end by itself
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            self._end()
            status = self._process.returncode
            raise _HangError(f"the process of {name} ended with status {status}\n{self._printed()}")
        assert message.get(kind) == name, message
        return message

    def _printed(self) -> str:
        return "".join(self._errors)[-8000:]

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> _Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()
