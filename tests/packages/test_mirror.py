"""The mirror of packages: sources, one fetch for many who wait, nothing kept that does not verify."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from pcw_server_ext.errors import ConfigurationError, PackageError
from pcw_server_ext.packages.lock import PackageLock
from pcw_server_ext.packages.mirror import PackageMirror
from pcw_server_ext.packages.sources import FolderSource, IndexSource, Source, UrlSource, make_source
from pcw_server_ext.runtime.bundle import Bundle
from tests.support.jupyter import free_port
from tests.support.package_source import (
    ALPHA,
    BETA,
    BUNDLED,
    FILES,
    PackageServer,
    make_distribution,
    package_server,
)

LOG = logging.getLogger("test")


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_distribution(tmp_path_factory.mktemp("distribution"))


@pytest.fixture(scope="module")
def lock(distribution: Path) -> PackageLock:
    found = PackageLock.load(Bundle.load(distribution))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def running() -> Iterator[PackageServer]:
    with package_server() as server:
        yield server


@pytest.fixture
def server(running: PackageServer) -> PackageServer:
    running.reset()
    return running


def mirror(lock: PackageLock, source: Source | None, *folders: Path) -> PackageMirror:
    return PackageMirror(lock, source, folders, LOG)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_lock_knows_what_is_bundled_and_what_a_package_needs(lock: PackageLock) -> None:
    assert [package.name for package in lock.closure(["Alpha"])] == ["alpha", "beta", "some-package"]
    assert [package.bundled for package in lock.closure(["alpha"])] == [False, False, True]
    assert lock.file(ALPHA) is lock.packages["alpha"]
    assert lock.file(BUNDLED) is None
    with pytest.raises(PackageError, match="no package 'gamma'"):
        lock.closure(["gamma"])


def test_lock_with_a_path_for_a_file_name_is_refused(tmp_path: Path) -> None:
    folder = make_distribution(tmp_path)
    path = folder / "pyodide" / "pyodide-lock.full.json"
    path.write_text(path.read_text().replace(ALPHA, "../../alpha.whl"))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        PackageLock.load(Bundle.load(folder))


def test_many_who_ask_at_once_cause_one_fetch(
    lock: PackageLock, server: PackageServer, tmp_path: Path
) -> None:
    async def ask() -> set[Path]:
        both = mirror(lock, UrlSource(server.url), tmp_path)
        server.gate.clear()
        waiting = [asyncio.create_task(both.get(lock.packages["alpha"])) for _ in range(20)]
        await asyncio.to_thread(server.asked.wait, 20)
        # one gives up; the others are served
        waiting[0].cancel()
        await asyncio.sleep(0.05)
        server.gate.set()
        return set(await asyncio.gather(*waiting[1:]))

    (path,) = asyncio.run(ask())
    assert path.read_bytes() == FILES[ALPHA]
    assert server.paths == [f"/{ALPHA}"]
    assert files(tmp_path) == [ALPHA]


@pytest.mark.parametrize(
    ("fault", "reason"), [("other", "corrupt"), ("cut", "corrupt|unreachable"), ("absent", "unreachable")]
)
def test_wrong_download_is_an_error_and_leaves_nothing_behind(
    lock: PackageLock, server: PackageServer, tmp_path: Path, fault: str, reason: str
) -> None:
    one = mirror(lock, UrlSource(server.url), tmp_path)
    server.fault = fault
    for _ in range(2):
        with pytest.raises(PackageError, match="jupyter pcw runtime fetch alpha") as caught:
            asyncio.run(one.get(lock.packages["alpha"]))
        assert caught.value.reason in reason.split("|")
    assert files(tmp_path) == []
    assert one.state(lock.packages["alpha"]) == "fetchable"
    server.fault = None
    assert asyncio.run(one.get(lock.packages["alpha"])).read_bytes() == FILES[ALPHA]


def test_kept_file_that_was_changed_is_fetched_again(
    lock: PackageLock, server: PackageServer, tmp_path: Path
) -> None:
    one = mirror(lock, UrlSource(server.url), tmp_path)
    path = one.fetch(lock.packages["alpha"])
    assert one.fetch(lock.packages["alpha"]) == path
    assert len(server.seen) == 1
    path.write_bytes(FILES[ALPHA][:-1])
    assert asyncio.run(one.get(lock.packages["alpha"])).read_bytes() == FILES[ALPHA]
    assert len(server.seen) == 2
    path.write_bytes(b"x" * len(FILES[ALPHA]))
    # a new process, without a source: what it finds is not right, and it says so instead of serving it
    with pytest.raises(PackageError, match="packages_source is empty"):
        mirror(lock, None, tmp_path).fetch(lock.packages["alpha"])
    assert files(tmp_path) == []


def test_folders_of_the_machine_are_read_and_only_the_first_is_written(
    lock: PackageLock, server: PackageServer, tmp_path: Path
) -> None:
    mine, shared = tmp_path / "mine", tmp_path / "shared"
    mirror(lock, UrlSource(server.url), shared).fetch(lock.packages["alpha"])
    both = mirror(lock, UrlSource(server.url), mine, shared)
    assert both.state(lock.packages["alpha"]) == "cached"
    both.fetch(lock.packages["alpha"])
    both.fetch(lock.packages["beta"])
    assert (files(mine), files(shared)) == ([BETA], [ALPHA])


def test_folder_that_cannot_be_written_is_named(
    lock: PackageLock, server: PackageServer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(PackageError, match=r"packages_dir") as caught:
        mirror(lock, UrlSource(server.url), tmp_path / "file").fetch(lock.packages["alpha"])
    assert caught.value.reason == "cache"
    assert not server.seen


@pytest.mark.parametrize("below", ["", "pyodide"])
def test_folder_or_unpacked_distribution_is_a_source(lock: PackageLock, tmp_path: Path, below: str) -> None:
    place = tmp_path / "source" / below
    place.mkdir(parents=True)
    (place / ALPHA).write_bytes(FILES[ALPHA])
    (place / BETA).write_bytes(b"another build")
    one = mirror(lock, FolderSource(tmp_path / "source"), tmp_path / "kept")
    assert one.fetch(lock.packages["alpha"]).read_bytes() == FILES[ALPHA]
    with pytest.raises(PackageError, match="another file"):
        one.fetch(lock.packages["beta"])
    assert files(tmp_path / "kept") == [ALPHA]


def _html(file: str, server: PackageServer) -> tuple[str, bytes]:
    link = f"../../files/{file.replace('+', '%2B')}#sha256=0"
    return "text/html", f'<a href="../../files/other.whl">x</a><a href="{link}">{file}</a>'.encode()


def _json(file: str, server: PackageServer) -> tuple[str, bytes]:
    listed = {"files": [{"filename": file, "url": f"{server.url}files/{file.replace('+', '%2B')}"}]}
    return "application/vnd.pypi.simple.v1+json", json.dumps(listed).encode()


@pytest.mark.parametrize("page", [_html, _json])
@pytest.mark.parametrize(("name", "file"), [("alpha", ALPHA), ("beta", BETA)])
def test_wheel_index_is_a_source(
    lock: PackageLock, server: PackageServer, tmp_path: Path, page: object, name: str, file: str
) -> None:
    server.pages[f"/simple/{name}/"] = page(file, server)  # type: ignore[operator]
    one = mirror(lock, IndexSource(f"{server.url}simple"), tmp_path)
    assert one.fetch(lock.packages[name]).read_bytes() == FILES[file]
    assert server.paths == [f"/simple/{name}/", f"/files/{file.replace('+', '%2B')}"]


def test_wheel_index_without_the_file_or_with_a_local_address_has_nothing(
    lock: PackageLock, server: PackageServer, tmp_path: Path
) -> None:
    (tmp_path / ALPHA).write_bytes(FILES[ALPHA])
    server.pages["/simple/alpha/"] = (
        "text/html",
        f'<a href="file://{tmp_path / ALPHA}">{ALPHA}</a>'.encode(),
    )
    with pytest.raises(PackageError, match=f"has no {ALPHA}"):
        mirror(lock, IndexSource(f"{server.url}simple"), tmp_path / "kept").fetch(lock.packages["alpha"])


def test_redirection_to_a_local_file_is_refused(
    lock: PackageLock, server: PackageServer, tmp_path: Path
) -> None:
    (tmp_path / ALPHA).write_bytes(FILES[ALPHA])
    server.fault = f"redirect file://{tmp_path / ALPHA}"
    with pytest.raises(PackageError) as caught:
        mirror(lock, UrlSource(server.url), tmp_path / "kept").fetch(lock.packages["alpha"])
    assert caught.value.reason == "unreachable"


def test_login_of_a_source_goes_to_its_host_only_and_is_never_shown(
    lock: PackageLock, server: PackageServer, tmp_path: Path
) -> None:
    source = make_source(server.url.replace("//", "//ann:SECRET@"), "1")
    assert source is not None
    assert "SECRET" not in source.name
    one = mirror(lock, source, tmp_path)
    one.fetch(lock.packages["alpha"])
    assert server.seen[0][1]["Authorization"] == "Basic YW5uOlNFQ1JFVA=="
    with package_server() as other:
        server.fault = f"redirect {other.url}{BETA}"
        one.fetch(lock.packages["beta"])
        assert "Authorization" not in other.seen[0][1]
    server.fault = "absent"
    with pytest.raises(PackageError) as caught:
        mirror(lock, source, tmp_path / "other").fetch(lock.packages["alpha"])
    assert "SECRET" not in str(caught.value)


def test_source_that_does_not_answer_is_named_with_the_command(lock: PackageLock, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    with pytest.raises(PackageError, match="cannot be reached") as caught:
        mirror(lock, UrlSource(url), tmp_path).fetch(lock.packages["alpha"])
    assert url in str(caught.value)
    assert "jupyter pcw runtime fetch alpha" in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "kind", "name"),
    [
        ("https://cdn.example/v{version}/full", UrlSource, "https://cdn.example/v314.0.6/full/"),
        ("index+https://index.example/simple", IndexSource, "https://index.example/simple/"),
        ("file:///srv/pyodide%20x", FolderSource, "/srv/pyodide x"),
        ("/srv/pyodide", FolderSource, "/srv/pyodide"),
    ],
)
def test_setting_chooses_the_kind_of_source(setting: str, kind: type, name: str) -> None:
    source = make_source(setting, "314.0.6")
    assert isinstance(source, kind)
    assert source.name == name


def test_empty_setting_is_no_source() -> None:
    assert make_source(" ", "1") is None


@pytest.mark.parametrize(
    "setting", ["ftp://host/x", "relative/folder", "https:///x", "file://host/x", "index+/x"]
)
def test_other_settings_are_refused(setting: str) -> None:
    with pytest.raises(ConfigurationError):
        make_source(setting, "1")
