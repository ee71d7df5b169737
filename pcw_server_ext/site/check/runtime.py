"""Checks of the browser runtime inside a site: same origin, complete, unchanged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from pcw_server_ext.site.check.files import Site
from pcw_server_ext.site.check.findings import Finding, failed, ok
from pcw_server_ext.site.check.source import FolderSource
from pcw_server_ext.site.hosts import RUNTIME_FOLDER

#: Over HTTP, larger files are compared by size unless everything is asked for.
SMALL = 2 << 20

_AGAIN = "Build the site again and deploy all of it; turn off anything at the host that rewrites files."


def check_runtime(site: Site, *, everything: bool) -> Iterator[Finding]:
    """The runtime's files against the hashes in its manifest.

    Args:
        site: the site.
        everything: download large files as well (a folder's are always read).
    """
    name = "browser runtime"
    base = f"{RUNTIME_FOLDER}/{site.record.runtime}"
    reply = site.source.get(f"{base}/manifest.json")
    try:
        manifest = json.loads(reply.body)
        files: dict[str, dict[str, object]] = manifest["files"]
    except (ValueError, KeyError, TypeError):
        yield failed(name, f"{base}/manifest.json cannot be read (status {reply.status})", _AGAIN)
        return
    whole = everything or isinstance(site.source, FolderSource)
    wrong, hashed = [], 0
    for path, entry in files.items():
        size = int(str(entry["size"]))
        read = whole or size <= SMALL
        got = site.source.get(f"{base}/{path}", body=read)
        if got.status != 200:
            wrong.append(f"{path} answers {got.status}")
        elif read:
            hashed += 1
            if hashlib.sha256(got.body).hexdigest() != entry["sha256"]:
                wrong.append(f"{path} has other content")
        elif "content-encoding" not in got.headers and got.headers.get("content-length") not in (
            None,
            str(size),
        ):
            wrong.append(f"{path} has {got.headers['content-length']} bytes, not {size}")
    if wrong:
        yield failed(name, "; ".join(wrong[:5]), _AGAIN)
        return
    total = sum(int(str(entry["size"])) for entry in files.values())
    yield ok(name, f"{len(files)} files, {total / 1e6:.0f} MB, {hashed} compared by hash")


def check_record(site: Site) -> Iterator[Finding]:
    """Scripts, workers and pages against the record of the build."""
    wrong = []
    for path, wanted in site.record.files.items():
        if path.endswith(".html"):
            # Hosts may legitimately rewrite pages; their scripts are looked at elsewhere.
            continue
        got = site.source.get(path)
        if got.status != 200 or hashlib.sha256(got.body).hexdigest() != wanted:
            wrong.append(f"{path} ({'changed' if got.status == 200 else got.status})")
    if wrong:
        yield failed("our scripts", ", ".join(wrong), _AGAIN)
    else:
        yield ok("our scripts", "unchanged since the build")
