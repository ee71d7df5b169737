"""A notebook of the browser kernel on each engine, for the whole run.

The engines run in the Python of this process, which has the pandas and pyarrow that functions on the server need;
the Jupyter server is of the environment under test.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.lab_page import LabPage, lab_page
from tests.parity import runs
from tests.support.spark import spark_missing


@dataclass
class Notebook:
    """A notebook, and the engine behind it."""

    page: LabPage
    rig: runs.Rig


@pytest.fixture(scope="session", params=["sail", pytest.param("spark", marks=pytest.mark.spark)])
def notebook(
    request: pytest.FixtureRequest, browser: Browser, venv: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Notebook]:
    """A notebook on Sail, then one on Apache Spark."""
    missing = spark_missing(Path(sys.prefix)) if request.param == "spark" else None
    if missing is not None:
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp(request.param)
    with (
        runs.rig(request.param, venv, Path(sys.prefix), folder) as rig,
        lab_page(browser, rig.jupyter) as page,
    ):
        yield Notebook(page.open().new_notebook(), rig)
