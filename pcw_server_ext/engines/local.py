"""A local engine's life: started on first use, again after a crash, ended with the server."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Final

from pcw_server_ext.engines.choose import Choice
from pcw_server_ext.engines.lock import Lock
from pcw_server_ext.engines.process import EngineProcess
from pcw_server_ext.errors import EngineError

_EXIT_WAIT: Final = 2.0


class EngineState(Enum):
    IDLE = "idle"
    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"
    OFF = "off"
    STOPPED = "stopped"


def describe_exit(code: int) -> str:
    """An exit status for people: ``exit code 1`` or ``killed by SIGKILL``."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


class LocalEngine:
    """The engine behind the endpoint of a machine of its own.

    ``choose`` is asked at each start, and says why there is no engine when it is ``off``. ``start_timeout`` and
    ``failure_memory`` are in seconds: a failed start is answered with the same error for that long, so that retries of
    a query do not start a JVM each.
    """

    def __init__(
        self,
        choose: Callable[[], Choice],
        cwd: Path,
        log: logging.Logger,
        *,
        start_timeout: float,
        failure_memory: float = 10.0,
        off: bool = False,
    ) -> None:
        self._choose = choose
        self._cwd = cwd
        self._log = log
        self._start_timeout = start_timeout
        self._failure_memory = failure_memory
        self._starting: asyncio.Task[EngineProcess] | None = None
        self._process: EngineProcess | None = None
        self._failed: tuple[float, EngineError] | None = None
        self._stopped = False
        self._off = off
        self._kind: str | None = None
        self._reason: str | None = None
        self._lock: Lock | None = None

    @property
    def kind(self) -> str:
        """``spark`` or ``sail``; ``local`` until the choice was made."""
        return self._kind or "local"

    @property
    def reason(self) -> str | None:
        """Why it is this engine; None until the choice was made."""
        return self._reason

    @property
    def lock(self) -> Lock | None:
        """Whether other accounts are kept out of it; None until the choice was made."""
        return self._lock

    @property
    def process(self) -> EngineProcess | None:
        """The running engine, if any."""
        if self._process is not None and self._process.exit_code is None:
            return self._process
        return None

    @property
    def state(self) -> EngineState:
        """What a person is told."""
        if self._stopped:
            return EngineState.STOPPED
        if self._off:
            return EngineState.OFF
        if self._starting is not None and not self._starting.done():
            return EngineState.STARTING
        if self.process is not None:
            return EngineState.RUNNING
        return EngineState.FAILED if self._remembered() is not None else EngineState.IDLE

    def _remembered(self) -> EngineError | None:
        if self._failed is not None and time.monotonic() - self._failed[0] < self._failure_memory:
            return self._failed[1]
        return None

    async def running(self) -> EngineProcess:
        """The running engine; starts it when there is none, once for all callers. Raises EngineError.

        A caller that gives up does not stop the start.
        """
        if self._stopped:
            raise EngineError("The Jupyter server is shutting down.")
        # while it starts there is a process too, but one that serves nothing yet
        if self._starting is None or self._starting.done():
            process = self.process
            if process is not None:
                return process
            remembered = self._remembered()
            if remembered is not None:
                raise remembered
            self._starting = asyncio.create_task(self._start())
            # the failure is kept in _failed; a caller may have left
            self._starting.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._starting)

    async def _start(self) -> EngineProcess:
        try:
            choice = await asyncio.get_running_loop().run_in_executor(None, self._choose)
            self._kind, self._reason, self._lock = choice.kind, choice.reason, choice.lock
            begin = time.monotonic()
            self._log.info("Starting %s for the first query: %s", choice.kind, choice.reason)
            if choice.withheld:
                self._log.info(
                    "%s does not get %s of the server's environment; name in PcwExtension.engine_environment what it"
                    " should have",
                    choice.kind,
                    ", ".join(choice.withheld),
                )
            launch = await asyncio.get_running_loop().run_in_executor(None, choice.make)
            process = await EngineProcess.spawn(launch, self._cwd, self._log)
            self._process = process
            await process.ready(self._start_timeout)
        except EngineError as error:
            self._failed = (time.monotonic(), error)
            self._process = None
            self._log.error("%s", error)
            raise
        if self._stopped:
            await process.stop(0)
            raise EngineError("The Jupyter server is shutting down.")
        self._failed = None
        if process.open_because is not None:
            self._lock = Lock(False, process.open_because)
        self._log.log(
            logging.INFO if self._lock.closed else logging.WARNING, "%s: %s", choice.kind, self._lock.text
        )
        self._log.info("%s is ready after %.1f s", choice.kind, time.monotonic() - begin)
        return process

    async def crash_of(self, process: EngineProcess) -> str | None:
        """What to tell a query whose connection broke: a text when ``process`` has ended, else None."""
        try:
            code = await asyncio.wait_for(process.exited(), _EXIT_WAIT)
        except asyncio.TimeoutError:
            return None
        if self._stopped:
            return "The Jupyter server is shutting down."
        self._log.error(
            "%s stopped (%s)\n%s", process.launch.title, describe_exit(code), process.last_lines()
        )
        return (
            f"The Spark engine stopped ({describe_exit(code)}); it is started again with the next query."
            " Temporary views and cached data are gone."
        )

    async def stop(self) -> None:
        """End the engine for good."""
        self._stopped = True
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
        if self._process is not None:
            await self._process.stop()
