"""Packages that a site was built with, on a host that has nothing but files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.site.site_page import OpenPage, ServeSite, make_site
from tests.support.wheels import wheel

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture
def site(pcw: Callable[..., str], tmp_path: Path) -> Path:
    """A site whose kernels have one package, with what it needs, and can install another one."""
    options = ["--preinstall", "team-lib", "--package", "more-lib<2"]
    for name, version, code, *headers in (
        ("team_lib", "1.0", "import helper\nanswer = helper.answer", "Requires-Dist: helper"),
        ("helper", "1.0", "answer = 42"),
        ("more_lib", "1.0", "import helper\nanswer = helper.answer + 1", "Requires-Dist: helper"),
    ):
        path = tmp_path / f"{name}-{version}-py3-none-any.whl"
        path.write_bytes(wheel(name, version, code, *headers))
        options += ["--wheel", str(path)]
    make_site(pcw, tmp_path, "static", tuple(options))
    return tmp_path / "site"


def test_packages_come_from_the_sites_own_files(
    site: Path, serve_site: ServeSite, open_page: OpenPage
) -> None:
    with serve_site(site, "--host", "static") as url:
        page = open_page(url).open_without_spark()
        assert page.run("import team_lib; team_lib.answer").expect_ok().text == "42"
        assert "No module named 'more_lib'" in (page.run("import more_lib").error or "")
        page.run("%pip install more-lib").expect_ok()
        assert page.run("import more_lib; more_lib.answer").expect_ok().text == "43"
        error = page.run("%pip install nobody-has-it").error or ""
        assert error.startswith(
            "PackageFileError: this site does not have nobody-has-it: `jupyter pcw build --package"
        )
        assert page.foreign() == []
