"""Bearer tokens of endpoints: fixed, from a file that changes, or from a command that prints one with its expiry.

Errors name what failed and never what was read: a token file or a command's output may hold nothing but secrets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pyspark_connect_web.wire import MetadataError, StatusCode, check_value

from pcw_server_ext.errors import UpstreamError

_FILE_CHECK: Final = 1.0
_RETRY: Final = 10.0
_MOST_OUTPUT: Final = 1 << 16
_END_WAIT: Final = 5.0
# A token is renewed when a fifth of its life is left, five minutes at most.
_EARLY_SHARE: Final = 0.2
_EARLY_MOST: Final = 300.0

_TOKEN_NAMES: Final = ("token", "access_token", "accessToken")
# Databricks CLI: expiry; gcloud: token_expiry; az: expires_on; kubectl plugins: expirationTimestamp; AWS: Expiration
_EXPIRY_NAMES: Final = (
    "expires_at",
    "expires_on",
    "expiry",
    "token_expiry",
    "expirationTimestamp",
    "expiration",
    "Expiration",
)
_LIFE_NAMES: Final = ("expires_in", "expiresIn")


def _unauthenticated(what: str) -> UpstreamError:
    # UNAUTHENTICATED, since PySpark would repeat the query at once after UNAVAILABLE
    return UpstreamError(StatusCode.UNAUTHENTICATED, f"The endpoint's credential cannot be had: {what}.")


class Credential(ABC):
    """Where an endpoint's bearer token comes from."""

    @abstractmethod
    def ready(self) -> str | None:
        """The token, when it is there without waiting; else None. Raises UpstreamError."""

    async def get(self) -> str:
        """The token. Raises UpstreamError (UNAUTHENTICATED) when it cannot be had."""
        token = self.ready()
        if token is None:
            raise _unauthenticated("there is none")
        return token

    async def close(self) -> None:  # noqa: B027 (only a command has anything to end)
        """End whatever runs for it."""


class FixedCredential(Credential):
    """A token that does not change while the server runs."""

    def __init__(self, token: str) -> None:
        self._token = token

    def ready(self) -> str:
        return self._token


