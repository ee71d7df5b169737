"""Modules import each other in one direction only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = ("sail_site", "bundle")


def imports_of(package: Path) -> dict[str, set[str]]:
    """Which modules each module of a package imports: at the top, in functions, and for type checkers alike."""
    files = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        if not set(GENERATED) & set(parts):
            files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    found: dict[str, set[str]] = {}
    for name, path in files.items():
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = (f"{node.module}.{alias.name}" for alias in node.names)
                imported = [name if name in files else str(node.module) for name in names]
            else:
                continue
            found[name].update(set(imported) & set(files))
    return found


def circles(imports: dict[str, set[str]]) -> list[set[str]]:
    """The sets of modules that import each other, directly or through others."""
    reached: dict[str, set[str]] = {}
    for start in imports:
        seen: set[str] = set()
        waiting = set(imports[start])
        while waiting:
            module = waiting.pop()
            if module not in seen:
                seen.add(module)
                waiting |= imports[module]
        reached[start] = seen
    found = []
    for module in imports:
        circle = {other for other in reached[module] if module in reached[other]}
        if circle and circle not in found:
            found.append(circle)
    return found


def test_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [{"b", "c"}]


@pytest.mark.parametrize("package", ["client/pyspark_connect_web", "pcw_server_ext", "client/runtime"])
def test_no_modules_import_each_other(package: str) -> None:
    imports = imports_of(ROOT / package)
    assert len(imports) > 10
    assert circles(imports) == []
