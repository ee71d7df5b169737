"""`make docs`: the site is built without a warning, and asks nothing of another origin when it is looked at."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

PAGES = sorted(path.relative_to(REPOSITORY / "docs") for path in (REPOSITORY / "docs").rglob("*.md"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site."""
    target = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        # not --quiet, with which MkDocs does not count warnings
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


class _Loaded(HTMLParser):
    """What a browser loads with a page, without a click."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "img", "iframe", "source", "audio", "video"):
            self.addresses.append(given.get("src") or "")
        elif tag == "link" and set((given.get("rel") or "").split()) & {
            "stylesheet",
            "preload",
            "icon",
            "preconnect",
        }:
            self.addresses.append(given.get("href") or "")


def test_pages_load_nothing_from_elsewhere(built: Path) -> None:
    for page in built.rglob("*.html"):
        parser = _Loaded()
        parser.feed(page.read_text(encoding="utf-8"))
        assert [one for one in parser.addresses if re.match(r"(https?:)?//", one)] == [], page.name
    for sheet in built.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


def test_every_page_of_the_repository_is_on_the_site(built: Path) -> None:
    for page in [
        *PAGES,
        *map(Path, ("changelog.md", "contributing.md", "security.md", "release.md", "notice.md")),
    ]:
        assert (built / page.with_suffix("") / "index.html").is_file(), page
    start = (built / "index.html").read_text(encoding="utf-8")
    assert 'href="user-guide/"' in start
    assert (built / "search" / "search_index.json").is_file()
