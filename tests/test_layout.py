"""How the tests are laid out: what one test module may take from another file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

TESTS = REPOSITORY / "tests"
MODULES = sorted(path for path in TESTS.rglob("*.py") if "__pycache__" not in path.parts)


def imported(path: Path) -> list[str]:
    """The full names of what a module imports; relative ones begin with a dot."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return names


def is_test_module(name: str) -> bool:
    """Whether a full name lies in a module that pytest collects, or in a conftest."""
    parts = name.split(".")
    files = [REPOSITORY.joinpath(*parts[:end]).with_suffix(".py") for end in range(1, len(parts) + 1)]
    return any(file.name.startswith(("test_", "conftest")) and file.is_file() for file in files)


def test_no_module_imports_a_test_module_or_a_conftest() -> None:
    """What is shared lies in `tests/support`, or in a helper beside the tests that use it."""
    found = [
        f"{path.relative_to(REPOSITORY)} imports {name}"
        for path in MODULES
        for name in imported(path)
        if is_test_module(name) or name.startswith(".")
    ]
    assert found == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tests.client.test_patch.Spark", True),
        ("tests.client.test_patch", True),
        ("tests.browser.conftest.REPOSITORY", True),
        ("tests.support.server.start", False),
        ("tests.parity.runs.test_rate", False),
        ("pytest.test_it", False),
    ],
)
def test_test_modules_are_told_by_their_names(name: str, expected: bool) -> None:
    assert is_test_module(name) is expected


def test_folders_with_tests_are_packages() -> None:
    """Two files of one name in folders that are no packages are one module to Python."""
    folders = {path.parent for path in TESTS.rglob("test_*.py")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []
