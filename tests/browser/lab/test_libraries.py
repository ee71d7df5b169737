"""Libraries beside PySpark in the browser kernel on Sail, installed from the server's index; none needs pandas."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import LabPage, lab_page
from tests.support.libraries import LIBRARIES, Library, wheels

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def lab(browser: Browser, venv: Path, sail_lab: JupyterProcess) -> Iterator[LabPage]:
    """A notebook whose server has the libraries' wheels."""
    folder = sail_lab.state / "data" / "pcw" / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    for file in wheels():
        shutil.copy(file, folder)
    with lab_page(browser, sail_lab) as page:
        page.open().new_notebook()
        page.run("import sys; before = set(sys.modules)").expect_ok()
        yield page


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_library_works_in_the_kernel(lab: LabPage, library: Library) -> None:
    if library.install:
        lab.run(f"%pip install {library.install}").expect_ok()
    assert lab.run(library.code).expect_ok().text.strip() == library.shown["sail"]
    assert lab.run("{'numpy', 'pandas', 'pyarrow'} & set(sys.modules)").expect_ok().text == "set()"
