"""Packages of the Pyodide distribution that the browser runtime does not hold: fetched once, verified, kept."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from jupyter_core.paths import jupyter_data_dir, jupyter_path

from ..errors import PackageError
from .lock import Package, PackageLock
from .sources import Source

DEFAULT_SOURCE: Final = "https://cdn.jsdelivr.net/pyodide/v{version}/full/"
_PIECE: Final = 1 << 20


def default_folder() -> Path:
    """Where packages are kept unless configured: in Jupyter's data folder of this user."""
    return Path(jupyter_data_dir()) / "pcw" / "packages"


def shared_folders() -> list[Path]:
    """Folders of this machine that are looked into as well, such as one that an administrator has filled."""
    return [Path(path) for path in jupyter_path("pcw", "packages")]


class PackageMirror:
    """Files of packages by their hash: ``{folder}/{16 digits of sha256}/{file name}``.

    Args:
        lock: the packages that there are.
        source: where they come from; None: only what is kept already is served.
        folders: the first is written to, all are read.
    """

    def __init__(
        self, lock: PackageLock, source: Source | None, folders: Sequence[Path], log: logging.Logger
    ) -> None:
        self.lock = lock
        self.source = source
        self.folders = tuple(dict.fromkeys(folders))
        self._log = log
        self._known: dict[Path, tuple[int, int]] = {}
        self._running: dict[str, asyncio.Task[Path]] = {}

    def state(self, package: Package) -> str:
        """``bundled``, ``cached``, ``fetchable`` or ``absent``, by the look of it: no file is read."""
        if package.bundled:
            return "bundled"
        if any(self._place(folder, package).is_file() for folder in self.folders):
            return "cached"
        return "fetchable" if self.source is not None else "absent"

    def kept(self, package: Package) -> Path | None:
        """The verified file of a package, if it is kept. What does not verify is removed, or at least never used."""
        for folder in self.folders:
            path = self._place(folder, package)
            try:
                facts = path.stat()
                seen = (facts.st_mtime_ns, facts.st_size)
                if self._known.get(path) == seen:
                    return path
                if _sha256(path) == package.sha256:
                    self._known[path] = seen
                    return path
            except FileNotFoundError:
                continue
            except OSError as error:
                self._log.warning("%s cannot be read and is not used: %s", path, error)
                continue
            self._log.warning("%s is not the package that Pyodide's lock names; it is removed.", path)
            with suppress(OSError):
                path.unlink()
        return None

    async def get(self, package: Package) -> Path:
        """The verified file of a package, fetched at most once at a time if need be. Raises PackageError."""
        found = await asyncio.to_thread(self.kept, package)
        if found is not None:
            return found
        task = self._running.get(package.sha256)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(self.fetch, package))
            self._running[package.sha256] = task
            task.add_done_callback(lambda done: self._forget(package, done))
        # who gives up waiting does not end it for the others
        return await asyncio.shield(task)

    def _forget(self, package: Package, done: asyncio.Task[Path]) -> None:
        del self._running[package.sha256]
        if not done.cancelled() and done.exception() is not None:
            self._log.warning("%s", done.exception())

    def fetch(self, package: Package) -> Path:
        """Fetch, verify and keep a package's file; blocks. Raises PackageError: then nothing is kept."""
        found = self.kept(package)
        if found is not None:
            return found
        if self.source is None:
            raise PackageError(
                "no-source",
                f"{package.name} {package.version} is not kept on this server, and PcwExtension.packages_source is"
                f" empty. {_remedy(package)}",
            )
        folder = self.folders[0]
        target = self._place(folder, package)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".part-", dir=target.parent)
        except OSError as error:
            raise PackageError(
                "cache",
                f"{package.name} cannot be kept in {folder}: {error.strerror}. Set PcwExtension.packages_dir to a"
                " folder that the server may write to.",
            ) from error
        part = Path(name)
        try:
            self._write(handle, package, self.source)
            part.chmod(0o644)
            part.replace(target)
        except OSError as error:
            raise PackageError(
                "cache", f"{package.name} cannot be kept in {folder}: {error.strerror}."
            ) from error
        finally:
            part.unlink(missing_ok=True)
        facts = target.stat()
        self._known[target] = (facts.st_mtime_ns, facts.st_size)
        self._log.info("Fetched %s %s from %s", package.name, package.version, self.source.name)
        return target

    def _write(self, handle: int, package: Package, source: Source) -> None:
        digest, total = hashlib.sha256(), 0
        with os.fdopen(handle, "wb") as file:
            try:
                for piece in source.read(package):
                    digest.update(piece)
                    total += len(piece)
                    file.write(piece)
            except PackageError as error:
                raise PackageError(
                    error.reason,
                    f"{package.name} {package.version} could not be fetched: {error}. {_remedy(package)}",
                ) from error
        if digest.hexdigest() != package.sha256:
            raise PackageError(
                "corrupt",
                f"What {source.name} sent as {package.file} ({total} bytes) is cut or is another file than"
                f" Pyodide's lock names, and was thrown away. {_remedy(package)}",
            )

    @staticmethod
    def _place(folder: Path, package: Package) -> Path:
        return folder / package.sha256[:16] / package.file


def _remedy(package: Package) -> str:
    return (
        f"Run `jupyter pcw runtime fetch {package.name}` where Pyodide's distribution can be reached, or with"
        " `--source FOLDER`, and try again."
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
