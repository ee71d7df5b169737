"""The list of a built site's files, `pcw-files.json`: `jupyter pcw check` knows from it what is missing or changed.

The browser runtime has a list of its own, its `manifest.json`. What the host reads itself is not served.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.file_hash import sha256_of
from pcw_server_ext.site import record
from pcw_server_ext.site.hosts import RUNTIME_FOLDER
from pcw_server_ext.site.serving.folder import CONFIGURATION

NAME = "pcw-files.json"
FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """A file as it was built: its bytes, and their SHA-256."""

    size: int
    sha256: str


def dumps(site: Path) -> str:
    """Return the list of the site in a folder as JSON text, the same for the same files."""
    left_out = {NAME, record.NAME, *CONFIGURATION}
    files: dict[str, list[Any]] = {}
    for path in sorted(site.rglob("*")):
        name = path.relative_to(site).as_posix()
        if name not in left_out and not name.startswith(f"{RUNTIME_FOLDER}/") and path.is_file():
            files[name] = [path.stat().st_size, sha256_of(path)]
    return json.dumps({"format": FORMAT, "files": files}, separators=(",", ":"), sort_keys=True) + "\n"


def loads(text: bytes) -> dict[str, Entry]:
    """Read a list, which may be anybody's.

    Raises:
        SiteRefused: it is no list of this format.
    """
    refused = SiteRefused(f"{NAME} is not what a build writes. Build the site again.")
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise refused from None
    if not isinstance(data, dict) or data.get("format") != FORMAT or not isinstance(data.get("files"), dict):
        raise refused
    found = {}
    for name, entry in data["files"].items():
        match entry:
            case [int() as size, str() as sha256]:
                found[name] = Entry(size, sha256)
            case _:
                raise refused
    return found
