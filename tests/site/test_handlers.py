"""The staging area of a real Jupyter server."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pcw_server_ext.site.record import SiteRecord
from tests.support.server import start
from tests.support.web import Answer, Site

COEP, COOP, CSP = "cross-origin-embedder-policy", "cross-origin-opener-policy", "content-security-policy"


def archive(host: str = "jupyter", endpoint: str = "same-origin", **files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as target:
        target.writestr("index.html", b"root page")
        target.writestr("lab/index.html", b"lab page")
        target.writestr("pcw-site.json", SiteRecord(host=host, endpoint=endpoint).dumps())
        for name, content in files.items():
            target.writestr(name, content)
    return made.getvalue()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A Jupyter server below a base URL, as on a hub."""
    with start(tmp_path_factory.mktemp("server"), base_url="/user/x/") as process:
        yield Site(process)


def put(site: Site, name: str, body: bytes, **headers: str) -> Answer:
    return site.request("PUT", f"pcw/api/sites/{name}", body=body, headers=headers)


def get(site: Site, path: str, **headers: str) -> Answer:
    return site.request("GET", path, headers=headers)


def test_site_is_staged_served_listed_downloaded_and_deleted(site: Site) -> None:
    made = put(site, "first", archive(**{"data.bin": bytes(range(256))}))
    assert made.status == 201, made.body
    described = made.json()
    assert described["url"] == "/user/x/pcw/sites/first/"
    assert "folder" not in described
    assert get(site, "pcw/sites/first/lab/").body == b"lab page"
    assert get(site, "pcw/sites/first/data.bin").body == bytes(range(256))
    assert described in get(site, "pcw/api/sites").json()["sites"]
    packed = get(site, "pcw/api/sites/first/download")
    assert packed.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(packed.body)) as read:
        assert read.read("data.bin") == bytes(range(256))
    assert put(site, "copy", packed.body).status == 201
    assert site.request("DELETE", "pcw/api/sites/first").status == 204
    assert get(site, "pcw/sites/first/").status == 404
    assert get(site, "pcw/api/sites/first").status == 404


def test_address_without_a_slash_leads_to_the_site(site: Site) -> None:
    put(site, "slash", archive())
    answer = get(site, "pcw/sites/slash")
    assert (answer.status, answer.headers["location"]) == (302, "/user/x/pcw/sites/slash/")
    inner = get(site, "pcw/sites/slash/lab?x=1")
    assert (inner.status, inner.headers["location"]) == (301, "/user/x/pcw/sites/slash/lab/?x=1")


def test_site_gets_the_headers_of_its_host(site: Site) -> None:
    rules = b"/*\n  Cross-Origin-Opener-Policy: same-origin\n  Cross-Origin-Embedder-Policy: require-corp\n"
    for host, absent in (("netlify", 404), ("cloudflare", 200)):
        put(site, host, archive(host, _headers=rules))
        assert get(site, f"pcw/sites/{host}/lab/").headers[COEP] == "require-corp"
        # Cloudflare answers what is not there with the root page.
        kept = get(site, f"pcw/sites/{host}/_headers")
        assert kept.status == absent
        assert b"Cross-Origin" not in kept.body
    put(site, "github", archive("github-pages"))
    headers = get(site, "pcw/sites/github/lab/").headers
    # The server isolates itself; a site whose host would not isolate it must not seem to work here.
    assert (headers[COOP], headers[COEP]) == ("unsafe-none", "unsafe-none")
    put(site, "jupyter", archive("jupyter"))
    assert get(site, "pcw/sites/jupyter/lab/").headers[COEP] == "credentialless"


