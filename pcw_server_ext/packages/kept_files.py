"""Files that were fetched, kept by their hash: fetched once for many who wait, and nothing that does not verify."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from pcw_server_ext.file_hash import sha256_of


class WrongContent(Exception):
    """What came has another hash than was announced. ``total``: its bytes."""

    def __init__(self, total: int) -> None:
        super().__init__(f"{total} bytes with another hash")
        self.total = total


class KeptFiles:
    """``{folder}/{16 digits of sha256}/{file name}``.

    Args:
        folders: the first is written to, all are read.
        log: told of damaged files.
        private: whether they are for this account alone: files of mode 0600 in folders of mode 0700.
    """

    def __init__(self, folders: Sequence[Path], log: logging.Logger, *, private: bool = False) -> None:
        self.folders = tuple(dict.fromkeys(folders))
        self._log = log
        self._private = private
        self._known: dict[Path, tuple[int, int]] = {}
        self._running: dict[str, asyncio.Task[Path]] = {}

    def find(self, sha256: str, file: str) -> Path | None:
        """The verified file, if it is kept. What does not verify is removed, or at least never used."""
        for folder in self.folders:
            path = kept_at(folder, sha256, file)
            try:
                facts = path.stat()
                seen = (facts.st_mtime_ns, facts.st_size)
                if self._known.get(path) == seen:
                    return path
                if sha256_of(path) == sha256:
                    self._known[path] = seen
                    return path
            except FileNotFoundError:
                continue
            except OSError as error:
                self._log.warning("%s cannot be read and is not used: %s", path, error)
                continue
            self._log.warning("%s is not the file that was kept there; it is removed.", path)
            with suppress(OSError):
                path.unlink()
        return None

    async def once(self, sha256: str, fetch: Callable[[], Path]) -> Path:
        """What ``fetch()`` returns, run in a thread, once for all who ask while it runs; raises what it raises."""
        task = self._running.get(sha256)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(fetch))
            self._running[sha256] = task
            task.add_done_callback(lambda done: self._forget(sha256, done))
        # who gives up waiting does not end it for the others
        return await asyncio.shield(task)

    def _forget(self, sha256: str, done: asyncio.Task[Path]) -> None:
        del self._running[sha256]
        if not done.cancelled() and done.exception() is not None:
            self._log.warning("%s", done.exception())

    def keep(
        self, sha256: str, file: str, pieces: Iterable[bytes], check: Callable[[Path], None] | None = None
    ) -> Path:
        """Write, verify and keep a file; blocks.

        Args:
            sha256: of the content, hexadecimal.
            file: its name.
            pieces: the content.
            check: looks at the verified file, and raises what is wrong with it.

        Raises:
            WrongContent: the content has another hash.
            OSError: the folder cannot be written to.
            Exception: what `pieces` or `check` raise. Then, as always when something is raised, nothing is kept.
        """
        target = kept_at(self.folders[0], sha256, file)
        self.folders[0].mkdir(mode=0o700 if self._private else 0o777, parents=True, exist_ok=True)
        target.parent.mkdir(mode=0o700 if self._private else 0o777, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".part-", dir=target.parent)
        part = Path(name)
        try:
            digest, total = hashlib.sha256(), 0
            with os.fdopen(handle, "wb") as target_file:
                for piece in pieces:
                    digest.update(piece)
                    total += len(piece)
                    target_file.write(piece)
            if digest.hexdigest() != sha256:
                raise WrongContent(total)
            if check is not None:
                check(part)
            part.chmod(0o600 if self._private else 0o644)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        facts = target.stat()
        self._known[target] = (facts.st_mtime_ns, facts.st_size)
        return target


def kept_at(folder: Path, sha256: str, file: str) -> Path:
    """Where a folder has a file."""
    return folder / sha256[:16] / file
