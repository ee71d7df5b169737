"""A notebook of the browser kernel on each engine, for the whole run.

The engines run in the Python of this process, which has the pandas and pyarrow that functions on the server need;
the Jupyter server is of the environment under test. `make test` runs them on Apache Spark, `make nightly` on Sail too;
the main job of `make test` is on Sail.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.parity.notebook import Notebook
from tests.parity import runs
from tests.support.lab_page import lab_page


@pytest.fixture(
    scope="session",
    params=[pytest.param("sail", marks=pytest.mark.nightly), pytest.param("spark", marks=pytest.mark.spark)],
)
def notebook(
    request: pytest.FixtureRequest, browser: Browser, venv: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Notebook]:
    """A notebook on Sail, then one on Apache Spark."""
    spark = request.getfixturevalue("run_spark") if request.param == "spark" else None
    folder = tmp_path_factory.mktemp(request.param)
    with (
        runs.rig(request.param, venv, Path(sys.prefix), folder, spark=spark) as rig,
        lab_page(browser, rig.jupyter) as page,
    ):
        yield Notebook(page.open().new_notebook(), rig)
