"""`%%time` before cells that await, in a real IPython shell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import CLIENT

PRELUDE = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from IPython.core.interactiveshell import InteractiveShell
from pyspark_connect_web.kernel.timing import time_awaiting_cells
shell = InteractiveShell.instance()
time_awaiting_cells(shell)
shell.run_cell("import asyncio")

def run(cell):
    result = shell.run_cell(cell, store_history=True)
    print("result", repr(result.result), type(result.error_in_exec or result.error_before_exec).__name__)

"""


def in_shell(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + code, str(CLIENT)],
        env={"IPYTHONDIR": str(folder), "HOME": str(folder), "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_cell_that_awaits_is_timed(tmp_path: Path) -> None:
    shown = in_shell(
        'run("%%time\\nfirst = await asyncio.sleep(0.05, 1)\\nsecond = 2\\nawait asyncio.sleep(0, first + second)")\n'
        'run("first, second")\n'
        'run("%%time\\nawait asyncio.sleep(0, 5);")\n'
        'run("%%time\\nasync with asyncio.Lock():\\n    third = 3")\n'
        'run("third")',
        tmp_path,
    )
    assert shown.count("CPU times: user ") == shown.count("\nWall time: ") == 3
    assert [line for line in shown.splitlines() if line.startswith("result")] == [
        "result 3 NoneType",
        "result (1, 2) NoneType",
        "result None NoneType",
        "result None NoneType",
        "result 3 NoneType",
    ]


@pytest.mark.parametrize(
    ("cell", "error"),
    [
        ("%%time\\nawait asyncio.sleep(0)\\n1 / 0", "ZeroDivisionError"),
        ("%%time --no-raise-error\\nawait asyncio.sleep(0)\\n1 / 0", "NoneType"),
    ],
)
def test_cell_that_fails_is_timed_too(tmp_path: Path, cell: str, error: str) -> None:
    shown = in_shell(f'run("{cell}")', tmp_path)
    assert "\nWall time: " in shown
    assert f"result None {error}" in shown


def test_other_words_are_refused_as_elsewhere(tmp_path: Path) -> None:
    shown = in_shell('run("%%time x\\nawait asyncio.sleep(0)")', tmp_path)
    assert "Can't use statement directly after '%%time'!" in shown


def test_cell_that_awaits_nothing_is_ipythons_own(tmp_path: Path) -> None:
    shown = in_shell(
        'run("%%time\\n6 * 7")\nrun("%%time\\nasync def later(): await asyncio.sleep(1)")', tmp_path
    )
    assert shown.count("\nWall time: ") == 2
    assert "result 42 NoneType" in shown