class FileCredential(Credential):
    """A file that holds a token and nothing else; read again when it has changed, at most once a second."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._checked = -_FILE_CHECK
        self._version: tuple[int, ...] = ()
        self._token = ""

    def ready(self) -> str:
        if self._clock() - self._checked >= _FILE_CHECK:
            try:
                stat = self._path.stat()
                version = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
                if version != self._version:
                    self._token = checked(self._path.read_text(encoding="utf-8").strip())
                    self._version = version
            except OSError as error:
                raise _unauthenticated(f"its token_file cannot be read ({error.strerror})") from None
            except ValueError as error:
                raise _unauthenticated(f"its token_file {error}") from None
            self._checked = self._clock()
        return self._token


def checked(token: str) -> str:
    """``token``, when a header can carry it. Raises ValueError without repeating it."""
    try:
        check_value("token", token)
    except MetadataError:
        raise ValueError("holds no token that a header can carry") from None
    if not token:
        raise ValueError("is empty")
    return token


def parse_output(output: bytes, now: float) -> tuple[str, float]:
    """The token and the end of its life (seconds since 1970) in what a command printed.

    A JSON object with ``token`` (or ``access_token``) and ``expires_at`` (ISO 8601 with a time zone, or seconds since
    1970) or ``expires_in`` (seconds); the names that well-known tools use are read too, and kubectl's ``status``.
    Raises ValueError without repeating anything.
    """
    try:
        found = json.loads(output)
    except ValueError:
        raise ValueError("did not print JSON") from None
    if isinstance(found, dict) and isinstance(found.get("status"), dict):
        found = found["status"]
    if not isinstance(found, dict):
        raise ValueError("did not print a JSON object")
    token = next((found[name] for name in _TOKEN_NAMES if isinstance(found.get(name), str)), None)
    if token is None:
        raise ValueError("printed no token")
    return checked(token), _expiry(found, now)


def _expiry(found: Mapping[str, Any], now: float) -> float:
    for name in _LIFE_NAMES:
        if isinstance(found.get(name), int | float):
            return now + float(found[name])
    for name in _EXPIRY_NAMES:
        value = found.get(name)
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, str) and value.isdecimal():
            return float(value)
        if isinstance(value, str):
            return _iso(value)
    raise ValueError("printed no expiry (expires_at or expires_in)")


def _iso(text: str) -> float:
    # Python 3.10 reads neither Z nor fractions of nine digits
    text = re.sub(r"(\.\d{6})\d+", r"\1", text.strip())
    text = re.sub(r"\.(\d{1,5})(?=\D|$)", lambda found: f".{found[1]:0<6}", text)
    try:
        moment = datetime.fromisoformat(re.sub("[Zz]$", "+00:00", text))
    except ValueError:
        raise ValueError("printed an expiry that is not ISO 8601") from None
    if moment.tzinfo is None:
        raise ValueError("printed an expiry without a time zone")
    return moment.timestamp()


class CommandCredential(Credential):
    """A command that prints a token with its expiry; run on first use, and again before the token ends.

    One run at a time serves all who wait. After a failure it is not run again for ten seconds; a token that is still
    valid goes on being used. ``timeout`` is in seconds, ``clock`` tells seconds since 1970.
    """

    def __init__(
        self,
        command: Sequence[str],
        endpoint: str,
        log: logging.Logger,
        *,
        timeout: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._command = tuple(command)
        self._endpoint = endpoint
        self._log = log
        self._timeout = timeout
        self._clock = clock
        self._token = ""
        self._expires = 0.0
        self._renew = 0.0
        self._failed: tuple[float, UpstreamError] | None = None
        self._running: asyncio.Task[None] | None = None
        self._closed = False

    def ready(self) -> str | None:
        now = self._clock()
        if now >= self._expires:
            return None
        if now >= self._renew and self._recent_failure() is None:
            self._start()
        return self._token

    async def get(self) -> str:
        token = self.ready()
        if token is not None:
            return token
        failure = self._recent_failure()
        if failure is None:
            # a caller that gives up does not stop the run, which others may wait for
            await asyncio.shield(self._start())
            failure = self._recent_failure()
        if failure is not None:
            raise failure
        return self._token

    def _recent_failure(self) -> UpstreamError | None:
        if self._failed is not None and 0 <= self._clock() - self._failed[0] < _RETRY:
            return self._failed[1]
        return None

    def _start(self) -> asyncio.Task[None]:
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._renew_token())
        return self._running

    async def _renew_token(self) -> None:
        begin = self._clock()
        try:
            token, expires = parse_output(await self._output(), begin)
            if expires <= self._clock():
                raise ValueError("printed a token that has expired")
        except ValueError as error:
            failure = _unauthenticated(
                f"its token_command {error}. Run it by hand on the server to see why; its output is not shown here,"
                " since it may hold secrets"
            )
            self._failed = (self._clock(), failure)
            self._log.warning("Endpoint %s: %s", self._endpoint, failure)
            return
        self._failed = None
        self._token, self._expires = token, expires
        self._renew = expires - min(_EARLY_MOST, _EARLY_SHARE * (expires - begin))
        self._log.debug("Endpoint %s: a new token, valid for %.0f s", self._endpoint, expires - begin)

    async def _output(self) -> bytes:
        """What the command prints. Raises ValueError."""
        if self._closed:
            raise ValueError("is not run any more: the server is shutting down")
        starting = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        )
        try:
            process = await asyncio.shield(starting)
        except OSError as error:
            raise ValueError(f"cannot be started ({error.strerror})") from None
        except asyncio.CancelledError:
            # interrupted there, asyncio would end the command but not what it has started
            await _end(await starting)
            raise
        try:
            return await asyncio.wait_for(self._read(process), self._timeout)
        except asyncio.TimeoutError:
            raise ValueError(f"took longer than {self._timeout:g} s") from None
        finally:
            await _end(process)

    @staticmethod
    async def _read(process: asyncio.subprocess.Process) -> bytes:
        if process.stdout is None:
            raise AssertionError("stdout is a pipe")
        output = b""
        while chunk := await process.stdout.read(_MOST_OUTPUT):
            output += chunk
            if len(output) > _MOST_OUTPUT:
                raise ValueError(f"printed more than {_MOST_OUTPUT} bytes")
        code = await process.wait()
        if code:
            raise ValueError(f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}")
        return output

    async def close(self) -> None:
        self._closed = True
        if self._running is not None and not self._running.done():
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the command with everything it started, when it still runs."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    # asyncio sees the end of a process only when its pipe has been read to the end; what left the group may hold it
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_drain(process), _END_WAIT)


async def _drain(process: asyncio.subprocess.Process) -> None:
    if process.stdout is not None:
        while await process.stdout.read(_MOST_OUTPUT):
            pass
    await process.wait()
