"""Whatever goes wrong, the cell ends soon with a clear error, and the kernel goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser

from tests.browser.lab.engine import Engine
from tests.support.jupyter import JupyterProcess, free_port
from tests.support.lab_page import CellResult, LabPage, lab_page
from tests.support.labs import StartLab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

WITHIN = 60.0
"""Seconds. On a machine with nothing else to do it is ten at most; what it must not be is PySpark's own patience, which
tries again for many minutes."""
LONG_QUERY = "spark.range(10**13).selectExpr('sum(id * id % 7) AS s').collect()"


def fails(page: LabPage, code: str) -> str:
    """Run `code`, which must fail soon; the kernel must then still work. Return the error.

    The kernel has started before: how long that takes is another matter.
    """
    close_dialogs(page)
    page.run("'started'").expect_ok()
    index = page.submit(code)
    error = page.result(index, WITHIN).error
    assert error is not None, f"no error came from: {code}"
    assert_usable(page)
    return error


def close_dialogs(page: LabPage) -> None:
    """Dismiss what JupyterLab itself says about a lost server."""
    for button in page.page.locator("dialog.jp-Dialog button.jp-mod-accept, dialog.jp-Dialog button").all():
        if button.is_visible():
            button.click()
            return


def assert_usable(page: LabPage) -> CellResult:
    """The kernel still runs code."""
    close_dialogs(page)
    result = page.run("6 * 7", WITHIN).expect_ok()
    assert result.text == "42"
    return result


@pytest.fixture(scope="module")
def open_lab(browser: Browser) -> Iterator[Callable[[JupyterProcess], LabPage]]:
    """The page of a server, opened once: a query that fails concerns the kernel of its notebook, and no other."""
    pages: dict[str, LabPage] = {}
    with ExitStack() as stack:

        def page_of(server: JupyterProcess) -> LabPage:
            if server.url not in pages:
                pages[server.url] = stack.enter_context(lab_page(browser, server)).open()
            return pages[server.url]

        yield page_of


@pytest.fixture
def notebook_on(
    request: pytest.FixtureRequest, open_lab: Callable[[JupyterProcess], LabPage]
) -> Iterator[Callable[[str], LabPage]]:
    """`notebook_on("sail")`: a new notebook on an engine, in a page that tests share; its kernel ends with the test."""
    opened: list[LabPage] = []

    def make(engine: str) -> LabPage:
        page = open_lab(request.getfixturevalue(f"{engine}_lab")).new_notebook()
        opened.append(page)
        return page

    yield make
    for page in opened:
        page.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("spark.range(1).select('nope').show()", r"^AnalysisException: .*nope"),
        ("spark.sql('SELEC 1').show()", r"SELEC"),
        (
            "spark.conf.set('spark.sql.ansi.enabled', 'true'); spark.sql('SELECT 1 / 0 AS x').collect()",
            r"(?i)^\w*(Arithmetic|Exception).*(division|divide).*zero",
        ),
    ],
    ids=["unknown-column", "bad-sql", "division-by-zero"],
)
@pytest.mark.parametrize("engine", ["sail", pytest.param("spark", marks=pytest.mark.spark)])
def test_a_wrong_query_is_a_pyspark_exception(
    notebook_on: Callable[[str], LabPage],
    request: pytest.FixtureRequest,
    screenshots: Path,
    engine: str,
    code: str,
    expected: str,
) -> None:
    page = notebook_on(engine)
    page.run("spark.range(1).collect()").expect_ok()
    error = fails(page, code)
    page.screenshot(screenshots, f"error-{engine}-{request.node.callspec.id}")
    assert re.search(expected, error, re.DOTALL), error
    assert page.run("spark.range(2).collect()").expect_ok().text == "[Row(id=0), Row(id=1)]"


@pytest.mark.spark
def test_a_missing_file_is_a_pyspark_exception_that_names_it(notebook_on: Callable[[str], LabPage]) -> None:
    # Sail reads a path without files as no rows, for every client. The engine of `spark_lab` is its own.
    error = fails(notebook_on("spark"), "spark.read.csv('nowhere.csv').show()")
    assert error.startswith("AnalysisException")
    assert "nowhere.csv" in error


def test_the_engine_killed_during_a_query_is_named_and_started_again(
    browser: Browser, start_lab: StartLab
) -> None:
    server = start_lab("--PcwExtension.engine=sail")
    with lab_page(browser, server) as page:
        page.open().new_notebook().run("spark.range(1).collect()").expect_ok()
        index = page.submit(LONG_QUERY)
        Engine(server).await_load(busy=True)
        port = server.engine_port()
        killed = [child for child in server.children() if listens(child, port)]
        for process in killed:
            process.kill()
        error = page.result(index, WITHIN).error
        assert error is not None
        assert "The Spark engine stopped" in error
        assert "started again with the next query" in error
        assert_usable(page)
        assert page.run("spark.range(2).collect()").expect_ok().text == "[Row(id=0), Row(id=1)]"


def listens(process: psutil.Process, port: int) -> bool:
    """Whether `process` listens on `port`."""
    try:
        return any(c.laddr.port == port and c.status == psutil.CONN_LISTEN for c in process.net_connections())
    except psutil.Error:
        return False


def test_an_engine_that_cannot_start_is_named(browser: Browser, start_lab: StartLab, venv: Path) -> None:
    # Without Java on PATH, and in an environment without pyspark too, Apache Spark cannot be started.
    server = start_lab(
        "--PcwExtension.engine=spark", environment={"PATH": str(venv / "bin"), "JAVA_HOME": ""}
    )
    with lab_page(browser, server) as page:
        error = fails(page.open().new_notebook(), "spark.range(1).collect()")
        assert re.search(r"pip install|[Ii]nstall .*Java|Java 17", error), error


def test_an_upstream_that_refuses_is_named(browser: Browser, start_lab: StartLab) -> None:
    port = free_port()
    server = start_lab(environment={"SPARK_REMOTE": f"sc://127.0.0.1:{port}"})
    with lab_page(browser, server) as page:
        error = fails(page.open().new_notebook(), "spark.range(1).collect()")
        assert "cannot be reached" in error
        assert str(port) not in error


def test_a_server_that_stopped_is_named(browser: Browser, start_lab: StartLab) -> None:
    server = start_lab("--PcwExtension.engine=sail")
    with lab_page(browser, server) as page:
        page.open().new_notebook().run("spark.range(1).collect()").expect_ok()
        server.stop()
        error = fails(page, "spark.range(1).collect()")
        assert "server" in error


def test_a_token_that_is_no_longer_valid_is_a_403_that_says_so(browser: Browser, start_lab: StartLab) -> None:
    server = start_lab("--PcwExtension.engine=sail")
    with lab_page(browser, server) as page:
        page.open().new_notebook().run("spark.range(1).collect()").expect_ok()
        server.stop()
        again = JupyterProcess(
            server.venv, server.root, server.state / "again", arguments=server.arguments, port=server.port
        )
        try:
            error = fails(page, "spark.range(1).collect()")
            assert re.search(r"403|log in|logged", error), error
        finally:
            again.stop()


@pytest.fixture
def not_isolated(browser: Browser, start_lab: StartLab) -> Iterator[LabPage]:
    """A page whose isolation headers are switched off by configuration."""
    with lab_page(browser, start_lab("--PcwExtension.isolation=off")) as page:
        yield page.open().new_notebook()


def test_a_page_that_is_not_isolated_says_so_with_the_remedy(not_isolated: LabPage) -> None:
    assert not_isolated.run("import js; js.crossOriginIsolated").expect_ok().text == "False"
    index = not_isolated.submit("spark.range(1).collect()")
    error = not_isolated.result(index, 5.0).error
    assert error is not None
    assert "isolat" in error
    assert "PcwExtension.isolation" in error
    assert_usable(not_isolated)
