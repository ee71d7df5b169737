"""Addresses that a page sets for the stock kernel: honoured from its own origin, refused from another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pcw_server_ext.site.record import read
from tests.browser.site.site_page import BuildSite, OpenPage, ServeSite, SitePage, new_stock_notebook
from tests.support.stock_kernel import with_stock_kernel

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.mark.parametrize("name", ["PCW_PYODIDE_INDEX_URL", "PCW_WHEEL_URL", "PCW_PYSPARK_WHEEL_URL"])
def test_address_of_another_origin_is_refused_with_the_reason(
    name: str, build_site: BuildSite, serve_site: ServeSite, open_page: OpenPage
) -> None:
    with serve_site(build_site("static")) as url:
        page = open_page(url)
        page.page.add_init_script(f"self.{name} = 'https://cdn.example/pyodide/';")
        page.open()
        text = page.page.locator("#pcw-override-problem").inner_text()
        assert name in text
        assert "https://cdn.example" in text
        assert "beside the site" in text
        assert page.foreign() == []


def test_pyodide_and_wheels_come_from_the_named_places(
    build_site: BuildSite, serve_site: ServeSite, open_page: OpenPage, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    shutil.copytree(build_site("static"), site)
    record = read(site)
    assert record is not None
    pyodide = site / "pcw" / "runtime" / record.runtime / "pyodide"
    shutil.copytree(pyodide, site / "own-pyodide")
    (client,) = pyodide.glob("pyspark_connect_web-*.whl")
    (pyspark,) = pyodide.glob("pyspark-*.whl")
    (site / "wheels").mkdir()
    for wheel in (client, pyspark):
        shutil.copy(wheel, site / "wheels")

    def work(page: SitePage) -> None:
        page.page.add_init_script(
            "self.PCW_PYODIDE_INDEX_URL = '/repo/own-pyodide/';"
            f"self.PCW_WHEEL_URL = '/repo/wheels/{client.name}';"
            f"self.PCW_PYSPARK_WHEEL_URL = '/repo/wheels/{pyspark.name}';"
        )
        new_stock_notebook(page.open())
        page.run("import pyspark_connect_web as pcw; pcw.install()", 90).expect_ok()

    with serve_site(site, "--base-path", "/repo/") as url:
        page = with_stock_kernel(lambda: open_page(url), work)
        assert f"{url}own-pyodide/pyodide.mjs" in page.requests
        assert f"{url}wheels/{client.name}" in page.requests
        assert f"{url}wheels/{pyspark.name}" in page.requests
        assert page.page.locator("#pcw-override-problem").count() == 0
