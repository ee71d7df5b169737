"""One engine process: spawn, wait until it serves, keep its last log lines, end it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pcw_server_ext.engines.private_folder import PrivateFolder
from pcw_server_ext.errors import EngineError

_SUPERVISE: Final = Path(__file__).with_name("supervise.py")
_KEPT_LINES: Final = 40
_LINE_LIMIT: Final = 1 << 16


@dataclass(frozen=True)
class Launch:
    """How to start an engine.

    ``announcement`` is the text in its output behind which the port that it listens on stands as a number.
    ``token`` is what the engine wants as a bearer token; it is in ``environment``, never on the command
    line. ``unlocked`` begins the line in which it says that it could not be locked. ``folders`` are removed when it
    has ended.
    """

    kind: str
    title: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    announcement: str
    token: str | None = field(default=None, repr=False)
    unlocked: str | None = None
    folders: Sequence[PrivateFolder] = ()

    def clean(self) -> None:
        """Remove what it has left on the disk."""
        for folder in self.folders:
            folder.remove()


class EngineProcess:
    """A running engine on ``127.0.0.1:port``."""

    def __init__(self, launch: Launch, process: asyncio.subprocess.Process, log: logging.Logger) -> None:
        self.launch = launch
        self.port = 0
        self.open_because: str | None = None
        """The line in which the engine said that other accounts can reach it, if it did."""
        self._process = process
        self._log = log
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read())
        self._cleaner = asyncio.create_task(self._clean())

    @classmethod
    async def spawn(
        cls, launch: Launch, cwd: Path, log: logging.Logger, *, mode: str | None = None
    ) -> EngineProcess:
        """Start the program in ``cwd``, tied to this process's life. Raises EngineError."""
        mode = mode or ("exec" if sys.platform == "linux" else "watch")
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-S",
                "-E",
                str(_SUPERVISE),
                str(os.getpid()),
                mode,
                "--",
                *launch.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=cwd,
                env=dict(launch.environment),
                # a Ctrl-C in the server's terminal asks the server, which then ends the engine
                start_new_session=True,
                limit=_LINE_LIMIT,
            )
        except OSError as error:
            launch.clean()
            raise EngineError(f"{launch.title} could not be started: {error.strerror or error}.") from error
        return cls(launch, process, log)

    @property
    def pid(self) -> int:
        """The engine's process id (with ``watch``: of the program in front of it)."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit status, negative for a signal, None while it runs."""
        return self._process.returncode

    def last_lines(self, count: int = 8) -> str:
        """The end of what the engine printed, for an error text."""
        return "\n".join(list(self._lines)[-count:])

    async def ready(self, timeout: float) -> None:
        """Wait until the engine serves. Raises EngineError with its last lines; the process is then ended."""
        try:
            await asyncio.wait_for(asyncio.shield(self._ready), timeout)
        except asyncio.TimeoutError:
            await self.stop(0)
            raise EngineError(
                f"{self.launch.title} did not start within {timeout:g} s"
                f" (PcwExtension.engine_start_timeout).{self._tail()}"
            ) from None
        except EngineError:
            await self.stop(0)
            raise

    def _tail(self) -> str:
        lines = self.last_lines()
        return f" Its last lines:\n{lines}" if lines else " It printed nothing."

    async def exited(self) -> int:
        """Wait for the end; returns the exit status."""
        return await self._process.wait()

    async def stop(self, grace: float = 5.0) -> None:
        """End the process: SIGTERM, after ``grace`` seconds SIGKILL to its whole group."""
        if self._process.returncode is None and grace > 0:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace)
        self.kill()
        await self._process.wait()
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader
        await self._cleaner

    def kill(self) -> None:
        """End the process and its children at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def _clean(self) -> None:
        """Remove the engine's folders when it has ended in whatever way, and what it has started with it."""
        await self._process.wait()
        if self.launch.folders:
            self.kill()
            await asyncio.get_running_loop().run_in_executor(None, self.launch.clean)

    async def _read(self) -> None:
        output = self._process.stdout
        if output is None:
            raise AssertionError("the engine's output is not a pipe")
        while True:
            try:
                raw = await output.readline()
            except ValueError:
                # a line above the limit; the reader has dropped it
                continue
            if not raw:
                break
            line = raw.decode("utf-8", "replace").rstrip()
            self._lines.append(line)
            self._log.debug("%s: %s", self.launch.kind, line)
            if not self._ready.done():
                if self.launch.unlocked is not None and line.startswith(self.launch.unlocked):
                    self.open_because = line
                self._look_for_port(line)
        code = await self._process.wait()
        if not self._ready.done():
            self._ready.set_exception(
                EngineError(f"{self.launch.title} ended while it started (exit code {code}).{self._tail()}")
            )
            self._ready.exception()

    def _look_for_port(self, line: str) -> None:
        _, found, rest = line.partition(self.launch.announcement)
        if found:
            digits = rest.strip().rpartition(":")[2]
            number = "".join(c for c in digits if c.isdigit())
            if number:
                self.port = int(number)
                self._ready.set_result(None)
