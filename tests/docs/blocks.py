"""Fenced blocks of code in the documentation, and what is done with each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.paths import REPOSITORY

PAGES: Final = [
    *sorted(REPOSITORY.glob("*.md")),
    *sorted((REPOSITORY / "docs").rglob("*.md")),
    REPOSITORY / "client" / "runtime" / "README.md",
]
_FENCE: Final = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.S | re.M)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: the file, from the top of the repository.
        line: of the page where it begins.
        language: as the fence says.
        text: without the fence and its indent.
    """

    page: str
    line: int
    language: str
    text: str

    @property
    def first(self) -> str:
        """The first line that is not empty, by which a block is found again when the page grows."""
        return next(line for line in self.text.splitlines() if line.strip())

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def collect(path: Path) -> list[Block]:
    """The blocks of a page."""
    text = path.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        indent = len(match["indent"])
        content = "".join(line[indent:] for line in match["text"].splitlines(keepends=True))
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(path.relative_to(REPOSITORY).as_posix(), line, match["language"], content))
    return found


BLOCKS: Final = [block for page in PAGES for block in collect(page)]

#: The first line of a block that no test runs, to why not.
NOT_RUN: Final[Mapping[str, str]] = {
    "class Channel(Protocol):": "an interface in outline; `client/pyspark_connect_web/channel` has it, under mypy",
    "import { boot } from '.../client/runtime/js/restore.js';": "an excerpt; tests/runtime/test_start.py boots with it",
    "import { preload } from '.../client/runtime/js/preload.js';": "an excerpt; tests/browser/lab preloads with it",
    "from pyspark.sql.connect.session import SparkSession as Session": "HOST and ID stand for a session that runs",
    "%%sql -o adults --limit 5": "a cell of the browser kernel: tests/browser/lab/test_sql.py",
    "import pyspark_connect_web as pcw": "HOST and PORT stand for a server; tests/client/test_patch.py connects so",
    "from pyspark.sql import SparkSession": "servers that are examples; tests/client/test_connection.py",
}

#: The start of a command that no test runs as it stands, to what shows that it works; its options are read.
COMMANDS: Final[Mapping[str, str]] = {
    "pip install pcw-server-ext": "build/wheel-venv is such an installation",
    "pip install 'pcw-server-ext[spark]'": "build/spark-venv is such an installation",
    "jupyter lab": "tests/browser/lab starts it",
    "jupyter pcw": "tests/cli and tests/site run each command",
    "make": "the Makefile's own targets",
    "envoy": "tests/site/test_recipes.py runs it with the file that is written",
    "git": "what RELEASE.md does to the repository",
    "ls": "shows files",
    ".venv/bin/python -m pytest": "the tests are run",
    ".venv/bin/python -m build --sdist": "publish.yml runs it",
}
