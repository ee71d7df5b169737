"""What keeps a Jupyter server: a kernel of a page that works; and what does not: a page that is only open."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Response

from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import LabPage, lab_page
from tests.support.labs import StartLab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PATH = "pcw/api/activity"
QUIET = "no_track_activity=1"


@pytest.fixture
def own_lab(browser: Browser, start_lab: StartLab) -> Iterator[LabPage]:
    """A page of a server that serves nobody else."""
    with lab_page(browser, start_lab("--PcwExtension.engine=sail")) as lab:
        yield lab


def told(page: Page) -> list[int]:
    """The list to which the status of each answer to "a kernel is at work" is added."""
    found: list[int] = []

    def look(response: Response) -> None:
        if PATH in response.url and response.request.method == "POST":
            found.append(response.status)

    page.on("response", look)
    return found


def last_activity(server: JupyterProcess) -> str:
    status: Any = server.get_json("api/status")
    return str(status["last_activity"])


def await_poll(lab: LabPage) -> str:
    """The address by which JupyterLab asks its server next which kernels it has; this comes every ten seconds."""
    with lab.page.expect_request(lambda request: "/api/kernels?" in request.url) as poll:
        pass
    return poll.value.url


def await_quiet(lab: LabPage) -> None:
    """Wait until what the page asks for by itself is no activity any more."""
    while QUIET not in await_poll(lab):
        pass


def test_server_is_told_that_python_works_and_of_no_cell_twice_in_half_a_minute(lab: LabPage) -> None:
    lab.open().new_notebook()
    answers = told(lab.page)
    began = time.monotonic()
    for _ in range(3):
        lab.run("1 + 1").expect_ok()
    assert len(answers) <= 1 + (time.monotonic() - began) // 30
    # The second note is due within a minute.
    lab.run("import time; time.sleep(80)").expect_ok()
    assert set(answers) == {204}
    assert 2 <= len(answers) <= 1 + (time.monotonic() - began) // 30


def test_page_that_is_only_open_is_no_activity_and_a_person_who_comes_back_is(own_lab: LabPage) -> None:
    lab = own_lab
    lab.open().new_notebook()
    lab.run("print(1 + 1)").expect_ok()
    answers = told(lab.page)
    # a prompt that nobody answers is no work
    lab.submit("input('who? ')")
    lab.page.get_by_text("who?").last.wait_for()
    await_quiet(lab)
    seen, told_before = last_activity(lab.server), len(answers)
    for _ in range(4):
        assert QUIET in await_poll(lab)
    assert last_activity(lab.server) == seen
    assert len(answers) == told_before
    lab.page.mouse.move(300, 300)
    assert QUIET not in await_poll(lab)
    while last_activity(lab.server) == seen:
        await_poll(lab)


@pytest.mark.nightly
def test_server_ends_by_itself_when_a_page_is_only_open_and_not_while_python_works(
    browser: Browser, start_lab: StartLab
) -> None:
    """Jupyter looks once a minute."""
    server = start_lab("--PcwExtension.engine=sail", "--ServerApp.shutdown_no_activity_timeout=50")
    with lab_page(browser, server) as lab:
        lab.open().new_notebook()
        # out of sight, JupyterLab asks its server for nothing: what is told is all that is left
        other = lab.context.new_page()
        cell = lab.submit("import time; time.sleep(200); print('done')")
        other.bring_to_front()
        assert lab.result(cell, 300).expect_ok().text == "done\n"
        assert server.process.poll() is None
        lab.page.bring_to_front()
        try:
            server.process.wait(300)
        except subprocess.TimeoutExpired:
            pytest.fail("a page that is only open keeps its server")
    assert "shutting down" in server.printed()
