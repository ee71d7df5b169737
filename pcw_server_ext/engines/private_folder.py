"""A folder of an engine's own, which no other account can look into, removed at its end.

Spark writes cached rows, shuffles and artifacts for everyone to read, into a folder that everyone can enter. Here they
are in a folder with mode 0700. A server that is killed leaves it behind; the next one that starts an engine removes it,
which a lock that ends with its process tells from the folder of a living one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from pcw_server_ext.errors import EngineError

if sys.platform != "win32":
    import fcntl

PREFIX: Final = "pcw-engine-"
_LOCK: Final = "lock"
# a folder without a lock file is one that is just being made, unless it is as old as this (seconds)
_ABANDONED: Final = 3600.0


class PrivateFolder:
    """One such folder; `path` is it, until `remove`."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def create(cls, parent: Path | None = None) -> PrivateFolder:
        """Make one in `parent` (default: the system's temporary folder) and remove what dead servers left there.

        Raises EngineError.
        """
        parent = parent or Path(tempfile.gettempdir())
        sweep(parent)
        try:
            path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
            lock = os.open(path / _LOCK, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            if sys.platform != "win32":
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise EngineError(
                f"The engine's temporary folder cannot be made in {parent}: {error.strerror or error}. Free some"
                " space there, or set TMPDIR to a folder that can be written."
            ) from error
        return cls(path, lock)

    def write(self, name: str, text: str) -> Path:
        """A file in it that only this account can read."""
        path = self.path / name
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def remove(self) -> None:
        """Remove it with what is in it; once more does nothing."""
        if self._lock >= 0:
            # first, because Windows removes no open file; the folder is its owner's alone until then
            os.close(self._lock)
            self._lock = -1
            shutil.rmtree(self.path, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Remove this account's folders whose server is gone (not on Windows, which has no such locks)."""
    if sys.platform == "win32":
        return
    try:
        entries = [entry for entry in os.scandir(parent) if entry.name.startswith(PREFIX)]
    except OSError:
        return
    for entry in entries:
        # another account may have put anything there: links are not followed, foreign folders left alone
        with contextlib.suppress(OSError):
            status = entry.stat(follow_symlinks=False)
            if (
                stat.S_ISDIR(status.st_mode)
                and status.st_uid == os.geteuid()
                and _abandoned(entry.path, status)
            ):
                shutil.rmtree(entry.path, ignore_errors=True)


def _abandoned(path: str, status: os.stat_result) -> bool:
    if sys.platform == "win32":
        return False
    try:
        lock = os.open(os.path.join(path, _LOCK), os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return time.time() - status.st_mtime > _ABANDONED
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
