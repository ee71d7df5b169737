"""Checks of the browser runtime inside a site: same origin, complete, unchanged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from pcw_server_ext.site.check.files import Site
from pcw_server_ext.site.check.findings import Finding, failed, ok
from pcw_server_ext.site.hosts import RUNTIME_FOLDER

#: Downloads at a time.
_AT_ONCE = 4

_AGAIN = "Build the site again and deploy all of it; turn off anything at the host that rewrites files."


def check_runtime(site: Site) -> Iterator[Finding]:
    """All of the runtime's files against the hashes in its manifest: from a wrong one no kernel starts."""
    name = "browser runtime"
    base = f"{RUNTIME_FOLDER}/{site.record.runtime}"
    reply = site.source.get(f"{base}/manifest.json")
    try:
        manifest = json.loads(reply.body)
        files: dict[str, dict[str, object]] = manifest["files"]
        hashes = {path: str(entry["sha256"]) for path, entry in files.items()}
        total = sum(int(str(entry["size"])) for entry in files.values())
    except (ValueError, KeyError, TypeError, AttributeError):
        yield failed(name, f"{base}/manifest.json cannot be read (status {reply.status})", _AGAIN)
        return

    def problem_of(path: str) -> str | None:
        got = site.source.get(f"{base}/{path}")
        if got.status != 200:
            return f"{path} answers {got.status}"
        if hashlib.sha256(got.body).hexdigest() != hashes[path]:
            return f"{path} has other content"
        return None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        wrong = [problem for problem in pool.map(problem_of, files) if problem]
    if wrong:
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        yield failed(name, "; ".join(wrong[:5]) + more, _AGAIN)
        return
    yield ok(name, f"{len(files)} files, {total / 1e6:.0f} MB, compared by hash")


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
