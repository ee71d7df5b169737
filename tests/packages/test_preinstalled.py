"""Packages that every browser kernel of a server has: what is chosen on the server, and what a kernel is told."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark_connect_web.kernel.packages.resolver import Installed
from traitlets import TraitError

from pcw_server_ext.app import PcwExtension
from pcw_server_ext.packages.index import pages
from pcw_server_ext.packages.index.index import PackageIndex
from pcw_server_ext.packages.index.own_wheels import OwnWheels
from pcw_server_ext.packages.index.wheel_files import Fit
from pcw_server_ext.packages.kept_files import KeptFiles
from pcw_server_ext.packages.selection import RuntimePython, Selection, select
from tests.support.package_source import PackageServer, make_distribution, package_server
from tests.support.server import start
from tests.support.web import Site
from tests.support.wheels import wheel

LOG = logging.getLogger("test")
MANIFEST = {"python": "3.14.2", "abi": "2026_0", "kernel": {"packages": {"traitlets": "5.16.1"}}}


def put(folder: Path, name: str, version: str, *headers: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}-{version}-py3-none-any.whl").write_bytes(wheel(name, version, "answer = 42", *headers))


def chosen(folder: Path, *requirements: str) -> Selection:
    index = PackageIndex(
        Fit.of(MANIFEST),
        OwnWheels([folder], LOG),
        None,
        KeptFiles([folder / "kept"], LOG),
        largest=1,
        log=LOG,
    )
    return asyncio.run(select(requirements, RuntimePython(MANIFEST), index, None))


def files(selection: Selection) -> list[str]:
    return [wheel.file.removesuffix("-py3-none-any.whl") for wheel in selection.wheels]


def test_what_a_package_needs_is_chosen_for_python_in_a_browser(tmp_path: Path) -> None:
    put(
        tmp_path,
        "mine",
        "1.0",
        "Requires-Dist: helper>=1",
        "Requires-Dist: traitlets>=5",
        'Requires-Dist: only_elsewhere; sys_platform != "emscripten"',
        'Requires-Dist: only_here; platform_system == "Emscripten" and python_version >= "3.14"',
        'Requires-Dist: more; extra == "all"',
    )
    put(tmp_path, "mine", "2.0", "Requires-Python: >=3.15")
    for name in ("helper", "only_here", "more"):
        put(tmp_path, name, "1.5", "Requires-Python: ==3.14.*")
    assert files(chosen(tmp_path, "mine")) == ["mine-1.0", "helper-1.5", "only_here-1.5"]
    assert files(chosen(tmp_path, "mine[all]<2"))[-1] == "more-1.5"


def test_what_the_runtime_holds_is_not_chosen_again() -> None:
    assert RuntimePython(MANIFEST).installed("traitlets") == Installed("5.16.1")


def test_requirement_that_cannot_be_met_is_left_out_and_named(tmp_path: Path) -> None:
    put(tmp_path, "good", "1.0", "Requires-Dist: shared<2")
    put(tmp_path, "shared", "1.0")
    put(tmp_path, "shared", "2.0")
    put(tmp_path, "other", "1.0", "Requires-Dist: shared>=2")
    put(tmp_path, "half", "1.0", "Requires-Dist: nobody-has-it")
    put(tmp_path, "strange", "1.0", "Requires-Dist: no requirement!")
    selection = chosen(tmp_path, "good", "half", "other", "missing", "strange")
    assert (selection.requirements, files(selection)) == (("good",), ["good-1.0", "shared-1.0"])
    said = {fault.requirement: fault.reason for fault in selection.faults}
    assert list(said) == ["half", "other", "missing", "strange"]
    assert "This server has no wheel of nobody-has-it, and asks no other index" in said["half"]
    assert "other 1.0 needs shared>=2, and good 1.0 needs shared in another version (1.0" in said["other"]
    assert "An administrator can put a wheel of missing into" in said["missing"]
    assert "strange 1.0 needs 'no requirement!', which is no requirement (PEP 508)" in said["strange"]


@pytest.mark.parametrize("text", ["no requirement!", "a @ https://elsewhere/a-1-py3-none-any.whl", ""])
def test_setting_that_is_no_requirement_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(TraitError, match=r"is no requirement, such as mylib, mylib==1\.2"):
        PcwExtension(preinstall=["mylib", text])


@pytest.fixture(scope="module")
def one_index() -> Iterator[PackageServer]:
    with package_server() as server:
        yield server


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, one_index: PackageServer) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("preinstalled")
    content = wheel("public_lib", "1.0", "answer = 1")
    file, sha256 = "public_lib-1.0-py3-none-any.whl", hashlib.sha256(content).hexdigest()
    entry = {"filename": file, "url": f"../../files/{file}", "hashes": {"sha256": sha256}}
    page = {"meta": {"api-version": "1.1"}, "name": "public-lib", "files": [entry]}
    one_index.pages["/simple/public-lib/"] = (pages.JSON, json.dumps(page).encode())
    one_index.pages[f"/files/{file}"] = ("application/zip", content)
    put(folder / "named", "mine", "1.0", "Requires-Dist: public-lib")
    with start(
        folder,
        f"--PcwExtension.runtime_dir={make_distribution(folder / 'bundle')}",
        f"--PcwExtension.wheels_dir={folder / 'named'}",
        f"--PcwExtension.packages_index={one_index.url}simple/",
        "--PcwExtension.preinstall=mine",
        "--PcwExtension.preinstall=no-such-lib",
        "--PcwExtension.preinstall=beta",
        "--PcwExtension.packages_source=http://127.0.0.1:9/INTERNAL/",
        base_url="/user/x/",
    ) as process:
        yield Site(process)


def asked(site: Site) -> dict[str, list[str]]:
    answer = site.request("GET", "pcw/api/preinstalled")
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    listed: dict[str, list[str]] = answer.json()
    return listed


def test_server_chooses_once_and_keeps_the_files(running: Site, one_index: PackageServer) -> None:
    listed = asked(running)
    assert [one.rpartition("/")[2] for one in listed["wheels"]] == [
        "mine-1.0-py3-none-any.whl",
        "public_lib-1.0-py3-none-any.whl",
    ]
    # whatever the other index does from now on
    one_index.reset()
    assert asked(running) == listed
    for path in listed["wheels"]:
        answer = running.request("GET", f"pcw/pypi/{path.removeprefix('../pypi/')}")
        assert (answer.status, answer.body[:2]) == (200, b"PK")
    assert one_index.paths == []


def test_what_cannot_be_had_is_in_the_answer_and_in_the_log(running: Site) -> None:
    fault, other = asked(running)["faults"]
    assert fault["requirement"] == "no-such-lib"
    assert "Neither this server nor the index that it asks has a package no-such-lib" in fault["reason"]
    log = running.process.log.read_text()
    assert "PcwExtension.preinstall: no-such-lib is in no browser kernel. Neither this server" in log
    # one of Pyodide's packages, whose source a page is not told
    assert other["requirement"] == "beta"
    assert (
        "beta 2.0+x could not be fetched by this server; the server's log says more. Run `jup"
        in other["reason"]
    )
    assert "127.0.0.1:9" in log


def test_list_is_not_for_strangers(running: Site) -> None:
    answer = running.request("GET", "pcw/api/preinstalled", headers={"Authorization": "token wrong"})
    assert (answer.status, answer.json()["reason"]) == (403, "login")


def test_wheel_that_is_put_into_the_folder_is_chosen_with_the_next_kernel(
    running: Site, one_index: PackageServer
) -> None:
    [folder] = running.process.state.parent.glob("named")
    put(folder, "mine", "1.1")
    assert [one.rpartition("/")[2] for one in asked(running)["wheels"]] == ["mine-1.1-py3-none-any.whl"]
