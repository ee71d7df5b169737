"""SQL cells, tables, Tab and help in the kernel's notebook, on the embedded engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import CellResult, LabPage, lab_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

EVIL = '<img src=x onerror=\\"window.escaped = false\\">'
PREPARE = f"""
age = 30
spark.createDataFrame([(1, "{EVIL}", 31), (2, None, 29)], ["id", "name", "age"]).createOrReplaceTempView("people")
"""

_COMPLETE = """async code => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const reply = await kernel.requestComplete({ code, cursor_pos: code.length });
  return reply.content.matches;
}"""

#: Put code into a cell, the cursor behind it.
_TYPE = """([index, code]) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = index;
  notebook.mode = 'edit';
  const cell = notebook.activeCell;
  cell.model.sharedModel.setSource(code);
  cell.editor.focus();
  const lines = code.split('\\n');
  cell.editor.setCursorPosition({ line: lines.length - 1, column: lines[lines.length - 1].length });
}"""


@pytest.fixture(scope="module")
def lab(browser: Browser, sail_lab: JupyterProcess) -> Iterator[LabPage]:
    with lab_page(browser, sail_lab) as page:
        page.open().new_notebook()
        page.run(PREPARE, 100).expect_ok()
        yield page


def shown(result: CellResult, kind: str = "text/html") -> str:
    [output] = [output for output in result.expect_ok().outputs if "data" in output]
    text: Any = output["data"].get(kind, "")
    return "".join(text)


def test_sql_cell_shows_an_escaped_table_and_assigns_the_frame(lab: LabPage, screenshots: Path) -> None:
    result = lab.run("%%sql -o adults\nSELECT * FROM people WHERE age >= :age;")
    table = shown(result)
    assert "&lt;img src=x" in table
    assert "<img" not in table
    assert "<td>31</td>" in table
    assert "<td>29</td>" not in table
    assert lab.page.evaluate("() => window.escaped") is None
    lab.screenshot(screenshots, "sql-cell")
    assert shown(lab.run("adults"), "text/plain").startswith("DataFrame[id: ")
    assert "<td>31</td>" in shown(lab.run("display(adults)"))


def test_sql_line_gives_a_frame_and_takes_frames(lab: LabPage) -> None:
    lab.run("frame = %sql SELECT 1 AS one UNION ALL SELECT 2").expect_ok()
    assert lab.run("sorted(frame.collect())").text == "[Row(one=1), Row(one=2)]"
    assert "First 1 rows; there are more." in shown(lab.run("%sql -l 1 SELECT * FROM {frame}"))
    assert not [o for o in lab.run("%sql -q SELECT 1").expect_ok().outputs if "data" in o]


def test_sql_mistake_is_told_in_a_line(lab: LabPage) -> None:
    result = lab.run("%sql -z SELECT 1")
    assert "no option -z" in result.all_text
    assert "Traceback" not in str(result.outputs)


@pytest.mark.parametrize(
    ("code", "match"),
    [
        ("%%sql\nSELECT * FROM peo", "people"),
        ("%%sql\nSELECT * FROM people WHERE ag", "age"),
        ("spark.table('peo", "people"),
        ("people = spark.sql('SELECT * FROM peo", "people"),
        ("frame.select('o", "one"),
        ("frame['o", "one"),
        ("frame.on", "one"),
        ("spark.createDataFr", "createDataFrame"),
    ],
)
def test_tab_completes(lab: LabPage, code: str, match: str) -> None:
    lab.run("frame = spark.range(1).selectExpr('id AS one')").expect_ok()
    assert match in lab.page.evaluate(_COMPLETE, code)


@pytest.mark.alone
@pytest.mark.parametrize(
    ("code", "match"),
    [
        ("frame.sel", "selectExpr"),
        ("frame.o", "one"),
        ("frame.groupBy('one').a", "agg"),
        ("frame['o", "one"),
        ("%%sql\nSELECT upp", "upper"),
        ("%%sql\nSELECT * FROM peo", "people"),
    ],
)
def test_first_tab_of_a_kernel_shows_names(browser: Browser, lab: LabPage, code: str, match: str) -> None:
    """JupyterLab drops an answer that takes longer than a second, so that it must not take long at first."""
    lab.page.evaluate(
        "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.restartKernel() }"
    )
    lab.run(f"{PREPARE}\nframe = spark.range(1).selectExpr('id AS one', 'id AS other')", 100).expect_ok()
    index = lab.submit("pass") + 1
    lab.page.evaluate(_TYPE, [index, code])
    lab.page.keyboard.press("Tab")
    names = lab.page.locator(".jp-Completer:not(.lm-mod-hidden) .jp-Completer-item")
    names.filter(has_text=match).first.wait_for()
    lab.page.keyboard.press("Escape")
    lab.page.evaluate(_TYPE, [index, ""])


def test_question_mark_shows_help(lab: LabPage) -> None:
    assert "Create a :class:`DataFrame`" in str(lab.run("spark.range?").expect_ok().outputs)
    assert "--output NAME" in str(lab.run("%sql?").expect_ok().outputs)


def test_eager_evaluation_shows_a_bare_frame_as_a_table(browser: Browser, spark_lab: JupyterProcess) -> None:
    with lab_page(browser, spark_lab) as lab:
        lab.open().new_notebook()
        lab.run(PREPARE, 200).expect_ok()
        lab.run("spark.conf.set('spark.sql.repl.eagerEval.enabled', 'true')").expect_ok()
        table = shown(lab.run("spark.table('people')"))
        assert "<td>31</td>" in table
        assert "<img" not in table
        lab.run("spark.conf.set('spark.sql.repl.eagerEval.enabled', 'false')").expect_ok()
        assert shown(lab.run("spark.table('people')")) == ""
