"""The browser runtime's URLs: types, codings, caching, containment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pcw_server_ext.errors import ConfigurationError
from pcw_server_ext.runtime.bundle import Bundle, RuntimeFile, Variant, parse_accept_encoding
from tests.server.conftest import StartServer, make_bundle
from tests.server.web import Site

ROOT = "pcw/runtime/0123abcd/"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("pyodide/pyodide.mjs", "text/javascript; charset=utf-8"),
        ("js/network_worker.js", "text/javascript; charset=utf-8"),
        ("pyodide/pyodide.asm.wasm", "application/wasm"),
        ("pyodide/pyodide-lock.json", "application/json"),
        ("pyodide/some_package-1.0-py3-none-any.whl", "application/zip"),
        ("kernel/site.pack", "application/octet-stream"),
        ("kernel/snapshot.bin", "application/octet-stream"),
    ],
)
def test_file_is_public_immutable_and_has_its_type(site: Site, bundle: Path, path: str, kind: str) -> None:
    answer = site.request("GET", ROOT + path, authenticated=False)
    content = (bundle / path).read_bytes()
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
    ("accepted", "coding", "body"),
    [
        ("gzip, deflate, br, zstd", "br", b"brotli form"),
        ("gzip", "gzip", b"gzip form"),
        ("br;q=0, gzip", "gzip", b"gzip form"),
        ("*", "br", b"brotli form"),
        ("br;q=0, *", "gzip", b"gzip form"),
        ("deflate", None, None),
        ("gzip;q=0, br;q=0", None, None),
        ("", None, None),
    ],
)
def test_best_precompressed_sibling_is_sent(
    site: Site, bundle: Path, accepted: str, coding: str | None, body: bytes | None
) -> None:
    path = "pyodide/pyodide.mjs"
    answer = site.request("GET", ROOT + path, headers={"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == coding
    assert answer.body == (body if body is not None else (bundle / path).read_bytes())
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


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


def test_manifest_of_the_present_bundle_is_never_kept(site: Site, bundle: Path) -> None:
    answer = site.request("GET", "pcw/runtime/current/manifest.json", authenticated=False)
    assert answer.json() == json.loads((bundle / "manifest.json").read_text())
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


def test_plain_form_is_the_last_resort() -> None:
    plain = Variant(None, Path("x"), 1)
    file = RuntimeFile("x", "0", "text/plain", (plain,))
    assert file.choose({}) is plain
    assert file.choose({"identity": 0.0}) is None
    assert file.choose({"*": 0.0, "identity": 1.0}) is plain
