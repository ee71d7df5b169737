"""The Stop button while Spark works: the cell ends, Spark is idle, and nothing else is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.lab.engine import ENDLESS, Engine
from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import LabPage, lab_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


#: Sets `stopMilliseconds` to the time between the click and the end of the cell.
_MEASURE = """index => {
  const model = window.jupyterapp.shell.currentWidget.content.widgets[index].model;
  window.stopMilliseconds = null;
  // The button acts when it is pressed down.
  document.addEventListener('mousedown', () => {
    const clicked = performance.now();
    model.stateChanged.connect(function ended(_, change) {
      if (change.name === 'executionState' && model.executionState === 'idle') {
        window.stopMilliseconds = performance.now() - clicked;
      }
    });
  }, { once: true, capture: true });
}"""


@pytest.fixture(scope="module", params=["sail_lab", "spark_lab"])
def stopped(request: pytest.FixtureRequest, browser: Browser) -> Iterator[tuple[LabPage, Engine]]:
    """A notebook with a temporary view and a variable, and its engine."""
    server = request.getfixturevalue(request.param)
    with lab_page(browser, server) as lab:
        lab.open().new_notebook()
        lab.run("spark.range(3).createOrReplaceTempView('kept'); kept = spark.session_id", 200).expect_ok()
        yield lab, Engine(server)


def press_stop(lab: LabPage, index: int) -> None:
    """One click on the toolbar's button."""
    lab.page.evaluate(_MEASURE, index)
    lab.page.locator(
        ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Toolbar [data-command='notebook:interrupt-kernel']"
    ).first.click()


@pytest.mark.parametrize(
    "code",
    [
        f"{ENDLESS}.groupBy('a').count().collect()",
        f"def mine():\n    {ENDLESS}.groupBy('a').count().show()\nmine()",
        f"{ENDLESS}.groupBy('a').count().write.mode('overwrite').csv('stopped')",
        f"spark.sql('SELECT sum(a) FROM {{frame}}', frame={ENDLESS}).collect()",
    ],
    ids=["collect", "show", "write", "sql"],
)
def test_one_press_ends_cell_and_query_and_nothing_else(stopped: tuple[LabPage, Engine], code: str) -> None:
    lab, engine = stopped
    index = lab.submit(code)
    engine.await_query(lab)
    press_stop(lab, index)
    result = lab.result(index, 60)
    assert result.error is not None
    assert result.error.startswith("KeyboardInterrupt")
    engine.await_load(busy=False)
    after = lab.run("kept == spark.session_id, spark.table('kept').count()").expect_ok()
    assert after.text == "(True, 3)"


@pytest.mark.alone
def test_cell_ends_within_a_second_of_the_press(browser: Browser, sail_lab: JupyterProcess) -> None:
    with lab_page(browser, sail_lab) as lab:
        lab.open().new_notebook()
        lab.run("spark.range(3).count()", 200).expect_ok()
        engine = Engine(sail_lab)
        index = lab.submit(f"{ENDLESS}.groupBy('a').count().collect()")
        engine.await_query(lab)
        press_stop(lab, index)
        assert (lab.result(index, 60).error or "").startswith("KeyboardInterrupt")
        # A second, where nothing but the query keeps the machine busy.
        busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        assert lab.page.evaluate("() => window.stopMilliseconds") < 1000 * busy
        engine.await_load(busy=False)


def test_a_program_may_catch_the_interrupt(stopped: tuple[LabPage, Engine]) -> None:
    lab, engine = stopped
    index = lab.submit(
        f"try:\n    {ENDLESS}.groupBy('a').count().collect()\n"
        "except KeyboardInterrupt:\n    print(spark.table('kept').count())"
    )
    engine.await_query(lab)
    press_stop(lab, index)
    assert lab.result(index, 60).expect_ok().text == "3\n"
    engine.await_load(busy=False)


#: Prints the id of each operation: a server that reports no progress does not tell it.
TELL_OPERATION = """
class Tell:
    def on_execute_plan(self, request):
        print(request.operation_id)
        return request

hooks = spark.client._session_hooks
spark.client._session_hooks = [*hooks, Tell()]
"""
_PRINTED = """index => {
  const cell = window.jupyterapp.shell.currentWidget.content.widgets[index].model;
  const printed = cell.outputs.toJSON().find(output => output.name === 'stdout');
  return printed && [printed.text].flat().join('').split('\\n')[0];
}"""


@pytest.mark.parametrize(
    "call", ["interruptAll()", "interruptTag('nightly')", "interruptOperation('{operation}')"]
)
def test_another_notebook_of_the_same_session_ends_the_query(
    stopped: tuple[LabPage, Engine], call: str
) -> None:
    lab, engine = stopped
    ids = lab.run("spark.addTag('nightly')\nprint(spark.session_id)").expect_ok().text.strip()
    index = lab.submit(f"{TELL_OPERATION}\n{ENDLESS}.groupBy('a').count().collect()")
    engine.await_query(lab)
    if "{operation}" in call:
        call = call.format(operation=lab.page.wait_for_function(_PRINTED, arg=index).json_value())
    first = lab.page.evaluate("() => window.jupyterapp.shell.currentWidget.id")
    lab.new_notebook()
    address = f"sc://127.0.0.1:{lab.server.port}/;transport=grpcweb;session_id={ids}"
    ended = lab.run(
        "from pyspark.sql.connect.session import SparkSession as Session\n"
        f"other = Session('{address}')\n"
        "kept = other.interruptTag('no query has it')\n"
        f"len(kept), len(other.{call})",
        100,
    )
    assert ended.expect_ok().text == "(0, 1)"
    lab.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown() }")
    lab.page.evaluate("id => window.jupyterapp.shell.activateById(id)", first)
    lab.page.wait_for_function("id => window.jupyterapp.shell.currentWidget.id === id", arg=first)
    error = lab.result(index, 60).error or ""
    # Sail forgets an interrupted operation.
    assert "CANCEL" in error.upper() or "operation not found" in error
    engine.await_load(busy=False)
    lab.run("spark.client._session_hooks = hooks; spark.clearTags()").expect_ok()
    assert lab.run("spark.table('kept').count()").expect_ok().text == "3"