def test_site_may_talk_to_its_server_and_its_endpoint_alone(site: Site) -> None:
    put(site, "own", archive())
    policy = get(site, "pcw/sites/own/lab/").headers[CSP]
    assert "connect-src 'self' blob: data:;" in policy
    assert "frame-ancestors 'self'" in policy
    put(site, "far", archive(endpoint="https://spark.example:8443/pcw/grpc/default"))
    assert (
        "connect-src 'self' blob: data: https://spark.example:8443;"
        in get(site, "pcw/sites/far/lab/").headers[CSP]
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "pcw/api/sites"),
        ("GET", "pcw/api/sites/private"),
        ("GET", "pcw/api/sites/private/download"),
        ("PUT", "pcw/api/sites/private"),
        ("POST", "pcw/api/sites/private"),
        ("DELETE", "pcw/api/sites/private"),
        ("GET", "pcw/sites/private/"),
        ("HEAD", "pcw/sites/private/lab/"),
        ("GET", "pcw/lite/"),
    ],
)
def test_stranger_gets_nothing(site: Site, method: str, path: str) -> None:
    put(site, "private", archive(**{"secret.txt": b"SECRET"}))
    body = archive() if method == "PUT" else b"{}" if method == "POST" else None
    answer = site.request(method, path, body=body, authenticated=False)
    assert answer.status in (302, 403), answer.status
    if answer.status == 302:
        assert "/login?next=" in answer.headers["location"]
    assert b"SECRET" not in answer.body
    assert get(site, "pcw/sites/private/secret.txt").body == b"SECRET"


def test_cookie_alone_cannot_stage(site: Site) -> None:
    cookie, xsrf = site.login()
    body = archive()

    def send(**headers: str) -> int:
        sent = {"Cookie": cookie, **headers}
        return site.request(
            "PUT", "pcw/api/sites/forged", body=body, headers=sent, authenticated=False
        ).status

    assert send() == 403
    assert send(**{"X-XSRFToken": xsrf, "Origin": "https://evil.example"}) in (403, 404)
    assert get(site, "pcw/api/sites/forged").status == 404
    assert send(**{"X-XSRFToken": xsrf}) == 201


@pytest.mark.parametrize("path", ["../x", "%2e%2e/x", "..%2fx", "lab/..%2f..%2fx", "%00"])
def test_nothing_beside_the_site_is_sent(site: Site, path: str) -> None:
    put(site, "contained", archive())
    assert get(site, f"pcw/sites/contained/{path}").status in (400, 404)


@pytest.mark.parametrize("name", ["..", "%2e%2e", ".x", "a%2fb", "x%00"])
def test_name_that_is_none_is_refused(site: Site, name: str) -> None:
    assert put(site, name, archive()).status in (400, 404)


def test_upload_that_is_no_site_is_refused_with_the_reason(site: Site) -> None:
    answer = put(site, "broken", b"nonsense")
    assert answer.status == 400
    assert "no zip file" in answer.json()["message"]
    assert get(site, "pcw/api/sites/broken").status == 404


@pytest.mark.parametrize("length", ["", "8, 9", "0x8", "\u00b2", "9" * 5000])
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_length_that_is_no_number_is_400(site: Site, method: str, length: str) -> None:
    answer = site.request(
        method, "pcw/api/sites/lengthless", body=b"nonsense", headers={"Content-Length": length}
    )
    assert answer.status == 400
    assert get(site, "pcw/api/sites/lengthless").status == 404


def send_and_leave(site: Site, name: str, body: bytes, *, sent: int) -> None:
    """Send the first `sent` bytes of an upload and close the connection."""
    connection = site.connect()
    connection.putrequest("PUT", f"{site.base_url}pcw/api/sites/{name}")
    for header, value in {**site.auth, "Content-Length": str(len(body))}.items():
        connection.putheader(header, value)
    connection.endheaders(body[:sent])
    connection.close()


