"""The HTTP/2 core does no I/O: it imports neither sockets nor event loops nor frameworks."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pcw_server_ext.proxy.upstream.http2

FILES = sorted(Path(pcw_server_ext.proxy.upstream.http2.__file__).parent.glob("*.py"))
PACKAGE = pcw_server_ext.proxy.upstream.http2.__name__
ALLOWED = {"__future__", "collections", "dataclasses", "enum", "functools", "hpack", "re", "struct", "typing"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_module_imports_no_io(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found = {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            module = str(node.module)
            own = module == PACKAGE or module.startswith(f"{PACKAGE}.")
            found = set() if own else {module.partition(".")[0]}
        else:
            continue
        assert found <= ALLOWED
