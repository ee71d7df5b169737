"""The full profile: numpy, pandas and pyarrow inside the site, from Pyodide's own wheels.

They exist for Pyodide's Python only in Pyodide's distribution. A build downloads nothing: it takes the wheels that
`jupyter pcw runtime fetch` has put on this machine, or those of a folder, and compares each one with the hash in
Pyodide's own lock file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from pcw_server_ext.errors import ConfigurationError, PackageError, SiteError
from pcw_server_ext.file_hash import sha256_of
from pcw_server_ext.packages.lock import FULL_LOCK, Package, PackageLock
from pcw_server_ext.packages.mirror import default_folder, kept_at, shared_folders
from pcw_server_ext.runtime.bundle import Bundle

FULL = ("numpy", "pandas", "pyarrow")
FOLDER_VARIABLE = "PCW_PACKAGES_DIR"


def needed(bundle: Bundle) -> list[Package]:
    """Return the packages of the full profile, and what they need, that the browser runtime does not hold, by name.

    Raises:
        SiteError: the lock of Pyodide's distribution is missing, or has no such package.
    """
    try:
        lock = PackageLock.load(bundle)
        if lock is None:
            raise SiteError(
                f"The browser runtime in {bundle.folder} has no {FULL_LOCK}. Install the package again, or build it"
                " again in a source tree."
            )
        return [package for package in lock.closure(FULL) if not package.bundled]
    except (ConfigurationError, PackageError) as error:
        raise SiteError(
            f"{str(error).rstrip('.')}. Use --profile lean, or install pcw-server-ext again."
        ) from None


def packages_folders() -> list[Path]:
    """Return the folders that are looked into for wheels; raises `SiteError` for a setting that names none."""
    value = os.environ.get(FOLDER_VARIABLE, "")
    if not value:
        return [default_folder(), *shared_folders()]
    folder = Path(value)
    if not folder.is_dir():
        raise SiteError(f"{FOLDER_VARIABLE} names {folder}, which is no folder.")
    return [folder]


def find_wheels(packages: Iterable[Package], folders: Sequence[Path]) -> dict[str, Path]:
    """Return the wheel of each package, by name.

    Args:
        packages: of Pyodide's lock.
        folders: with the wheels themselves, as unpacked from the distribution, or as `jupyter pcw runtime fetch`
            keeps them.

    Raises:
        SiteError: a wheel is missing or is not the one of this Pyodide; all of them are named at once, with the
            command that brings them.
    """
    wheels: dict[str, Path] = {}
    missing: list[str] = []
    wrong: list[str] = []
    for package in packages:
        places = [place for folder in folders for place in (kept_at(folder, package), folder / package.file)]
        found = [place for place in places if place.is_file()]
        same = next((place for place in found if sha256_of(place) == package.sha256), None)
        if same is not None:
            wheels[package.name] = same
        else:
            (wrong if found else missing).append(package.file)
    if missing or wrong:
        where = f" --folder {folders[0]}" if os.environ.get(FOLDER_VARIABLE) else ""
        parts = []
        if missing:
            parts.append(f"{', '.join(missing)} not found in {', '.join(map(str, folders))}")
        if wrong:
            parts.append(f"{', '.join(wrong)} have another content than this Pyodide's lock file says")
        raise SiteError(
            f"The full profile needs Pyodide's wheels of {', '.join(FULL)}: {'; '.join(parts)}. Get them once with: "
            f"jupyter pcw runtime fetch {' '.join(FULL)}{where}   (without the internet: and --source FOLDER, the "
            "unpacked distribution of exactly this Pyodide)"
        )
    return wheels
