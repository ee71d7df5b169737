"""Packages in a site: what is chosen, what lies in the site, and what a build says that cannot have one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.site.builder.lite_config import settled
from pcw_server_ext.site.builder.packages import FOLDER, SitePackages, choose, write
from pcw_server_ext.site.settings import SiteSettings
from tests.support.package_source import make_distribution
from tests.support.wheels import wheel


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A browser runtime; the folders of wheels are empty, and no index is asked."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    return make_distribution(tmp_path / "bundle")


def make(folder: Path, name: str, version: str, *headers: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    path.write_bytes(wheel(name, version, "answer = 42", *headers))
    return path


def test_site_holds_an_index_of_files_with_all_that_is_needed(runtime: Path, tmp_path: Path) -> None:
    make(tmp_path / "data" / "pcw" / "wheels", "helper", "1.0")
    make(tmp_path / "data" / "pcw" / "wheels", "listed", "3.0")
    make(tmp_path / "data" / "pcw" / "wheels", "not_asked_for", "1.0")
    given = make(tmp_path / "dist", "my_lib", "1.0", "Requires-Dist: helper")
    (tmp_path / "requirements.txt").write_text("# for the reports\nlisted>=2  # newer\n")
    site = tmp_path / "site"
    write(
        choose(SitePackages(requirements=(tmp_path / "requirements.txt",), wheels=(given,)), runtime, "lean"),
        site,
    )
    simple = site / FOLDER / "simple"
    root = json.loads((simple / "index.json").read_text())
    assert [one["name"] for one in root["projects"]] == ["helper", "listed", "my-lib"]
    assert root["_first"] is True
    [file] = json.loads((simple / "my-lib" / "index.json").read_text())["files"]
    found = (simple / "my-lib" / file["url"]).resolve()
    assert found.read_bytes() == given.read_bytes()
    assert "Requires-Dist: helper" in found.with_name(f"{found.name}.metadata").read_text()
    assert not (site / FOLDER / "preinstalled.json").exists()
    # the next build leaves nothing behind
    write(choose(SitePackages(), runtime, "lean"), site)
    assert not (site / FOLDER).exists()


def test_what_every_kernel_has_is_listed_with_addresses_below_the_list(runtime: Path, tmp_path: Path) -> None:
    given = make(tmp_path / "dist", "my_lib", "1.0", "Requires-Dist: helper")
    helper = make(tmp_path / "dist", "helper", "1.0")
    more = make(tmp_path / "dist", "more", "1.0")
    site = tmp_path / "site"
    wanted = SitePackages(wheels=(given, helper, more), preinstall=("my-lib",))
    write(choose(wanted, runtime, "lean"), site)
    listed = json.loads((site / FOLDER / "preinstalled.json").read_text())
    files = [site / FOLDER / address for address in listed["wheels"]]
    assert [path.read_bytes() for path in files] == [given.read_bytes(), helper.read_bytes()]
    assert (listed["distribution"], listed["faults"]) == ([], [])


def test_page_is_told_of_the_list_where_there_is_one() -> None:
    chosen = SiteSettings().checked()
    told = json.loads(settled("{}", chosen, "pcw/runtime/x", {}, preinstalled=True))
    assert told["jupyter-config-data"]["pcw"]["preinstalledUrl"] == "./pcw/pypi/preinstalled.json"
    told = json.loads(settled("{}", chosen, "pcw/runtime/x", {}))
    assert "preinstalledUrl" not in told["jupyter-config-data"]["pcw"]


def test_what_cannot_be_put_into_a_site_is_named_with_the_remedy(runtime: Path, tmp_path: Path) -> None:
    given = make(tmp_path / "dist", "my_lib", "1.0", "Requires-Dist: nobody-has-it")
    options = tmp_path / "options.txt"
    options.write_text("a\n--index-url https://elsewhere/\n")
    missing = tmp_path / "no_file-1.0-py3-none-any.whl"
    for wanted, said in (
        (
            SitePackages(wheels=(given,)),
            r"my-lib==1\.0 cannot be put into the site\. .*nobody-has-it.*--wheel FILE",
        ),
        (SitePackages(packages=("numpy",)), r"numpy cannot be put .* in sites of --profile full\."),
        (SitePackages(preinstall=("gone",)), r"gone cannot be put into the site\. .*no wheel of gone"),
        (
            SitePackages(packages=("not a name",)),
            r"'not a name' is no requirement, such as mylib.*with --wheel",
        ),
        (SitePackages(requirements=(options,)), r"options\.txt, line 2: options such as '--index-url"),
        (SitePackages(requirements=(tmp_path / "none.txt",)), r"none\.txt cannot be read"),
        (
            SitePackages(wheels=(missing,)),
            r"no_file-1\.0-py3-none-any\.whl is no wheel: --wheel takes a file",
        ),
        (SitePackages(wheels=(options,)), r"options\.txt is no wheel: --wheel takes a file"),
    ):
        with pytest.raises(SiteRefused, match=said):
            choose(wanted, runtime, "lean")
