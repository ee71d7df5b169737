"""The index of the administrator's own wheels, as pip and a kernel see it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from pcw_server_ext.packages.index import pages
from pcw_server_ext.packages.index.own_wheels import OwnWheels
from pcw_server_ext.packages.index.wheel_files import (
    Fit,
    NotAWheel,
    WheelFile,
    metadata_of,
    normalized,
    project_of,
)
from tests.support.package_source import make_distribution
from tests.support.server import start
from tests.support.web import Answer, Site
from tests.support.wheels import wheel

FIT = Fit("3.14.2", "2026_0")
MINE = wheel("my_lib", "1.2", "answer = 42", "Requires-Python: >=3.9", "Requires-Dist: other>1")
OLD = wheel("my_lib", "1.10", "answer = 43")
JSON = {"Accept": pages.JSON}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("index")
    shared = folder / "state" / "data" / "pcw" / "wheels"
    named = folder / "named"
    shared.mkdir(parents=True)
    named.mkdir()
    (named / "my_lib-1.2-py3-none-any.whl").write_bytes(MINE)
    (shared / "my_lib-1.10-py3-none-any.whl").write_bytes(OLD)
    (shared / "my_lib-1.2-py3-none-any.whl").write_bytes(b"the first folder counts")
    (shared / "damaged-1.0-py3-none-any.whl").write_bytes(b"no zip at all")
    (shared / "linux_only-1.0-cp314-cp314-manylinux_2_28_x86_64.whl").write_bytes(
        wheel("linux_only", "1.0", "")
    )
    (shared / "README.txt").write_text("not a wheel")
    with start(
        folder,
        f"--PcwExtension.runtime_dir={make_distribution(folder / 'bundle')}",
        f"--PcwExtension.wheels_dir={named}",
        base_url="/user/x/",
    ) as process:
        yield Site(process)


def project(site: Site, name: str) -> Answer:
    return site.request("GET", f"pcw/pypi/simple/{name}/", headers=JSON)


@pytest.mark.parametrize(
    ("file", "rank"),
    [
        ("a-1-py3-none-any.whl", True),
        ("a-1-py2.py3-none-any.whl", True),
        ("a-1-cp314-cp314-pyemscripten_2026_0_wasm32.whl", True),
        ("a-1-cp311-abi3-pyemscripten_2026_0_wasm32.whl", True),
        ("a-1-cp314-none-any.whl", True),
        ("a-1-cp313-cp313-pyemscripten_2026_0_wasm32.whl", False),
        ("a-1-cp314-cp314-pyemscripten_2025_0_wasm32.whl", False),
        ("a-1-cp314-cp314t-pyemscripten_2026_0_wasm32.whl", False),
        ("a-1-cp314-cp314-manylinux_2_28_x86_64.whl", False),
        ("a-1-py2-none-any.whl", False),
        ("a-1.tar.gz", False),
        ("a-1.whl", False),
        ("../a-1-py3-none-any.whl", False),
    ],
)
def test_wheels_that_a_kernel_can_use_are_told_by_their_tags(file: str, rank: bool) -> None:
    assert (FIT.rank(file) is not None) is rank


def test_newest_version_comes_first_and_of_it_the_best_fitting_wheel() -> None:
    names = [
        "a-1.9-py3-none-any.whl",
        "a-1.10-py3-none-any.whl",
        "a-1.10-cp314-cp314-pyemscripten_2026_0_wasm32.whl",
        "a-2.0-cp314-cp314-macosx_11_0_arm64.whl",
    ]
    assert [one.file for one in FIT.ordered(WheelFile(name, "0" * 64) for name in names)] == [
        names[2],
        names[1],
        names[0],
    ]


def test_runtime_without_an_abi_takes_pure_wheels_alone() -> None:
    fit = Fit.of({"python": "3.14"})
    assert fit.rank("a-1-py3-none-any.whl") is not None
    assert fit.rank("a-1-cp314-cp314-pyemscripten_2026_0_wasm32.whl") is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no zip at all", "is no zip archive"),
        (wheel("other", "1.0", ""), "another project"),
        (MINE[: len(MINE) // 2], "is no zip archive"),
    ],
)
def test_what_is_no_wheel_is_said(content: bytes, reason: str) -> None:
    with pytest.raises(NotAWheel, match=reason):
        metadata_of(content, "my_lib-1.2-py3-none-any.whl")


def test_names_are_normalized_and_paths_are_no_names() -> None:
    assert normalized("My.Lib__x") == "my-lib-x"
    assert project_of("My_Lib-1.2-py3-none-any.whl") == "my-lib"
    assert project_of("my_lib-1.2.tar.gz") == "my-lib"
    for name in ("..", "a/b", "", "a b", "-a", "a" * 101, "ä"):
        assert normalized(name) is None, name


@pytest.mark.parametrize("form", ["json", "html"])
def test_pages_are_read_as_they_are_written(form: str) -> None:
    wheels = [
        WheelFile("a-2-py3-none-any.whl", "ab" * 32, requires_python=">=3.9,<4", metadata=""),
        WheelFile("a-1+x-py3-none-any.whl", "cd" * 32, yanked="broken <b>", metadata=""),
    ]
    links = {one.sha256: f"../../files/{one.sha256}/{one.file}" for one in wheels}
    page = (
        pages.project_json("a", wheels, links, {"_own": True})
        if form == "json"
        else pages.project_html("a", wheels, links)
    )
    read = pages.read(page.encode(), "http://host/pcw/pypi/simple/a/")
    assert read == [
        WheelFile(
            one.file,
            one.sha256,
            requires_python=one.requires_python,
            yanked=one.yanked,
            url=f"http://host/pcw/pypi/files/{one.sha256}/{one.file}",
            metadata="",
        )
        for one in wheels
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not found",
        b"{",
        b'{"files": 1}',
        b'{"files": [{}]}',
        b'{"files": [1]}',
        b"[" * 10_000,
        b"\xff\xfe",
    ],
)
def test_what_is_no_page_is_an_error_and_nothing_else(content: bytes) -> None:
    with pytest.raises(pages.UnreadablePage):
        pages.read(content, "http://host/simple/a/")


def test_file_without_a_sha256_has_none() -> None:
    [one] = pages.read(b'<a href="a-1-py3-none-any.whl#md5=00">x</a>', "http://host/simple/a/")
    assert (one.sha256, one.url) == ("", "http://host/simple/a/a-1-py3-none-any.whl")


def test_wheel_that_is_put_there_is_found_at_the_next_look(tmp_path: Path) -> None:
    own = OwnWheels([tmp_path, tmp_path / "absent"], logging.getLogger("test"))
    assert own.projects() == []
    path = tmp_path / "my_lib-1.2-py3-none-any.whl"
    path.write_bytes(b"broken")
    assert (own.projects(), own.wheels("my-lib")) == (["my-lib"], [])
    assert "is no zip archive" in own.faults("my-lib")[0]
    path.write_bytes(MINE)
    [found] = own.wheels("my-lib")
    assert (found.sha256, found.requires_python) == (hashlib.sha256(MINE).hexdigest(), ">=3.9")
    path.unlink()
    assert (own.projects(), own.wheels("my-lib"), own.faults("my-lib")) == ([], [], [])


def test_page_of_a_project_has_what_a_kernel_needs(running: Site) -> None:
    answer = project(running, "My.Lib")
    assert answer.status == 200
    assert answer.headers["content-type"] == pages.JSON
    assert answer.headers["cache-control"] == "no-store"
    page = answer.json()
    assert (page["name"], page["versions"], page["_own"], page["_unusable"]) == (
        "my-lib",
        ["1.10", "1.2"],
        True,
        [],
    )
    assert page["files"][1] == {
        "filename": "my_lib-1.2-py3-none-any.whl",
        "url": f"../../files/{hashlib.sha256(MINE).hexdigest()}/my_lib-1.2-py3-none-any.whl",
        "hashes": {"sha256": hashlib.sha256(MINE).hexdigest()},
        "core-metadata": True,
        "yanked": False,
        "requires-python": ">=3.9",
        "size": len(MINE),
    }
    where = urljoin("pcw/pypi/simple/my-lib/", page["files"][1]["url"])
    file = running.request("GET", where)
    assert (file.status, file.body) == (200, MINE)
    assert file.headers["cache-control"] == "private, max-age=31536000, immutable"
    metadata = running.request("GET", f"{where}.metadata")
    assert "Requires-Dist: other>1" in metadata.body.decode()


def test_root_lists_the_own_projects(running: Site) -> None:
    page = running.request("GET", "pcw/pypi/simple/", headers=JSON).json()
    assert [one["name"] for one in page["projects"]] == ["damaged", "linux-only", "my-lib"]
    assert page["_upstream"] is False
    html = running.request("GET", "pcw/pypi/simple/").body.decode()
    assert '<a href="my-lib/">my-lib</a>' in html


@pytest.mark.parametrize("path", ["pcw/pypi/simple/", "pcw/pypi/simple/my-lib/"])
def test_index_json_is_the_json_page_whatever_a_client_accepts(running: Site, path: str) -> None:
    named = running.request("GET", f"{path}index.json", headers={"Accept": "text/html"})
    assert (named.status, named.body) == (200, running.request("GET", path, headers=JSON).body)
    assert named.headers["content-type"] == pages.JSON


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("damaged", "damaged-1.0-py3-none-any.whl on this server is no zip archive"),
        ("linux-only", "there is cp314-cp314-manylinux_2_28_x86_64"),
    ],
)
def test_package_without_a_usable_wheel_says_what_there_is(running: Site, name: str, said: str) -> None:
    page = project(running, name).json()
    assert page["files"] == []
    assert said in page["_unusable"][0]


def test_unknown_package_says_what_would_bring_it(running: Site) -> None:
    answer = project(running, "nobody_has_it")
    assert (answer.status, answer.json()["reason"]) == (404, "no-index")
    message = answer.json()["message"]
    assert "no wheel of nobody-has-it" in message
    assert "share/jupyter/pcw/wheels" in message
    assert "`%pip install emfs:FILE.whl`" in message


@pytest.mark.parametrize(
    "path",
    [
        "pcw/pypi/simple/..%2f..%2fetc/",
        "pcw/pypi/simple/http:%2f%2fevil.example/",
        f"pcw/pypi/files/{'0' * 64}/..%2f..%2fmy_lib-1.2-py3-none-any.whl",
        f"pcw/pypi/files/{'0' * 64}/my_lib-1.2-py3-none-any.whl",
        f"pcw/pypi/files/{hashlib.sha256(MINE).hexdigest()}/other-1.2-py3-none-any.whl",
        f"pcw/pypi/files/{hashlib.sha256(MINE).hexdigest()}/README.txt",
        "pcw/pypi/files/my_lib-1.2-py3-none-any.whl",
    ],
)
def test_only_what_the_index_names_is_served(running: Site, path: str) -> None:
    assert running.request("GET", path).status == 404


def test_stranger_and_foreign_page_see_nothing(running: Site) -> None:
    cookie, _ = running.login()
    file = f"pcw/pypi/files/{hashlib.sha256(MINE).hexdigest()}/my_lib-1.2-py3-none-any.whl"
    for path in ("pcw/pypi/simple/", "pcw/pypi/simple/my-lib/", file, f"{file}.metadata"):
        refused = running.request("GET", path, authenticated=False)
        assert (refused.status, refused.json()["reason"]) == (403, "login"), path
        foreign = {"Cookie": cookie, "Sec-Fetch-Site": "cross-site"}
        assert running.request("GET", path, headers=foreign, authenticated=False).status == 403, path
        own = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
        assert running.request("GET", path, headers=own, authenticated=False).status == 200, path
