"""The map at the head of the architecture page leads to files and folders that exist."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
MAP = PAGE.partition("## Where to change what")[2].partition("\n## ")[0]
ROWS = [line for line in MAP.splitlines() if line.startswith("| ")][2:]


def test_the_map_has_a_row_for_each_of_the_common_changes() -> None:
    assert len(ROWS) == 20


def test_every_room_on_the_map_exists() -> None:
    named = [place for row in ROWS for place in re.findall(r"`([\w./-]+/[\w./-]*|\w+\.\w+)`", row)]
    assert len(named) >= len(ROWS)
    assert [place for place in named if not (REPOSITORY / place).exists()] == []


def test_no_folder_of_the_product_is_flat() -> None:
    """A folder with dozens of modules hides where a change belongs."""
    packages = [REPOSITORY / "pcw_server_ext", REPOSITORY / "client", REPOSITORY / "labextension" / "src"]
    folders = {
        file.parent
        for package in packages
        for pattern in ("*.py", "*.ts")
        for file in package.rglob(pattern)
        if not {"node_modules", "bundle", "sail_site", "labextension"} & set(file.relative_to(package).parts)
    }
    crowded = {
        str(folder.relative_to(REPOSITORY)): count
        for folder in folders
        if (count := sum(len(list(folder.glob(pattern))) for pattern in ("*.py", "*.ts"))) > 22
    }
    assert crowded == {}
