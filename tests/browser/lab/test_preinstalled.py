"""Packages that the administrator gives to every kernel, from the server's folder of wheels."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Route

from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import LabPage, lab_page
from tests.support.labs import StartLab
from tests.support.wheels import put

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
def server(start_lab: StartLab) -> JupyterProcess:
    server = start_lab(
        "--PcwExtension.engine=sail",
        "--PcwExtension.preinstall=team-lib",
        "--PcwExtension.preinstall=no-such-lib",
        base_url="/user/x/",
    )
    put(server.state, "team_lib", "1.0", "import helper\nanswer = helper.answer", "Requires-Dist: helper")
    put(server.state, "helper", "1.0", "answer = 42")
    return server


@pytest.fixture
def notebook(browser: Browser, server: JupyterProcess) -> Iterator[LabPage]:
    with lab_page(browser, server) as lab:
        yield lab


def test_first_cell_imports_what_every_kernel_has_and_is_told_what_is_missing(notebook: LabPage) -> None:
    notebook.open().new_notebook()
    first = notebook.run("import team_lib; print(team_lib.answer)", 200).expect_ok()
    assert first.text == "42\n"
    [told] = [one["text"] for one in first.outputs if one.get("name") == "stderr"]
    assert "".join(told).startswith(
        "Not in this kernel, though every kernel here should have it: no-such-lib. This server has no wheel of"
        " no-such-lib, and asks no other index."
    )
    second = notebook.run("%pip show team-lib").expect_ok()
    assert "Version: 1.0" in second.all_text
    assert "Not in this kernel" not in second.all_text
    assert notebook.run("%pip install team-lib").expect_ok().all_text == ""


def test_kernel_starts_where_the_servers_list_cannot_be_had(notebook: LabPage) -> None:
    def refuse(route: Route) -> None:
        route.fulfill(status=503, json={"message": "The disk is full.", "reason": "cache"})

    notebook.context.route("**/pcw/api/preinstalled", refuse)
    notebook.open().new_notebook()
    first = notebook.run("spark.range(3).count()", 200).expect_ok()
    assert first.all_text.startswith(
        "Not in this kernel, though every kernel here should have it: a package or more. The disk is full\n"
    )
    assert first.text == "3"


def test_kernel_starts_where_a_wheel_cannot_be_had(notebook: LabPage) -> None:
    notebook.context.route("**/team_lib-1.0-py3-none-any.whl", lambda route: route.abort())
    notebook.open().new_notebook()
    first = notebook.run("print(spark.range(3).count())", 200).expect_ok()
    assert "should have it: team_lib-1.0-py3-none-any.whl, helper-1.0-py3-none-any.whl. " in first.all_text
    assert first.text == "3\n"
