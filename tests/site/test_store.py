"""Staged sites on disk."""

from __future__ import annotations

import io
import stat
import threading
import zipfile
from pathlib import Path

import pytest

from pcw_server_ext.errors import SiteNotFound, SiteRefused
from pcw_server_ext.site.record import SiteRecord
from pcw_server_ext.site.staging.store import SiteStore


@pytest.fixture
def store(tmp_path: Path) -> SiteStore:
    return SiteStore(tmp_path / "sites", max_size=100_000, max_files=20)


def archive(files: dict[str, bytes]) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            target.writestr(name, content)
    made.seek(0)
    return made


def stage(store: SiteStore, name: str, files: dict[str, bytes]) -> None:
    with store.new_folder() as folder:
        store.unpack(archive(files), folder)
        store.put(name, folder)


def test_site_is_listed_read_replaced_and_deleted(store: SiteStore) -> None:
    record = SiteRecord(host="netlify", endpoint="ask").dumps().encode()
    stage(store, "a.b", {"index.html": b"one", "lab/x.js": b"x", "pcw-site.json": record})
    (site,) = store.list()
    assert (site.name, site.host, site.endpoint, site.files) == ("a.b", "netlify", "ask", 3)
    before = store.path(site)
    stage(store, "a.b", {"index.html": b"two"})
    (site,) = store.list()
    assert (store.path(site) / "index.html").read_bytes() == b"two"
    assert not before.exists()
    store.delete("a.b")
    assert store.list() == []
    assert not list((store.root / ".folders").iterdir())
    with pytest.raises(SiteNotFound, match="jupyter pcw stage"):
        store.get("a.b")


def test_failed_replacement_leaves_the_site_and_nothing_else(store: SiteStore) -> None:
    stage(store, "x", {"index.html": b"one"})
    with pytest.raises(SiteRefused, match=r"index\.html"):
        stage(store, "x", {"other.html": b"two"})
    (site,) = store.list()
    assert (store.path(site) / "index.html").read_bytes() == b"one"
    assert len(list((store.root / ".folders").iterdir())) == 1


def test_readers_see_the_old_site_or_the_new_one_while_it_is_replaced(store: SiteStore) -> None:
    stage(store, "x", {"index.html": b"0", "same": b"0"})
    seen: list[str] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            site = store.get("x")
            if not (store.root / "x.json").is_file():
                seen.append("pointer missing")
            folder = store.path(site)
            try:
                if (folder / "index.html").read_bytes() != (folder / "same").read_bytes():
                    seen.append("mixed")
            except FileNotFoundError:
                # Replaced between the two look-ups: the next one finds the new folder.
                if store.get("x").folder == site.folder:
                    seen.append("folder missing")

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(30):
        value = str(number).encode()
        stage(store, "x", {"index.html": value, "same": value})
    stop.set()
    reader.join()
    assert seen == []


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", ".x", "x.", "a..b", "x" * 65, "a b", "a\n", "%2e%2e", "é"]
)
def test_name_that_is_no_site_name_is_refused(store: SiteStore, name: str) -> None:
    with pytest.raises(SiteRefused):
        store.get(name)


@pytest.mark.parametrize("member", ["../x", "/etc/x", "a/../../x", "\\x", "a\\..\\..\\x", "C:/x"])
def test_archive_that_leaves_the_folder_is_refused(store: SiteStore, member: str, tmp_path: Path) -> None:
    with pytest.raises(SiteRefused, match="outside"):
        stage(store, "x", {"index.html": b"", member: b"x"})
    assert not [path for path in tmp_path.rglob("x") if path.is_file()]
    assert store.list() == []


def test_archive_with_a_link_is_refused(store: SiteStore) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as target:
        link = zipfile.ZipInfo("index.html")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        target.writestr(link, "/etc/passwd")
    made.seek(0)
    with store.new_folder() as folder, pytest.raises(SiteRefused, match="outside"):
        store.unpack(made, folder)


def test_folder_with_a_link_is_refused(store: SiteStore) -> None:
    with store.new_folder() as folder:
        (folder / "index.html").symlink_to("/etc/passwd")
        with pytest.raises(SiteRefused, match="link"):
            store.put("x", folder)


def test_archive_that_unpacks_to_too_much_is_refused(store: SiteStore) -> None:
    with pytest.raises(SiteRefused, match="max_site_size"):
        stage(store, "x", {"index.html": b"", "big": bytes(200_000)})
    with pytest.raises(SiteRefused, match="20 files"):
        stage(store, "x", {f"{number}": b"" for number in range(21)})


def test_archive_that_lies_about_its_size_is_refused(store: SiteStore) -> None:
    data = bytearray(archive({"index.html": bytes(200_000)}).getvalue())
    # The uncompressed size in the central directory (APPNOTE 4.3.12) and in the local header.
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = (10).to_bytes(4, "little")
    data[22:26] = (10).to_bytes(4, "little")
    with store.new_folder() as folder:
        try:
            store.unpack(io.BytesIO(bytes(data)), folder)
        except SiteRefused:
            return
        assert sum(path.stat().st_size for path in folder.rglob("*")) <= 100_000


def test_archive_of_the_folder_itself_is_as_good(store: SiteStore) -> None:
    stage(store, "x", {"site/index.html": b"page", "site/lab/y": b"y"})
    folder = store.path(store.get("x"))
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == [
        "index.html",
        "lab/y",
    ]


def test_no_zip_file_is_refused(store: SiteStore) -> None:
    with store.new_folder() as folder, pytest.raises(SiteRefused, match="no zip"):
        store.unpack(io.BytesIO(b"nonsense"), folder)


def test_equal_sites_make_equal_archives(store: SiteStore) -> None:
    packed = []
    for name in ("x", "y"):
        stage(store, name, {"index.html": b"page", "b/c": b"c", "a": b"a"})
        target = io.BytesIO()
        store.pack(store.get(name), target)
        packed.append(target.getvalue())
    assert packed[0] == packed[1]
    with zipfile.ZipFile(io.BytesIO(packed[0])) as read:
        assert {name: read.read(name) for name in read.namelist()} == {
            "index.html": b"page",
            "b/c": b"c",
            "a": b"a",
        }


def test_replacements_at_once_leave_one_site_and_no_other_files(store: SiteStore) -> None:
    for _ in range(20):
        begin = threading.Barrier(4)

        def replace(text: bytes, begin: threading.Barrier = begin) -> None:
            with store.new_folder() as folder:
                store.unpack(archive({"index.html": text}), folder)
                begin.wait(20)
                store.put("x", folder)

        threads = [threading.Thread(target=replace, args=(bytes([number]),)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        (folder,) = (store.root / ".folders").iterdir()
        assert folder == store.path(store.get("x"))
        assert (folder / "index.html").is_file()
