"""The full profile: numpy, pandas and pyarrow inside the site, from a folder of Pyodide's own wheels.

They exist for Pyodide's Python only in Pyodide's distribution. A build downloads nothing: whoever builds puts the
distribution's wheels into a folder once, and each one is compared with the hash in Pyodide's own lock file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

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


def packages_folder() -> Path:
    """Return the folder of wheels; raises `SiteError` that says how to fill one."""
    value = os.environ.get(FOLDER_VARIABLE, "")
    if not value:
        raise SiteError(
            f"The full profile needs Pyodide's wheels of {', '.join(FULL)}. Download Pyodide's distribution once, and "
            f"name the folder with its .whl files: {FOLDER_VARIABLE}=... Or build with --profile lean: its kernels "
            "load these packages from a Jupyter server, or not at all."
        )
    folder = Path(value)
    if not folder.is_dir():
        raise SiteError(f"{FOLDER_VARIABLE} names {folder}, which is no folder.")
    return folder


def find_wheels(lock: Mapping[str, Any], names: Iterable[str], folder: Path) -> dict[str, Path]:
    """Return the wheel of each package, by name.

    Raises:
        SiteError: a wheel is missing or is not the one of this Pyodide; all of them are named at once.
    """
    wheels, missing, wrong = {}, [], []
    for name in names:
        entry = lock["packages"][name]
        path = folder / Path(entry["file_name"]).name
        if not path.is_file():
            missing.append(path.name)
        elif hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
            wrong.append(path.name)
        else:
            wheels[name] = path
    if missing or wrong:
        parts = []
        if missing:
            parts.append(f"{folder} lacks {', '.join(missing)}")
        if wrong:
            parts.append(f"{', '.join(wrong)} have another content than this Pyodide's lock file says")
        raise SiteError(f"{'; '.join(parts)}. Take them from the distribution of exactly this Pyodide.")
    return wheels
