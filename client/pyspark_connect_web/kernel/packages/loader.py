"""Loads numpy, pandas and pyarrow from the page's own server, in the running session.

The server holds, or fetches and verifies, the packages of Pyodide's distribution and serves them beside the
runtime: ``{runtimeUrl}pyodide/pyodide-lock.full.json`` says which there are, ``{runtimeUrl}pyodide/{file}`` is
a package (docs/architecture.md, 3). Pyodide then loads them as it loads its own.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pyspark_connect_web.errors import PackageFileError
from pyspark_connect_web.kernel.packages.files import Files, normalized

__all__ = ["HINT", "closure", "install_loader", "load", "packages_of", "wanted_of"]

HINT = "jupyter pcw runtime fetch {packages}"
"""The one command that helps where a package is absent."""

LOCK = "pyodide-lock.full.json"


def load(names: Iterable[str], files: Files) -> None:
    """Make packages importable, with what they need.

    Raises:
        ImportError: a package is not part of the distribution, or its file cannot be had.
    """
    wanted = wanted_of(names, files)
    if wanted:
        files.install(wanted)
    importlib.invalidate_caches()


def wanted_of(names: Iterable[str], files: Files) -> dict[str, dict[str, Any]]:
    """The packages of these, and of what they need, that are not there yet; their files are fetched.

    Raises:
        PackageFileError: a package is not part of the distribution, or its file cannot be had.
    """
    lock = packages_of(files.get(LOCK))
    wanted = {name: lock[name] for name in closure(names, lock) if name not in files.loaded()}
    # Pyodide only logs a file that it cannot get: ask first. The browser's cache has it then.
    for entry in wanted.values():
        files.get(entry["file_name"])
    return wanted


def packages_of(lock: str) -> dict[str, dict[str, Any]]:
    """The packages that a lock names. Raises PackageFileError where it cannot be read."""
    try:
        packages: dict[str, dict[str, Any]] = json.loads(lock)["packages"]
    except (ValueError, KeyError, TypeError):
        raise PackageFileError("the server's list of packages cannot be read") from None
    return packages


def closure(names: Iterable[str], lock: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The normalized names of the packages and of all that they depend on, dependencies first.

    Raises:
        PackageFileError: the distribution has no such package.
    """
    found: list[str] = []
    seen: set[str] = set()

    def add(spelled: str) -> None:
        name = normalized(spelled)
        if name in seen:
            return
        seen.add(name)
        if name not in lock:
            raise PackageFileError(f"{spelled} is not part of this runtime's distribution")
        for dependency in lock[name].get("depends", ()):
            add(dependency)
        found.append(name)

    for name in names:
        add(name)
    return found


def install_loader(label: Callable[[str | None], None] = lambda text: None) -> None:
    """Let PySpark's need for a package, and a person's import of one, load it from the server.

    Args:
        label: told what takes its time, and None at the end.
    """
    from pyspark_connect_web.kernel.packages.pyodide_files import PyodideFiles, package_of
    from pyspark_connect_web.lean import full

    def loader(names: tuple[str, ...]) -> None:
        label(f"Loading {', '.join(names)}")
        try:
            load(names, PyodideFiles())
        finally:
            label(None)

    full.set_loader(loader, HINT)
    full.install_import_hook(package_of)
