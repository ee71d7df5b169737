"""The HTTP/2 core does no I/O: it imports neither sockets nor event loops nor frameworks."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pcw_server_ext.proxy.http2

FILES = sorted(Path(pcw_server_ext.proxy.http2.__file__).parent.glob("*.py"))
ALLOWED = {"__future__", "collections", "dataclasses", "enum", "functools", "hpack", "re", "struct", "typing"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_module_imports_no_io(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found = {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= 1
            found = set() if node.level else {str(node.module).partition(".")[0]}
        else:
            continue
        assert found <= ALLOWED
