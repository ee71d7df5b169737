"""What cannot be sent to a server's Python is refused by the client."""

from __future__ import annotations

import gc
import linecache
from types import CodeType
from typing import Any

import pytest
from pyspark_connect_web.errors import SourceUnavailable
from pyspark_connect_web.udf import source
from pyspark_connect_web.udf.source import find_source


def matching(x: int) -> int:
    match x:
        case 0:
            return 1
    return x


def test_syntax_that_the_server_lacks_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(SourceUnavailable) as caught:
        find_source(matching.__code__, (3, 9))
    assert str(caught.value) == (
        "matching() was not sent: the server's Python 3.9 has no match statements, which came with Python 3.10. "
        "Write it with the syntax of Python 3.9."
    )
    assert find_source(matching.__code__, (3, 10)).name == "matching"


def in_a_cell(text: str, filename: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The function `made` of a cell."""
    lines = text.splitlines(keepends=True)
    monkeypatch.setitem(linecache.cache, filename, (len(text), None, lines, filename))
    names: dict[str, Any] = {}
    exec(compile(text, filename, "exec"), names)
    return names["made"]


CELL = "name = 'n'\ntext, made = f'{name}', lambda x: x + 1\n"


def test_function_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each action makes the plan again, and beside an f-string the statement is dumped as well."""
    looked = []
    find = source._find

    def counting(code: CodeType, *arguments: Any) -> Any:
        looked.append(code)
        return find(code, *arguments)

    monkeypatch.setattr(source, "_find", counting)
    made = in_a_cell(CELL, "<cell once>", monkeypatch)
    first = find_source(made.__code__, (3, 9))
    assert "Lambda" in (first.dump or "")
    assert find_source(made.__code__, (3, 9)) is first
    assert len(looked) == 1
    assert find_source(made.__code__, source.LOCAL).dump is None
    assert len(looked) == 2


def test_equal_functions_of_two_files_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (in_a_cell(CELL, f"<cell {name}>", monkeypatch) for name in ("one", "other"))
    assert one.__code__ == other.__code__
    assert find_source(one.__code__, (3, 9)).filename == "<cell one>"
    assert find_source(other.__code__, (3, 9)).filename == "<cell other>"


def test_file_that_was_written_again_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = in_a_cell(CELL, "<cell again>", monkeypatch)
    assert find_source(made.__code__, source.LOCAL).source.startswith("\ntext, made")
    text = CELL.replace("text, made", "more, made")
    monkeypatch.setitem(
        linecache.cache, "<cell again>", (len(text), None, text.splitlines(keepends=True), "")
    )
    assert find_source(made.__code__, source.LOCAL).source.startswith("\nmore, made")


def test_functions_that_are_gone_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    made = in_a_cell(CELL, "<cell gone>", monkeypatch)
    before = set(source._found)
    find_source(made.__code__, (3, 9))
    (key,) = set(source._found) - before
    del made
    gc.collect()
    assert key not in source._found
