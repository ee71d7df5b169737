"""Tracebacks with a line that is not a whole statement."""

from __future__ import annotations

import inspect
import linecache

import pytest
from IPython.core.ultratb import VerboseTB
from pyspark_connect_web.kernel.statement_sources import show_parts_of_statements


@pytest.fixture(autouse=True)
def inspect_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect, "getblock", inspect.getblock)


def failing(name: str) -> ValueError:
    linecache.cache[name] = (1, None, ["raise ValueError('told', (\n"], name)
    try:
        exec(compile("raise ValueError('told')", name, "exec"), {})
    except ValueError as error:
        return error
    raise AssertionError


def test_block_that_ends_inside_a_statement_is_what_there_is_of_it() -> None:
    show_parts_of_statements()
    assert inspect.getblock(["raise Error(\n"]) == ["raise Error(\n"]
    assert inspect.getblock(["def f():\n", "    return 1\n", "x = 2\n"]) == ["def f():\n", "    return 1\n"]


def test_error_with_such_a_frame_is_shown() -> None:
    show_parts_of_statements()
    patched = inspect.getblock
    show_parts_of_statements()
    assert inspect.getblock is patched
    error = failing("<part-of-a-statement>")
    shown = "\n".join(
        VerboseTB(theme_name="nocolor").structured_traceback(type(error), error, error.__traceback__)
    )
    assert "ValueError: told" in shown
