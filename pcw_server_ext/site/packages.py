"""The full profile: numpy, pandas and pyarrow inside the site, from Pyodide's own wheels.

They exist for Pyodide's Python only in Pyodide's distribution. A build downloads nothing: it takes the wheels that
`jupyter pcw runtime fetch` has put on this machine, or those of a folder, and compares each one with the hash in
Pyodide's own lock file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pcw_server_ext.runtime.mirror import default_folder, shared_folders
from pcw_server_ext.site.errors import SiteError

FULL = ("numpy", "pandas", "pyarrow")
FOLDER_VARIABLE = "PCW_PACKAGES_DIR"


def closure(lock: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return `names` and everything they depend on, sorted; raises `SiteError` for a name the lock lacks."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            waiting += lock["packages"][name]["depends"]
        except KeyError:
            raise SiteError(f"This Pyodide has no package {name!r}. Use --profile lean.") from None
        found.add(name)
    return sorted(found)


def packages_folders() -> list[Path]:
    """Return the folders that are looked into for wheels; raises `SiteError` for a setting that names none."""
    value = os.environ.get(FOLDER_VARIABLE, "")
    if not value:
        return [default_folder(), *shared_folders()]
    folder = Path(value)
    if not folder.is_dir():
        raise SiteError(f"{FOLDER_VARIABLE} names {folder}, which is no folder.")
    return [folder]


def find_wheels(lock: Mapping[str, Any], names: Iterable[str], folders: Sequence[Path]) -> dict[str, Path]:
    """Return the wheel of each package, by name.

    Args:
        lock: Pyodide's.
        names: of packages of the lock.
        folders: with the wheels themselves, as unpacked from the distribution, or as `jupyter pcw runtime fetch`
            keeps them.

    Raises:
        SiteError: a wheel is missing or is not the one of this Pyodide; all of them are named at once, with the
            command that brings them.
    """
    wheels: dict[str, Path] = {}
    missing: list[str] = []
    wrong: list[str] = []
    for name in names:
        entry = lock["packages"][name]
        file = Path(entry["file_name"]).name
        places = [
            place for folder in folders for place in (folder / entry["sha256"][:16] / file, folder / file)
        ]
        found = [place for place in places if place.is_file()]
        same = next((place for place in found if _sha256(place) == entry["sha256"]), None)
        if same is not None:
            wheels[name] = same
        else:
            (wrong if found else missing).append(file)
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


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
