"""A group of exceptions is an error of its cell."""

from __future__ import annotations

import sys
from typing import Any, cast

import pytest
from IPython.core.interactiveshell import InteractiveShell
from pyspark_connect_web.kernel.exception_groups import _has_group, hand_over_groups

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no exception groups")


class Shell(InteractiveShell):
    """Keeps what it is handed, as the browser kernel's shell does."""

    shown: tuple[str, str, list[str]] | None = None

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        self.shown = (etype.__name__, str(evalue), stb)


@pytest.fixture
def shell() -> Any:
    shell: Any = cast(Any, Shell)()
    hand_over_groups(shell)
    return shell


@pytest.mark.parametrize(
    ("source", "name", "value"),
    [
        ("raise ExceptionGroup('g', [ValueError(1)])", "ExceptionGroup", "g (1 sub-exception)"),
        ("raise BaseExceptionGroup('g', [SystemExit(1)])", "BaseExceptionGroup", "g (1 sub-exception)"),
        (
            "try:\n    raise ExceptionGroup('g', [ValueError(1)])\nexcept Exception:\n    raise KeyError(2)",
            "KeyError",
            "2",
        ),
        (
            "import asyncio\n"
            "async def fails(): raise ValueError(1)\n"
            "async def main():\n"
            "    async with asyncio.TaskGroup() as group:\n"
            "        group.create_task(fails())\n"
            "asyncio.run(main())",
            "ExceptionGroup",
            "unhandled errors in a TaskGroup (1 sub-exception)",
        ),
    ],
)
def test_a_group_is_handed_over(
    shell: Any, source: str, name: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell(source)
    assert shell.shown is not None
    assert shell.shown[:2] == (name, value)
    shown = "\n".join(shell.shown[2])
    assert "ValueError: 1" in shown or "SystemExit: 1" in shown
    assert "interactiveshell.py" not in shown
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_context_that_leads_back_to_a_group_ends(shell: Any) -> None:
    shell.run_cell(
        "group, other = ExceptionGroup('g', [ValueError(1)]), KeyError(2)\n"
        "group.__context__, other.__context__ = other, group\nraise other"
    )
    assert shell.shown[:2] == ("KeyError", "2")


def test_context_that_leads_back_without_a_group_ends() -> None:
    first, second = KeyError(1), KeyError(2)
    first.__context__, second.__context__ = second, first
    assert not _has_group(second)


def test_another_exception_is_shown_as_ever(shell: Any) -> None:
    shell.run_cell("1/0")
    assert shell.shown[0] == "ZeroDivisionError"
    shell.run_cell("1 +")
    assert shell.shown[0] in ("SyntaxError", "_IncompleteInputError")
