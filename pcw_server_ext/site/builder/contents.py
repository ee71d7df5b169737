"""Makes the listings of a site's files depend on the files alone, so that equal inputs give equal bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def settle_listings(site: Path) -> None:
    """Sort the listings below `api/contents` and replace times that only tell when the build ran.

    JupyterLite lists a file's creation, which is the time of its copy, and a folder's times likewise. A file's
    modification is its source's; a folder gets the latest one in it.
    """
    root = site / "api" / "contents"
    for path in sorted(root.rglob("all.json")):
        text = path.read_text(encoding="utf-8")
        listing: dict[str, Any] = json.loads(text)
        _settle(listing, site / "files")
        fresh = json.dumps(listing, sort_keys=True, indent=2)
        if fresh != text:
            path.write_text(fresh, encoding="utf-8")


def _settle(entry: dict[str, Any], files: Path) -> None:
    children = entry.get("content")
    if isinstance(children, list):
        for child in children:
            _settle(child, files)
        children.sort(key=lambda child: str(child["name"]))
    if entry.get("type") == "directory":
        entry["last_modified"] = _latest(files / entry["path"]) or entry["last_modified"]
    entry["created"] = entry["last_modified"]


def _latest(folder: Path) -> str | None:
    from datetime import datetime, timezone

    times = [path.stat().st_mtime for path in folder.rglob("*") if path.is_file()]
    if not times:
        return "1980-01-01T00:00:00Z"
    return datetime.fromtimestamp(max(times), timezone.utc).isoformat().replace("+00:00", "Z")
