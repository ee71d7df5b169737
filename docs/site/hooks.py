"""What MkDocs does more: pages from the top of the repository, a list of decisions, the tests' screenshots."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from mkdocs.structure.files import File, Files

REPOSITORY: Final = Path(__file__).parents[2]
#: File at the top of the repository to its page.
TOP: Final = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "RELEASE.md": "release.md",
}
#: The browser tests write them there.
SCREENSHOTS: Final = REPOSITORY / "screenshots"


def title(page: Path) -> str:
    """The first heading of a page."""
    found = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else page.stem


def moved(text: str) -> str:
    """A page of the top of the repository with its links as they are on the site."""

    def link(found: re.Match[str]) -> str:
        target, anchor = found[1], found[2] or ""
        if target in TOP:
            return f"]({TOP[target]}{anchor})"
        if target == "NOTICE":
            return f"](notice.md{anchor})"
        if target.rstrip("/") == "docs/decisions":
            return "](decisions/index.md)"
        return f"]({target.removeprefix('docs/')}{anchor})"

    return re.sub(r"\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)", link, text)


def decisions() -> list[Path]:
    """The decision records, by name."""
    return sorted((REPOSITORY / "docs" / "decisions").glob("*.md"))


def on_config(config: Any) -> Any:
    """Fill the navigation: decisions, pages that mkdocs.yml does not name, and the screenshots when there are any."""
    named = str(config.nav)
    others = [page.name for page in sorted((REPOSITORY / "docs").glob("*.md")) if page.name not in named]
    for entry in config.nav:
        if "Decisions" in entry:
            entry["Decisions"] = ["decisions/index.md", *(f"decisions/{page.name}" for page in decisions())]
        if "How it works" in entry:
            entry["How it works"] += others
    if any(SCREENSHOTS.glob("*.png")):
        config.nav.insert(3, {"Screenshots": "screenshots.md"})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in docs/."""

    def page(name: str, text: str) -> None:
        files.append(File.generated(config, name, content=text))

    for source, target in TOP.items():
        page(target, moved((REPOSITORY / source).read_text(encoding="utf-8")))
    notice = (REPOSITORY / "NOTICE").read_text(encoding="utf-8")
    page("notice.md", f"# Notice\n\n```text\n{notice}```\n")
    listed = "\n".join(f"- [{title(one)}]({one.name})" for one in decisions())
    page("decisions/index.md", f"# Decisions\n\nWhy things are as they are.\n\n{listed}\n")
    shots = sorted(SCREENSHOTS.glob("*.png"))
    for shot in shots:
        files.append(File.generated(config, f"images/{shot.name}", abs_src_path=str(shot)))
    if shots:
        shown = "\n\n".join(
            f"## {shot.stem.replace('-', ' ').capitalize()}\n\n![{shot.stem}](images/{shot.name})"
            for shot in shots
        )
        page("screenshots.md", f"# Screenshots\n\nMade by the browser tests.\n\n{shown}\n")
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links from docs/ to the top of the repository lead to the pages that these files have become."""
    return re.sub(
        r"\]\((?:\.\./)+(README|CHANGELOG|CONTRIBUTING|SECURITY|RELEASE)\.md(#[^)\s]*)?\)",
        lambda found: f"]({TOP[found[1] + '.md']}{found[2] or ''})",
        markdown,
    )
