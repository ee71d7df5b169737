"""The demo notebook, opened in JupyterLab and run whole, as `make lab` offers it."""

from __future__ import annotations

import csv
import shutil

import pytest
from playwright.sync_api import Browser

from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import lab_page
from tests.support.paths import REPOSITORY

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

_INDICES_OF_CODE = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .map((cell, index) => [cell.model.type, index]).filter(([type]) => type === 'code').map(([, index]) => index)"""


@pytest.mark.parametrize("engine", ["sail", pytest.param("spark", marks=pytest.mark.spark)])
def test_demo_notebook_runs_whole(engine: str, request: pytest.FixtureRequest, browser: Browser) -> None:
    server: JupyterProcess = request.getfixturevalue(f"{engine}_lab")
    shutil.copy(REPOSITORY / "demo" / "weather.ipynb", server.root)
    with (REPOSITORY / "demo" / "weather.csv").open() as file:
        days = list(csv.DictReader(file))
    with lab_page(browser, server) as lab:
        lab.open("tree/weather.ipynb")
        # Until the file is read the panel shows one empty code cell, which is none of the notebook's.
        lab.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.ready")
        lab.page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-all-cells')")
        results = [lab.result(index).expect_ok() for index in lab.page.evaluate(_INDICES_OF_CODE)]
    assert [result.count for result in results] == list(range(1, len(results) + 1))
    printed = "\n".join(result.text for result in results)
    assert "temp_maks" in printed
    wettest = max(days, key=lambda day: float(day["precipitation"]))
    assert f"{float(wettest['precipitation'])} mm" in printed
    wet = sum(float(day["precipitation"]) > 20 for day in days)
    assert results[-1].text.strip() == str(wet)
