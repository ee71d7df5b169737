"""Checks that all of a site was deployed: each file of its build is there, and of the size or content that it had."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.site import inventory
from pcw_server_ext.site.check.files import Site
from pcw_server_ext.site.check.findings import Finding, failed, note, ok
from pcw_server_ext.site.check.source import FolderSource

#: Requests at a time: a host that is far away answers each of some hundred.
_AT_ONCE = 12
_MOST_NAMED = 5

#: What owners and hosts may change after a build: configuration, and pages, whose scripts are looked at elsewhere.
_CHANGEABLE = ("jupyter-lite.json", "jupyter-lite.ipynb")

_FIX = (
    "Deploy the whole folder that the build wrote. A .gitignore may keep folders such as build/ out: add them with "
    "git add --force."
)


def check_deployed(site: Site, *, everything: bool) -> Iterator[Finding]:
    """The files of the site against the list that its build wrote.

    Args:
        site: the site.
        everything: download and hash each file (a folder's are always read), instead of asking for its size.
    """
    name = "deployed files"
    reply = site.source.get(inventory.NAME)
    if reply.status != 200:
        yield note(
            name,
            f"not compared: there is no {inventory.NAME} (status {reply.status})",
            "Build the site again, and deploy all of it.",
        )
        return
    try:
        wanted = inventory.loads(reply.body)
    except SiteRefused as error:
        yield failed(name, str(error), _FIX)
        return
    whole = everything or isinstance(site.source, FolderSource)

    def problem_of(path: str) -> str | None:
        return _problem(site, path, wanted[path], whole=whole)

    # Results come in order; an error of the connection is raised here, and ends the check.
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        problems = {
            path: problem
            for path, problem in zip(wanted, pool.map(problem_of, wanted), strict=True)
            if problem
        }
    if problems:
        yield failed(name, _told(problems, list(wanted)), _FIX)
    else:
        how = "compared by hash" if whole else "there, each of the right size"
        yield ok(name, f"{len(wanted)} files are {how}")


def _problem(site: Site, path: str, entry: inventory.Entry, *, whole: bool) -> str | None:
    page = path.endswith(".html")
    changeable = page or path in _CHANGEABLE
    got = site.source.get(path, body=whole and not changeable)
    if page and got.status in (301, 302, 307, 308):
        # Cloudflare redirects x.html to x.
        return None
    if got.status != 200:
        return f"answers {got.status}"
    if changeable:
        return None
    if whole:
        return None if hashlib.sha256(got.body).hexdigest() == entry.sha256 else "has other content"
    length = got.headers.get("content-length")
    if "content-encoding" not in got.headers and length not in (None, str(entry.size)):
        return f"has {length} bytes, not {entry.size}"
    return None


def _told(problems: dict[str, str], paths: list[str]) -> str:
    """Return which files have which problem; of a folder that is missing altogether, its name."""
    folders = Counter(path.partition("/")[0] for path in paths if "/" in path)
    absent = Counter(
        path.partition("/")[0] for path, problem in problems.items() if "/" in path and "answers" in problem
    )
    gone = [folder for folder, count in absent.items() if count == folders[folder]]
    told = [f"all of {folder}/ is missing ({absent[folder]} files)" for folder in gone]
    told += [f"{path} {problem}" for path, problem in problems.items() if path.partition("/")[0] not in gone]
    more = f"; and {len(told) - _MOST_NAMED} more" if len(told) > _MOST_NAMED else ""
    return "; ".join(told[:_MOST_NAMED]) + more