def test_complete_upload_is_staged_also_when_its_client_does_not_wait(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        own = Site(process)
        # Many files, so that it is still being unpacked when the connection's end is seen.
        body = archive(**{f"file{number}.txt": b"x" for number in range(1500)})
        send_and_leave(own, "left", body, sent=len(body))
        deadline = time.monotonic() + 60
        while not get(own, "pcw/api/sites").json()["sites"]:
            assert time.monotonic() < deadline, process.printed()
            time.sleep(0.05)
        assert get(own, "pcw/sites/left/file1499.txt").body == b"x"
        assert "Traceback" not in process.printed()


def test_upload_that_is_cut_leaves_nothing_behind(tmp_path: Path) -> None:
    with start(tmp_path, f"--SiteService.sites_dir={tmp_path / 'sites'}") as process:
        own = Site(process)
        body = archive(**{"data.bin": bytes(100_000)})
        send_and_leave(own, "cut", body, sent=len(body) - 1)
        # Answered after the cut one has ended: both are read by the same loop.
        assert put(own, "whole", body).status == 201
        assert [entry["name"] for entry in get(own, "pcw/api/sites").json()["sites"]] == ["whole"]
        assert len(list((tmp_path / "sites" / ".folders").iterdir())) == 1
        assert "Traceback" not in process.printed()


def test_request_for_a_build_is_small(site: Site) -> None:
    # Refused by its head alone: whoever sent the body would find the connection closed.
    connection = site.connect()
    connection.putrequest("POST", f"{site.base_url}pcw/api/sites/long")
    for header, value in {**site.auth, "Content-Length": str((1 << 20) + 1)}.items():
        connection.putheader(header, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert "1 MiB" in json.loads(answer.read())["message"]
    connection.close()


def test_upload_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with start(tmp_path, "--SiteService.max_site_size=1000") as process:
        small = Site(process)
        answer = put(small, "x", bytes(5000))
        assert answer.status == 413
        assert "max_site_size" in answer.json()["message"]


def test_page_of_a_site_sets_the_cookie_that_its_requests_repeat(site: Site) -> None:
    put(site, "cookie", archive())
    assert "_xsrf=" in get(site, "pcw/sites/cookie/lab/").headers["set-cookie"]


def test_site_is_built_from_the_users_files_and_from_none_else(site: Site) -> None:
    root = site.process.root
    (root / "data").mkdir()
    (root / "data" / "numbers.csv").write_text("n\n1\n")
    (root / ".hidden").mkdir()
    (root.parent / "outside.txt").write_text("outside")

    def post(**request: object) -> Answer:
        return site.request("POST", "pcw/api/sites/built", body=json.dumps(request).encode(), timeout=100)

    assert "not below" in post(contents=["../outside.txt"]).json()["message"]
    assert "hidden" in post(contents=[".hidden"]).json()["message"]
    assert "There is no" in post(contents=["absent"]).json()["message"]
    assert "Unknown settings" in post(token="secret").json()["message"]
    assert "token" in post(endpoint="https://a.example/;token=x").json()["message"]
    # Its options may name any file of the server's machine.
    (root / "lite").mkdir()
    (root / "lite" / "jupyter_lite_config.json").write_text('{"LiteBuildConfig": {"contents": ["../.."]}}')
    refused = post(lite_dir="lite")
    assert refused.status == 400
    assert "'lite' has a jupyter_lite_config file" in refused.json()["message"]
    assert "jupyter pcw stage" in refused.json()["message"]
    answer = post(contents=["data"], apps=["repl"], host="github-pages")
    assert answer.status == 201, answer.body
    assert answer.json()["host"] == "github-pages"
    assert get(site, "pcw/sites/built/files/numbers.csv").body == b"n\n1\n"
    page = get(site, "pcw/sites/built/repl/").body.decode()
    assert "coi-serviceworker.js" in page
    # A second one replaces it.
    assert post(contents=["data"], apps=["repl"], host="jupyter").json()["host"] == "jupyter"
    assert "coi-serviceworker.js" not in get(site, "pcw/sites/built/repl/").body.decode()


def test_servers_own_site_is_served_beside_the_staged_ones(tmp_path: Path) -> None:
    folder = tmp_path / "built"
    folder.mkdir()
    (folder / "index.html").write_text("own site")
    with start(tmp_path / "server", f"--SiteService.lite_site={folder}") as process:
        own = Site(process)
        assert get(own, "pcw/lite/").body == b"own site"
        assert get(own, "pcw/lite").headers["location"] == "/pcw/lite/"


def test_staged_site_called_lite_is_the_servers_own(site: Site) -> None:
    assert get(site, "pcw/lite/").status == 404
    put(site, "lite", archive())
    assert get(site, "pcw/lite/lab/").body == b"lab page"
    assert site.request("DELETE", "pcw/api/sites/lite").status == 204
    assert get(site, "pcw/lite/lab/").status == 404
