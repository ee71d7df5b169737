"""Packages of the Pyodide distribution that the browser runtime does not hold: fetched once, verified, kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jupyter_core.paths import jupyter_data_dir, jupyter_path

from pcw_server_ext.errors import PackageError
from pcw_server_ext.packages import kept_files
from pcw_server_ext.packages.kept_files import KeptFiles, WrongContent
from pcw_server_ext.packages.lock import Package, PackageLock
from pcw_server_ext.packages.sources import Source

DEFAULT_SOURCE: Final = "https://cdn.jsdelivr.net/pyodide/v{version}/full/"


def default_folder() -> Path:
    """Where packages are kept unless configured: in Jupyter's data folder of this user."""
    return Path(jupyter_data_dir()) / "pcw" / "packages"


def shared_folders() -> list[Path]:
    """Folders of this machine that are looked into as well, such as one that an administrator has filled."""
    return [Path(path) for path in jupyter_path("pcw", "packages")]


class PackageMirror:
    """Files of packages by their hash (`KeptFiles`).

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
        self._files = KeptFiles(folders, log)
        self.folders = self._files.folders
        self._log = log

    def state(self, package: Package) -> str:
        """``bundled``, ``cached``, ``fetchable`` or ``absent``, by the look of it: no file is read."""
        if package.bundled:
            return "bundled"
        if any(kept_at(folder, package).is_file() for folder in self.folders):
            return "cached"
        return "fetchable" if self.source is not None else "absent"

    def kept(self, package: Package) -> Path | None:
        """The verified file of a package, if it is kept. What does not verify is removed, or at least never used."""
        return self._files.find(package.sha256, package.file)

    async def get(self, package: Package) -> Path:
        """The verified file of a package, fetched at most once at a time if need be. Raises PackageError."""
        found = await asyncio.to_thread(self.kept, package)
        if found is not None:
            return found
        return await self._files.once(package.sha256, lambda: self.fetch(package))

    def fetch(self, package: Package) -> Path:
        """Fetch, verify and keep a package's file; blocks. Raises PackageError: then nothing is kept."""
        found = self.kept(package)
        if found is not None:
            return found
        source = self.source
        if source is None:
            raise PackageError(
                "no-source",
                f"{package.name} {package.version} is not kept on this server, and PcwExtension.packages_source is"
                f" empty. {remedy(package)}",
            )
        try:
            target = self._files.keep(package.sha256, package.file, source.read(package))
        except PackageError as error:
            raise PackageError(
                error.reason,
                f"{package.name} {package.version} could not be fetched: {error}. {remedy(package)}",
            ) from error
        except WrongContent as error:
            raise PackageError(
                "corrupt",
                f"What {source.name} sent as {package.file} ({error.total} bytes) is cut or is another file than"
                f" Pyodide's lock names, and was thrown away. {remedy(package)}",
            ) from error
        except OSError as error:
            raise PackageError(
                "cache",
                f"{package.name} cannot be kept in {self.folders[0]}: {error.strerror}. Set"
                " PcwExtension.packages_dir to a folder that the server may write to.",
            ) from error
        self._log.info("Fetched %s %s from %s", package.name, package.version, source.name)
        return target


def kept_at(folder: Path, package: Package) -> Path:
    """Where a folder of packages has the file of a package."""
    return kept_files.kept_at(folder, package.sha256, package.file)


def remedy(package: Package) -> str:
    """Return the next step of a person who needs a package that cannot be had."""
    return (
        f"Run `jupyter pcw runtime fetch {package.name}` where Pyodide's distribution can be reached, or with"
        " `--source FOLDER`, and try again."
    )


def public(package: Package, error: PackageError) -> str:
    """What a page is told of a package that cannot be had: nothing of the source, which may be internal."""
    what = {
        "no-source": "is not kept on this server, which fetches none (PcwExtension.packages_source is empty)",
        "cache": "cannot be kept on this server",
        "corrupt": "came as another file than Pyodide's lock names, and was thrown away",
    }.get(error.reason, "could not be fetched by this server")
    return f"{package.name} {package.version} {what}; the server's log says more. {remedy(package)}"
