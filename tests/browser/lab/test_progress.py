"""The bar in the cell of a long query: there while it runs, gone with the result, never for a quick one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import LabPage, lab_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

ENDLESS = "spark.range(0, 10**13, 1, 8).selectExpr('id % 7 AS a').groupBy('a').count().collect()"

#: Apache Spark's tasks sleep: what it reports of them is what is shown, and they leave the processor to others.
SLEEP = "reflect('java.lang.Thread', 'sleep', 3600000L)"

#: Notes every bar that is ever in the page.
_COUNT_BARS = """() => {
  window.barsSeen = 0;
  new MutationObserver(records => {
    for (const record of records) {
      window.barsSeen += [...record.addedNodes].filter(node => node.classList?.contains('pcw-Query')).length;
    }
  }).observe(document.body, { childList: true, subtree: true });
}"""


def open_notebook(browser: Browser, server: JupyterProcess) -> Iterator[LabPage]:
    with lab_page(browser, server) as lab:
        lab.open().new_notebook()
        lab.run("spark.range(1).collect()", 200).expect_ok()
        lab.page.evaluate(_COUNT_BARS)
        yield lab


@pytest.fixture(scope="module")
def on_spark(browser: Browser, spark_lab: JupyterProcess) -> Iterator[LabPage]:
    yield from open_notebook(browser, spark_lab)


@pytest.fixture(scope="module")
def on_sail(browser: Browser, sail_lab: JupyterProcess) -> Iterator[LabPage]:
    yield from open_notebook(browser, sail_lab)


def bar_of(lab: LabPage) -> Locator:
    """The bars below the code of the notebook's cells."""
    return lab.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .pcw-Query")


def stop(lab: LabPage, index: int) -> None:
    lab.page.evaluate("() => void window.jupyterapp.commands.execute('notebook:interrupt-kernel')")
    assert (lab.result(index, 60).error or "").startswith("KeyboardInterrupt")


def test_spark_reports_stages_and_tasks_in_both_themes(on_spark: LabPage, screenshots: Path) -> None:
    lab = on_spark
    index = lab.submit(f"print('<b>before</b>')\nspark.range(0, 8, 1, 8).selectExpr(\"{SLEEP}\").collect()")
    bar = bar_of(lab)
    expect(bar).to_have_count(1, timeout=30_000)
    # Spark reports every two seconds.
    expect(bar).to_contain_text("tasks 0 of 8", timeout=60_000)
    expect(bar).to_contain_text("Stages 0 of 1")
    expect(bar).to_contain_text(" s")
    assert bar.locator("progress").get_attribute("max") == "8"
    lab.screenshot(screenshots, "progress-light")
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        lab.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme }).then(() => null)",
            theme,
        )
        if theme.endswith("Dark"):
            lab.page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
            expect(lab.page.locator("#jupyterlab-splash")).to_have_count(0)
            lab.screenshot(screenshots, "progress-dark")
    stop(lab, index)
    expect(bar).to_have_count(0)
    # What the cell printed is there; the bar was never an output of it.
    outputs = lab.result(index).outputs
    assert [output["output_type"] for output in outputs] == ["stream", "error"]


def test_bar_gives_way_to_the_result(on_spark: LabPage) -> None:
    index = on_spark.submit(
        "spark.range(0, 6 * 10**9, 1, 8).selectExpr('sum(id % 7 * id % 11) AS s').collect()\nprint('done')\n6 * 7"
    )
    bar = bar_of(on_spark)
    expect(bar).to_contain_text("of 8", timeout=60_000)
    result = on_spark.result(index, 200).expect_ok()
    expect(bar).to_have_count(0)
    assert [output["output_type"] for output in result.outputs] == ["stream", "execute_result"]
    assert result.text == "done\n42"


def test_bytes_that_were_read_are_shown(on_spark: LabPage) -> None:
    on_spark.run(
        "spark.range(0, 400_000, 1, 4).selectExpr('id', 'md5(string(id)) AS m').write.mode('overwrite')"
        ".parquet('read_me')",
        200,
    ).expect_ok()
    index = on_spark.submit(
        f"read = spark.read.parquet('read_me').repartition(4)\nread.selectExpr('m', \"{SLEEP}\").collect()"
    )
    # Spark tells what a task has read when the task has ended: there is a stage behind the one that reads.
    expect(bar_of(on_spark)).to_contain_text("B read", timeout=90_000)
    stop(on_spark, index)


def test_query_of_a_server_that_reports_nothing_shows_its_time(on_sail: LabPage) -> None:
    index = on_sail.submit(ENDLESS)
    bar = bar_of(on_sail)
    expect(bar).to_contain_text("Spark is running · ", timeout=30_000)
    assert bar.locator("progress").get_attribute("value") is None
    stop(on_sail, index)
    expect(bar).to_have_count(0)


@pytest.mark.alone
def test_quick_query_shows_nothing(on_sail: LabPage) -> None:
    before = on_sail.page.evaluate("() => window.barsSeen")
    on_sail.run("for _ in range(5): spark.range(3).collect()").expect_ok()
    assert on_sail.page.evaluate("() => window.barsSeen") == before


@pytest.mark.parametrize(
    "off", ["import os; os.environ['PCW_PROGRESS'] = 'off'", "spark.clearProgressHandlers()"]
)
def test_it_can_be_switched_off(on_sail: LabPage, off: str) -> None:
    before = on_sail.page.evaluate("() => window.barsSeen")
    index = on_sail.submit(f"{off}\n{ENDLESS}")
    on_sail.page.wait_for_timeout(3000)
    assert on_sail.page.evaluate("() => window.barsSeen") == before
    stop(on_sail, index)
    on_sail.run("os.environ.pop('PCW_PROGRESS', None)").expect_ok()
