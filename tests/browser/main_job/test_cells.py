"""The same cells print the same in the browser kernel and in an ordinary ipykernel, on Sail and on Spark."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.main_job.cells import CELLS, Cell
from tests.browser.main_job.native import NativeResult, run_native
from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import CellResult, LabPage, lab_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@dataclass
class Run:
    """All cells, run once in the browser kernel and once in an ordinary kernel, on one engine."""

    engine: str
    root: Path
    page: LabPage
    browser: dict[str, CellResult]
    native: dict[str, NativeResult]


@pytest.fixture(
    scope="module", params=["sail", pytest.param("spark", marks=pytest.mark.spark)], ids=["sail", "spark"]
)
def run(request: pytest.FixtureRequest, browser: Browser, screenshots: Path) -> Iterator[Run]:
    """Click the launcher card, run every cell, then the same cells in an ordinary ipykernel."""
    server: JupyterProcess = request.getfixturevalue(
        {"sail": "sail_lab", "spark": "shared_spark"}[request.param]
    )
    with lab_page(browser, server) as page:
        page.open()
        page.card().wait_for()
        page.screenshot(screenshots, f"launcher-{request.param}")
        page.new_notebook()
        # The first cell is run at once: a kernel that still starts must hold it.
        found = {cell.name: page.run(cell.code, cell.timeout) for cell in CELLS}
        page.screenshot(screenshots, f"notebook-{request.param}")
        remote = server.environment.get("SPARK_REMOTE") or f"sc://127.0.0.1:{server.engine_port()}"
        native = run_native(remote, server.root, [(cell.code, cell.timeout) for cell in CELLS])
        yield Run(
            request.param, server.root, page, found, dict(zip([c.name for c in CELLS], native, strict=True))
        )


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_a_cell_prints_what_the_ordinary_client_prints(run: Run, cell: Cell) -> None:
    ours, theirs = run.browser[cell.name], run.native[cell.name]
    if run.engine not in cell.engines:
        assert ours.error is None
        return
    assert cell.comparable(ours.text) == cell.comparable(theirs.text)
    assert cell.comparable_error(ours.error) == cell.comparable_error(theirs.error)


def test_execution_counts_start_at_one(run: Run) -> None:
    assert [run.browser[cell.name].count for cell in CELLS] == list(range(1, len(CELLS) + 1))


def test_the_figures_equal_an_independent_computation(run: Run) -> None:
    highs: dict[str, list[float]] = defaultdict(list)
    with (run.root / "weather.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            highs[row["weather"]].append(float(row["temp_max"]))
    expected = {kind: (sum(values) / len(values), len(values)) for kind, values in highs.items()}
    lines = [line.split() for line in run.browser["csv_figures"].text.splitlines() if line.strip()]
    assert {kind: (pytest.approx(float(mean)), int(days)) for kind, mean, days in lines} == expected


def test_values_round_trip_with_nulls(run: Run) -> None:
    assert run.browser["round_trip"].expect_ok().text.rstrip().endswith("True")


def test_a_million_rows_arrive_complete_and_in_order(run: Run) -> None:
    assert run.browser["million_rows"].expect_ok().text.strip() == "1000000 True"


def test_a_misspelt_column_is_an_analysis_exception_that_names_it(run: Run) -> None:
    error = run.browser["misspelt_column"].error
    assert error is not None
    assert error.startswith("AnalysisException")
    assert "temp_maks" in error


def test_every_request_of_the_page_goes_to_the_server(run: Run) -> None:
    assert run.page.requests
    assert run.page.foreign_requests() == []
