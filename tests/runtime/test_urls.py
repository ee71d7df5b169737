"""The browser runtime's URLs: types, codings, caching, containment."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import brotli
import pytest

from pcw_server_ext.errors import ConfigurationError
from pcw_server_ext.runtime.bundle import Bundle, RuntimeFile
from pcw_server_ext.web.accept_encoding import parse_accept_encoding
from tests.runtime import distribution
from tests.support.server import COMPRESSED, StartServer, make_bundle
from tests.support.web import Site

ROOT = "pcw/runtime/0123abcd/"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("pyodide/pyodide.mjs", "text/javascript; charset=utf-8"),
        ("js/network_worker.js", "text/javascript; charset=utf-8"),
        ("pyodide/pyodide.asm.wasm", "application/wasm"),
        ("pyodide/pyodide-lock.json", "application/json; charset=utf-8"),
        ("pyodide/some_package-1.0-py3-none-any.whl", "application/zip"),
        ("kernel/site.pack", "application/octet-stream"),
        ("kernel/snapshot.bin", "application/octet-stream"),
    ],
)
def test_file_is_public_immutable_and_has_its_type(
    site: Site, small_bundle: Path, path: str, kind: str
) -> None:
    answer = site.request("GET", ROOT + path, authenticated=False)
    content = distribution.content(small_bundle, path)
    assert answer.status == 200
    assert answer.body == content
    assert answer.headers["content-type"] == kind
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "set-cookie" not in answer.headers
    head = site.request("HEAD", ROOT + path, authenticated=False)
    assert (head.status, head.body) == (200, b"")
    for name in ("content-type", "content-length", "cache-control", "etag"):
        assert head.headers[name] == answer.headers[name]


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("*", "br"),
        ("br;q=0, *", "gzip"),
        ("deflate", None),
        ("gzip;q=0, br;q=0", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("path", COMPRESSED)
def test_smallest_form_that_the_browser_takes_is_sent(
    site: Site, small_bundle: Path, path: str, accepted: str, coding: str | None
) -> None:
    answer = site.request("GET", ROOT + path, headers={"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == coding
    decode = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[coding]
    assert decode(answer.body) == distribution.content(small_bundle, path)


def test_form_that_is_not_stored_is_made_once(
    start_server: StartServer, small_bundle: Path, tmp_path: Path
) -> None:
    site = start_server(f"--PcwExtension.runtime_dir={small_bundle}")
    kept = tmp_path / "server-0" / "state" / "data" / "pcw" / "runtime"
    path, asked = ROOT + "kernel/snapshot.bin", {"Accept-Encoding": "gzip"}
    head = site.request("HEAD", path, headers=asked)
    assert (head.status, head.headers["content-encoding"], head.body) == (200, "gzip", b"")
    assert not kept.exists()
    first = site.request("GET", path, headers=asked)
    (made,) = kept.iterdir()
    before = made.stat().st_ino
    second = site.request("GET", path, headers=asked)
    assert first.body == second.body == made.read_bytes()
    assert second.headers["content-length"] == str(len(first.body))
    assert first.headers["etag"] == second.headers["etag"] == head.headers["etag"]
    assert [file.stat().st_ino for file in kept.iterdir()] == [before]


def test_forms_are_sent_where_none_can_be_kept(
    start_server: StartServer, small_bundle: Path, tmp_path: Path
) -> None:
    data = tmp_path / "server-0" / "state" / "data"
    data.mkdir(parents=True)
    (data / "pcw").write_text("not a folder")
    site = start_server(f"--PcwExtension.runtime_dir={small_bundle}")
    answer = site.request("GET", ROOT + "kernel/snapshot.bin", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(answer.body) == distribution.content(small_bundle, "kernel/snapshot.bin")
    assert "are not kept, each is made anew" in site.process.printed()


def test_nothing_acceptable_is_406(site: Site) -> None:
    answer = site.request("GET", ROOT + "pyodide/pyodide.mjs", headers={"Accept-Encoding": "*;q=0"})
    assert answer.status == 406


def test_every_form_has_its_own_tag_and_answers_304(site: Site) -> None:
    tags = set()
    for accepted in ("br", "gzip", "identity"):
        asked = {"Accept-Encoding": accepted}
        tag = site.request("GET", ROOT + "pyodide/pyodide.mjs", headers=asked).headers["etag"]
        tags.add(tag)
        again = site.request("GET", ROOT + "pyodide/pyodide.mjs", headers={**asked, "If-None-Match": tag})
        assert (again.status, again.body) == (304, b"")
        other = site.request("GET", ROOT + "pyodide/pyodide.mjs", headers={**asked, "If-None-Match": '"x"'})
        assert other.status == 200
    assert len(tags) == 3


def test_another_hash_says_reload(site: Site) -> None:
    answer = site.request("GET", "pcw/runtime/ffffffff/pyodide/pyodide.mjs")
    assert answer.status == 404
    assert "reload the page" in answer.json()["message"]
    assert answer.headers["cache-control"] == "no-store"


def test_manifest_of_the_present_bundle_is_never_kept(site: Site, small_bundle: Path) -> None:
    answer = site.request("GET", "pcw/runtime/current/manifest.json", authenticated=False)
    assert answer.json() == json.loads((small_bundle / "manifest.json").read_text())
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"] == "application/json"
    tagged = site.request(
        "GET", "pcw/runtime/current/manifest.json", headers={"If-None-Match": answer.headers["etag"]}
    )
    assert tagged.status == 304


@pytest.mark.parametrize(
    "path",
    [
        "none.js",
        "pyodide/pyodide.mjs.br",
        "pyodide",
        "pyodide/",
        "../bundle.py",
        "..%2fbundle.py",
        "pyodide/../../app.py",
        "%2e%2e/%2e%2e/app.py",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "pyodide%5c..%5c..%5capp.py",
        "pyodide/pyodide.mjs%00.js",
    ],
)
def test_only_files_of_the_manifest_can_be_named(site: Site, path: str) -> None:
    answer = site.request("GET", ROOT + path)
    assert answer.status == 404
    assert b"import" not in answer.body


def test_other_verbs_are_405(site: Site) -> None:
    assert site.request("POST", ROOT + "pyodide/pyodide.mjs", body=b"x").status in (403, 405)
    assert site.request("DELETE", ROOT + "pyodide/pyodide.mjs").status in (403, 405)


def test_missing_bundle_is_said_in_the_log_and_the_page_config(
    start_server: StartServer, tmp_path: Path
) -> None:
    site = start_server(f"--PcwExtension.runtime_dir={tmp_path / 'none'}")
    assert "The browser runtime is missing" in site.process.printed()
    assert "make build" in site.process.printed()
    answer = site.request("GET", "pcw/runtime/current/manifest.json")
    assert answer.status == 404
    assert site.request("GET", ROOT + "pyodide/pyodide.mjs").status == 404


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 99}, "another format"),
        ({"files": {"../outside.js": {"size": 1, "sha256": "0"}}}, "outside"),
        ({"files": {"/etc/passwd": {"size": 1, "sha256": "0"}}}, "outside"),
        ({"files": {"none.js": {"size": 1, "sha256": "0"}}}, "incomplete"),
        ({"files": None}, "incomplete"),
        ({"hash": None, "files": {"js/network_worker.js": {}}}, "incomplete"),
    ],
)
def test_wrong_manifest_is_refused(tmp_path: Path, change: dict[str, object], says: str) -> None:
    folder = make_bundle(tmp_path)
    file = folder / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ConfigurationError, match=says):
        Bundle.load(folder)


def test_broken_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Bundle.load(tmp_path)


@pytest.mark.parametrize(
    ("value", "weights"),
    [
        ("", {}),
        ("gzip", {"gzip": 1.0}),
        ("GZIP ; q=0.5 , br", {"gzip": 0.5, "br": 1.0}),
        ("br;q=many", {"br": 0.0}),
        (",;q=1,", {}),
    ],
)
def test_accept_encoding_is_parsed(value: str, weights: dict[str, float]) -> None:
    assert parse_accept_encoding(value) == weights


@pytest.mark.parametrize(
    ("stored", "accepted", "chosen"),
    [
        ("x", {}, "identity"),
        ("x", {"br": 1.0, "gzip": 1.0}, "identity"),
        ("x", {"identity": 0.0}, None),
        ("x", {"*": 0.0, "identity": 1.0}, "identity"),
        ("x.br", {}, "identity"),
        ("x.br", {"gzip": 1.0, "br": 1.0}, "br"),
        ("x.br", {"gzip": 0.1}, "gzip"),
        ("x.br", {"*": 0.0}, None),
    ],
)
def test_plain_form_is_the_last_resort(stored: str, accepted: dict[str, float], chosen: str | None) -> None:
    assert RuntimeFile("x", "0", 1, "text/plain", Path(stored)).choose(accepted) == chosen
