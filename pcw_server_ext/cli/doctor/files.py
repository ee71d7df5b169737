"""The browser runtime, and where packages of Pyodide's distribution come from and are kept."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pcw_server_ext.errors import ConfigurationError, SiteError
from pcw_server_ext.packages.lock import PackageLock
from pcw_server_ext.packages.sources import FolderSource, make_source
from pcw_server_ext.runtime.bundle import Bundle
from pcw_server_ext.site.check.findings import Finding, failed, note, ok
from pcw_server_ext.site.check.source import fetch

if TYPE_CHECKING:
    from pcw_server_ext.app import PcwExtension

#: Seconds that the source of packages may take to answer.
LIMIT: Final = 5.0
_AHEAD: Final = "kernels then have only what `jupyter pcw runtime fetch` has put there"


def check(settings: PcwExtension) -> list[Finding]:
    """The runtime, the folder of packages and their source."""
    found = [runtime(Path(settings.runtime_dir)), folder(Path(settings.packages_dir))]
    try:
        bundle = Bundle.load(Path(settings.runtime_dir))
        lock = PackageLock.load(bundle)
    except ConfigurationError:
        return found
    return [*found, source(settings.packages_source, lock.version if lock is not None else "")]


def runtime(path: Path) -> Finding:
    """The browser runtime of this installation."""
    try:
        bundle = Bundle.load(path)
    except ConfigurationError as error:
        return failed(
            "browser runtime",
            str(error),
            "Install the package again (pip install --force-reinstall --no-deps pcw-server-ext; in a source tree:"
            " make build), or correct PcwExtension.runtime_dir.",
        )
    details = [f"{name} {bundle.manifest[name]}" for name in ("pyodide", "python") if name in bundle.manifest]
    return ok("browser runtime", ", ".join([*details, f"hash {bundle.hash}"]))


def folder(path: Path) -> Finding:
    """Whether fetched packages can be kept there; makes nothing that stays."""
    existing = next(parent for parent in (path, *path.parents) if parent.exists() or parent == parent.parent)
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        return failed(
            "packages folder",
            f"{path} cannot be written to ({error.strerror}): packages that kernels ask for cannot be kept",
            "Let the server's user write there, or set PcwExtension.packages_dir to another folder.",
        )
    return ok(
        "packages folder",
        str(path) + ("" if existing == path else " (made when the first package is fetched)"),
    )


def source(setting: str, pyodide: str) -> Finding:
    """Where packages come from, and whether that place can be reached."""
    try:
        found = make_source(setting, pyodide)
    except ConfigurationError as error:
        return failed("packages source", str(error), "Correct PcwExtension.packages_source.")
    if found is None:
        return ok("packages source", f"none (PcwExtension.packages_source is empty): {_AHEAD}")
    if isinstance(found, FolderSource):
        if found.folder.is_dir():
            return ok("packages source", found.name)
        return failed(
            "packages source",
            f"{found.name} is not a folder",
            "Make it, or correct PcwExtension.packages_source.",
        )
    try:
        fetch(found.name, method="HEAD", timeout=LIMIT)
    except SiteError as error:
        return note(
            "packages source",
            f"{found.name} does not answer ({error}): {_AHEAD}",
            "Set PcwExtension.packages_source to a mirror, or fetch ahead: jupyter pcw runtime fetch pandas pyarrow",
        )
    return ok("packages source", f"{found.name} answers")
