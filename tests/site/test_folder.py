"""Which file a request path means, and with which headers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pcw_server_ext.errors import SiteError, SiteNotFound
from pcw_server_ext.site.hosts import HOSTS
from pcw_server_ext.site.record import SiteRecord
from pcw_server_ext.site.serving.folder import SiteFolder

COEP, COOP = "cross-origin-embedder-policy", "cross-origin-opener-policy"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    (root / "lab").mkdir(parents=True)
    (root / "index.html").write_text("root")
    (root / "lab" / "index.html").write_text("lab")
    (root / "about.html").write_text("about")
    (root / "_headers").write_text("/*\n  Cross-Origin-Opener-Policy: same-origin\n")
    (root / "a.wasm").write_bytes(b"identity")
    (root / "a.wasm.br").write_bytes(b"br")
    (root / "a.wasm.gz").write_bytes(b"gz")
    (tmp_path / "secret.txt").write_text("outside")
    (tmp_path / "site-old").mkdir()
    (tmp_path / "site-old" / "x").write_text("outside")
    return root


def test_folder_answers_with_its_index_and_redirects_without_slash(root: Path) -> None:
    site = SiteFolder(root, host=HOSTS["static"])
    assert site.answer("lab/").file == root / "lab" / "index.html"
    assert site.answer("").file == root / "index.html"
    redirect = site.answer("lab", query="a=1")
    assert (redirect.status, redirect.headers["location"]) == (301, "lab/?a=1")


@pytest.mark.parametrize("path", ["nope", "pcw/runtime/0123456789abcdef/manifest.json"])
def test_cloudflare_answers_what_is_not_there_with_the_root_page_unless_there_is_a_404_page(
    root: Path, path: str
) -> None:
    site = SiteFolder(root, host=HOSTS["cloudflare"])
    answer = site.answer(path)
    assert (answer.status, answer.file) == (200, root / "index.html")
    assert answer.headers["content-type"].startswith("text/html")
    assert SiteFolder(root, host=HOSTS["cloudflare"], development=True).answer(path).status == 404
    assert SiteFolder(root, host=HOSTS["netlify"]).answer(path).status == 404
    (root / "404.html").write_text("not found")
    answer = site.answer(path)
    assert (answer.status, answer.headers["cache-control"]) == (404, "no-store")


@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "lab/../../secret.txt", "../site-old/x", "lab/..", "./index.html", "a\0b", "_headers"],
)
def test_path_that_leaves_the_site_or_configures_the_host_is_not_found(root: Path, path: str) -> None:
    site = SiteFolder(root, host=HOSTS["static"])
    with pytest.raises(SiteNotFound):
        site.locate(path)
    assert site.answer(path).status == 404


def test_link_out_of_the_site_is_not_found_and_one_inside_works(root: Path) -> None:
    os.symlink(root.parent / "secret.txt", root / "out.txt")
    os.symlink(root.parent / "site-old", root / "old")
    os.symlink(root / "about.html", root / "in.html")
    site = SiteFolder(root, host=HOSTS["static"])
    assert site.answer("out.txt").status == 404
    assert site.answer("old/x").status == 404
    assert site.answer("in.html").status == 200


def test_precompressed_sibling_is_chosen_by_what_the_browser_accepts(root: Path) -> None:
    site = SiteFolder(root, host=HOSTS["nginx"])
    brotli = site.answer("a.wasm", accept_encoding="gzip, br")
    assert brotli.file == root / "a.wasm.br"
    assert brotli.headers["content-encoding"] == "br"
    assert brotli.headers["content-type"] == "application/wasm"
    assert brotli.headers["vary"] == "Accept-Encoding"
    assert site.answer("a.wasm", accept_encoding="br;q=0, gzip;q=0.5").headers["content-encoding"] == "gzip"
    plain = site.answer("a.wasm")
    assert plain.file == root / "a.wasm"
    assert "content-encoding" not in plain.headers
    assert len({brotli.etag, plain.etag}) == 2


def test_host_without_precompressed_files_sends_the_file_itself(root: Path) -> None:
    assert (
        SiteFolder(root, host=HOSTS["github-pages"]).answer("a.wasm", accept_encoding="br").file
        == root / "a.wasm"
    )


def test_each_host_sends_what_it_would_send(root: Path) -> None:
    headers = {name: SiteFolder(root, host=host).answer("lab/").headers for name, host in HOSTS.items()}
    assert COOP not in headers["github-pages"]
    assert COOP not in headers["static"]
    # The file's rule sets COOP only: nothing is added on the two hosts that read it.
    assert COEP not in headers["netlify"]
    assert headers["netlify"][COOP] == headers["cloudflare"][COOP] == "same-origin"
    for name in ("jupyter", "envoy", "nginx"):
        assert headers[name][COEP] == "credentialless"


def test_development_server_isolates_whatever_the_host(root: Path) -> None:
    site = SiteFolder(root, host=HOSTS["static"], isolation="require-corp", development=True)
    for path in ("", "lab/", "a.wasm", "missing"):
        assert site.answer(path).headers[COEP] == "require-corp"


def test_cloudflare_redirects_html_names_and_answers_without_suffix(root: Path) -> None:
    site = SiteFolder(root, host=HOSTS["cloudflare"])
    assert site.answer("lab/index.html").headers["location"] == "lab/"
    assert site.answer("index.html").headers["location"] == ""
    assert site.answer("about.html").headers["location"] == "about"
    assert site.answer("about").file == root / "about.html"
    assert site.answer("absent").file == root / "index.html"


def test_site_is_served_as_its_record_says(root: Path) -> None:
    record = SiteRecord(host="nginx", isolation="require-corp")
    (root / "pcw-site.json").write_text(record.dumps())
    site = SiteFolder(root)
    assert site.host.name == "nginx"
    assert site.answer("").headers[COEP] == "require-corp"


def test_runtime_is_cached_for_ever_and_pages_never_blindly(root: Path) -> None:
    runtime = root / "pcw" / "runtime" / "0123456789abcdef"
    runtime.mkdir(parents=True)
    (runtime / "manifest.json").write_text("{}")
    site = SiteFolder(root, host=HOSTS["nginx"])
    assert "immutable" in site.answer("pcw/runtime/0123456789abcdef/manifest.json").headers["cache-control"]
    assert site.answer("lab/").headers["cache-control"] == "no-cache"


def test_missing_folder_says_how_to_build_one(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="jupyter pcw build"):
        SiteFolder(tmp_path / "absent")
