"""What a browser's Python does not have, or has in its own way: threads, other programs, sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import LabPage, lab_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def lab(browser: Browser, sail_lab: JupyterProcess) -> Iterator[LabPage]:
    """A notebook for all tests here."""
    with lab_page(browser, sail_lab) as page:
        page.open().new_notebook()
        page.run("import asyncio, threading\nfrom concurrent.futures import ThreadPoolExecutor").expect_ok()
        yield page


def test_cell_that_awaits_is_timed(lab: LabPage) -> None:
    result = lab.run("%%time\nfound = await asyncio.sleep(0.1, 5)\nfound + 1").expect_ok()
    assert "Wall time: " in result.text
    assert result.text.endswith("\n6")
    assert lab.run("found").text == "5"


def test_work_of_pools_is_done(lab: LabPage) -> None:
    assert lab.run("list(ThreadPoolExecutor().map(pow, [2, 3], [3, 2]))").expect_ok().text == "[8, 9]"
    assert lab.run("await asyncio.to_thread(len, 'abc')").expect_ok().text == "3"
    error = lab.run("threading.Thread(target=print).start()").error or ""
    assert error.startswith("NotInBrowser: Python in a browser tab has one thread")


def test_scripts_are_refused_as_often_as_they_are_run(lab: LabPage) -> None:
    for cell in ("%%bash\nls", "%%bash\nls", "!ls"):
        error = lab.run(cell).error or ""
        assert error.startswith("NotInBrowser: Python in a browser tab cannot start other programs"), error
    assert "cannot start other programs, so `ls`" in (
        lab.run("import subprocess\nsubprocess.run(['ls'])").error or ""
    )
    reached = lab.run("import socket\nsocket.create_connection(('127.0.0.1', 9))").error or ""
    assert "has no sockets, so 127.0.0.1:9 is not reached" in reached
