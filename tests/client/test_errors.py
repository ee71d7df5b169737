"""The trees of exceptions that two docstrings show are the trees that there are."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from tests.support.paths import CLIENT, REPOSITORY

#: Classes of exceptions outside of the trees: others say what these are, or they end a loop and reach nobody.
CLIENT_OTHERS = {
    "wire/errors.py", "lean/arrow/errors.py", "lean/standins/grpc.py", "lean/standins/zstandard.py", "rpc/error.py",
    "rpc/waiting.py", "kernel/sql/magic.py",
}  # fmt: skip
SERVER_OTHERS = {
    "proxy/upstream/http2/errors.py",
    "proxy/call/relay.py",
    "engines/build_sail_site.py",
    "engines/sail_guard.py",
    "packages/index/pages.py",
    "packages/index/upstream.py",
    "packages/index/wheel_files.py",
    "packages/kept_files.py",
}
PACKAGES = [
    pytest.param("pyspark_connect_web", CLIENT / "pyspark_connect_web", CLIENT_OTHERS, id="client"),
    pytest.param("pcw_server_ext", REPOSITORY / "pcw_server_ext", SERVER_OTHERS, id="server"),
]
_LINE = re.compile(r"^([ |│+├└─-]*)([A-Z]\w+)(?:  |$)", re.MULTILINE)


def tree_of(text: str) -> dict[str, str | None]:
    """Each class of a drawn tree, and the one that it is drawn below."""
    found: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for line in _LINE.finditer(text):
        if not found and line[2] != "PcwError":
            continue
        depth = len(line[1])
        while above and above[-1][0] >= depth:
            above.pop()
        found[line[2]] = above[-1][1] if above else None
        above.append((depth, line[2]))
    return found


@pytest.mark.parametrize(("package", "folder", "others"), PACKAGES)
def test_docstring_shows_the_tree(package: str, folder: Path, others: set[str]) -> None:
    module = importlib.import_module(f"{package}.errors")
    classes = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__
    }
    real = {
        name: next((base.__name__ for base in value.__bases__ if base.__name__ in classes), None)
        for name, value in classes.items()
    }
    assert tree_of(module.__doc__ or "") == real
    assert [name for name, parent in real.items() if parent is None] == ["PcwError"]


@pytest.mark.parametrize(("package", "folder", "others"), PACKAGES)
def test_every_class_is_raised_and_no_other_is_made(package: str, folder: Path, others: set[str]) -> None:
    module = importlib.import_module(f"{package}.errors")
    parents = tree_of(module.__doc__ or "")
    made: set[str] = set()
    elsewhere: set[str] = set()
    for path in folder.rglob("*.py"):
        name = path.relative_to(folder).as_posix()
        if name == "errors.py" or name.startswith(("engines/sail_site/", "runtime/bundle/")):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                made.add(node.id)
            if isinstance(node, ast.ClassDef) and any(
                re.search(r"(Error|Exception|Interrupt)\b", ast.unparse(base)) for base in node.bases
            ):
                elsewhere.add(name)
    assert {name for name in parents if name not in made | set(parents.values())} == set()
    assert elsewhere == others
