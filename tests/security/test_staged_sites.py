"""What an uploaded site, its record and its `_headers` must not do to the server that stages it."""

from __future__ import annotations

import io
import json
import stat
import struct
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.site import header_rules
from pcw_server_ext.site.record import SiteRecord, loads
from pcw_server_ext.site.staging.service import build_environment
from pcw_server_ext.site.staging.store import SiteStore
from tests.support.server import start
from tests.support.web import Answer, Site

RECORD = {"format": 1, "host": "netlify", "endpoint": "ask"}
CSP = "content-security-policy"


def archive(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as target:
        for name, content in {"index.html": b"page", **files}.items():
            target.writestr(name, content)
    return made.getvalue()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("server")
    with start(folder, f"--SiteService.sites_dir={folder / 'sites'}", base_url="/user/x/") as process:
        yield Site(process)
        assert "Traceback" not in process.printed()


def put(site: Site, name: str, body: bytes) -> Answer:
    return site.request("PUT", f"pcw/api/sites/{name}", body=body)


def get(site: Site, path: str) -> Answer:
    return site.request("GET", path)


HOSTILE = """
/*
  Service-Worker-Allowed: /
  Content-Security-Policy: default-src * data: blob: 'unsafe-inline' 'unsafe-eval'
  Content-Security-Policy-Report-Only: default-src 'none'; report-uri https://evil.example
  Set-Cookie: _xsrf=evil; Path=/
  Clear-Site-Data: "*"
  Refresh: 0; url=https://evil.example
  Link: <https://evil.example/x.js>; rel=preload
  Location: https://evil.example/
  Access-Control-Allow-Origin: *
  Access-Control-Allow-Credentials: true
  Report-To: {"endpoints":[{"url":"https://evil.example"}]}
  Reporting-Endpoints: x="https://evil.example"
  NEL: {"report_to":"x"}
  Permissions-Policy: camera=*
  Strict-Transport-Security: max-age=1
  Referrer-Policy: unsafe-url
  X-Accel-Redirect: /etc/passwd
  X-Sendfile: /etc/passwd
  SourceMap: https://evil.example
  Origin-Agent-Cluster: ?0
  Cross-Origin-Opener-Policy: same-origin; report-to="x"
  Cache-Control: public, s-maxage=99, max-age=7
  Content-Type: text/plain
"""


@pytest.mark.parametrize("host", ["netlify", "cloudflare"])
def test_rules_of_a_site_set_nothing_that_reaches_beyond_it(site: Site, host: str) -> None:
    record = json.dumps({**RECORD, "host": host}).encode()
    rules = HOSTILE.encode()
    plain = archive({"pcw-site.json": record, "sw.js": b"x"})
    assert put(site, "plain", plain).status == 201
    assert (
        put(site, "hostile", archive({"pcw-site.json": record, "sw.js": b"x", "_headers": rules})).status
        == 201
    )
    for path in ("", "sw.js", "absent", "files"):
        honest = get(site, f"pcw/sites/plain/{path}").headers
        sent = get(site, f"pcw/sites/hostile/{path}").headers
        added = {name for name in sent if sent[name] != honest.get(name)} - {"date", "etag", "set-cookie"}
        assert added <= {"cross-origin-opener-policy", "cache-control", "content-type"}, (path, added)
        assert "evil" not in json.dumps(sent)
        assert sent[CSP] == honest[CSP]
        assert sent["referrer-policy"] == "same-origin"
        assert sent["cross-origin-opener-policy"] in ("same-origin", "unsafe-none")
        assert "public" not in sent["cache-control"]
    assert get(site, "pcw/sites/hostile/").headers["cache-control"] == "private, max-age=7"


def test_policy_lets_a_site_ask_its_server_and_its_endpoint_alone(site: Site) -> None:
    record = {"format": 1, "host": "jupyter", "endpoint": "https://spark.example:8443/pcw/grpc/default"}
    put(site, "far", archive({"pcw-site.json": json.dumps(record).encode(), "files/page.html": b"x"}))
    policy = get(site, "pcw/sites/far/").headers[CSP].split("; ")
    assert "connect-src 'self' blob: data: https://spark.example:8443" in policy
    assert "img-src 'self' data: blob:" in policy
    assert "webrtc 'block'" in policy
    assert not any(directive.startswith("sandbox") for directive in policy)
    # A page among the contents is a file, as below Jupyter's own /files/.
    assert "sandbox allow-scripts" in get(site, "pcw/sites/far/files/page.html").headers[CSP].split("; ")


def test_site_for_a_public_host_stays_behind_the_login(site: Site) -> None:
    record = json.dumps({**RECORD, "host": "github-pages"}).encode()
    put(site, "github", archive({"pcw-site.json": record}))
    headers = get(site, "pcw/sites/github/").headers
    assert "access-control-allow-origin" not in headers
    assert headers["cache-control"] == "private, max-age=600"


def raw_record(text: bytes) -> dict[str, bytes]:
    return {"pcw-site.json": text}


BAD_RECORDS = {
    "cut": b"{",
    "deep": b"[" * 200_000,
    "no object": b"5",
    "no utf-8": b'{"format": 1, "host": "\xff"}',
    "host list": json.dumps({**RECORD, "host": ["x"]}).encode(),
    "host unknown": json.dumps({**RECORD, "host": "nowhere"}).encode(),
    "endpoint number": json.dumps({**RECORD, "endpoint": 5}).encode(),
    "endpoint with sources": json.dumps(
        {**RECORD, "endpoint": "https://evil.example *; report-uri https://evil.example"}
    ).encode(),
    "endpoint with a comma": json.dumps({**RECORD, "endpoint": "https://evil.example,*/x"}).encode(),
    "isolation with lines": json.dumps({**RECORD, "isolation": "x\r\nSet-Cookie: a=b"}).encode(),
    "channel": json.dumps({**RECORD, "channel": None}).encode(),
    "apps number": json.dumps({**RECORD, "apps": 5}).encode(),
    "apps outside": json.dumps({**RECORD, "apps": ["../../x"]}).encode(),
    "files list": json.dumps({**RECORD, "files": []}).encode(),
    "files hash": json.dumps({**RECORD, "files": {"a": 5}}).encode(),
    "runtime path": json.dumps({**RECORD, "runtime": "../../.."}).encode(),
    "version object": json.dumps({**RECORD, "version": {}}).encode(),
    "large": b'{"format": 1, "x": "' + b" " * (4 << 20) + b'"}',
}


@pytest.mark.parametrize("kind", BAD_RECORDS)
def test_record_that_no_build_writes_is_refused_with_the_reason(site: Site, kind: str) -> None:
    answer = put(site, "record", archive(raw_record(BAD_RECORDS[kind])))
    assert answer.status == 400, answer.body
    message = answer.json()["message"]
    assert message.startswith("pcw-site.json")
    assert "Build the site again" in message
    assert str(site.process.root.parent) not in message
    assert get(site, "pcw/sites/record/").status == 404


def test_record_of_every_kind_of_host_is_read_as_it_was_written() -> None:
    record = SiteRecord(
        host="envoy",
        isolation="require-corp",
        endpoint="http://[::1]:8080/pcw/grpc/default",
        runtime="0123456789abcdef",
        version="0.1.0.dev1+local",
        apps=("lab/index.html",),
        files={"a b/ü.js": "0" * 64},
    )
    assert loads(record.dumps()) == record
    with pytest.raises(SiteRefused, match="endpoint must be"):
        loads(json.dumps({**RECORD, "endpoint": "https://a b/"}))


def test_rules_that_are_no_text_are_refused(site: Site) -> None:
    for rules, reason in ((b"/*\n  X: \xff\n", "UTF-8"), (b"# " + b"x" * (65 << 10), "fewer rules")):
        answer = put(site, "rules", archive({"_headers": rules}))
        assert answer.status == 400
        assert reason in answer.json()["message"]


def test_rules_with_control_characters_do_not_break_an_answer(site: Site) -> None:
    rules = b"/*\n  Content-Language: a\x00b\n/f/:name\n  Content-Language: :name\n"
    record = json.dumps({**RECORD, "host": "cloudflare"}).encode()
    assert put(site, "control", archive({"pcw-site.json": record, "_headers": rules})).status == 201
    assert get(site, "pcw/sites/control/").status == 200
    # Cloudflare answers what is not there with the root page. The name's line end does not begin another header.
    answer = get(site, "pcw/sites/control/f/a%0d%0aSet-Cookie:%20x=y")
    assert (answer.status, answer.body) == (200, b"page")
    assert answer.headers["content-language"] == "aSet-Cookie: x=y"
    assert "x=y" not in answer.headers.get("set-cookie", "")


def zip_of(name: str, content: bytes = b"x", **attributes: int) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as target:
        target.writestr("index.html", b"page")
        target.writestr(name, content)
    return made.getvalue()


def with_bytes(data: bytes, offset_in_entry: int, value: bytes) -> bytes:
    """Change both headers of the last file: the local one, and the one in the list at the end."""
    out = bytearray(data)
    for mark, more in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        at = data.rfind(mark) + offset_in_entry + more
        out[at : at + len(value)] = value
    return bytes(out)


def duplicated() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as target:
        target.writestr("index.html", b"page")
        with pytest.warns(UserWarning, match="Duplicate"):
            target.writestr("index.html", b"page")
    return made.getvalue()


BAD_ARCHIVES = {
    "duplicate names": (duplicated, "of one name"),
    "file and folder": (lambda: archive({"a": b"x", "a/b": b"x"}), "of one name"),
    "folder and file": (lambda: archive({"a/b": b"x", "a": b"x"}), "of one name"),
    "long name": (lambda: zip_of("n" * 300), "more than 255"),
    "deep": (lambda: zip_of("d/" * 3000 + "x"), "more than 1024 bytes"),
    "unknown method": (lambda: with_bytes(zip_of("a"), 8, struct.pack("<H", 99)), "uncommon way"),
    "encrypted": (lambda: with_bytes(zip_of("a"), 6, struct.pack("<H", 1)), "password"),
    "damaged": (lambda: with_bytes(archive({"a": b"x" * 99}), 8, struct.pack("<H", 8)), "damaged"),
    "control character": (lambda: zip_of("a\tb"), "control character"),
    "outside": (lambda: zip_of("../x"), "outside"),
    "absolute": (lambda: zip_of("/etc/x"), "outside"),
    "nothing": (lambda: b"", "no zip file"),
    "cut": (lambda: archive({"a": b"x" * 999})[:-30], "no zip file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_ARCHIVES)
def test_archive_that_cannot_be_a_site_is_refused_with_the_reason(site: Site, kind: str) -> None:
    make, reason = BAD_ARCHIVES[kind]
    answer = put(site, "archive", make())
    assert answer.status == 400, answer.body
    assert reason in answer.json()["message"]
    assert str(site.process.root.parent) not in answer.json()["message"]
    assert get(site, "pcw/sites/archive/").status == 404


def test_archive_of_macos_is_a_site(site: Site) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as target:
        for name in ("site/index.html", "site/.DS_Store", "__MACOSX/site/._index.html"):
            target.writestr(name, b"page")
    assert put(site, "mac", made.getvalue()).status == 201
    assert get(site, "pcw/sites/mac/").body == b"page"


BAD_BUILDS = [
    b"[" * 100_000,
    b"\xff",
    b"5",
    b'{"host": ["x"]}',
    b'{"host": 5}',
    b'{"apps": ["nonsense"]}',
    b'{"apps": [5]}',
    b'{"contents": "x"}',
    b'{"contents": ["\\ud800"]}',
    b'{"contents": ["a\\u0000b"]}',
    b'{"contents": ["' + b"x" * 5000 + b'"]}',
    b'{"lite_dir": 5}',
    b'{"lite_dir": ["a"]}',
    b'{"endpoint": "https://a;b/"}',
]


@pytest.mark.parametrize("body", BAD_BUILDS, ids=lambda body: body[:24].decode("latin-1"))
def test_request_for_a_build_that_makes_no_sense_is_refused_with_the_reason(site: Site, body: bytes) -> None:
    answer = site.request("POST", "pcw/api/sites/build", body=body)
    assert answer.status == 400, answer.body
    assert answer.json()["message"]
    assert str(site.process.root.parent) not in answer.json()["message"]


@pytest.mark.parametrize("dialect", header_rules.Dialect)
def test_pattern_with_many_wildcards_is_matched_at_once(dialect: header_rules.Dialect) -> None:
    text = f"/{'*a' * 900}*b\n  X-A: b\n/{''.join(f':a{n}' for n in range(200))}b\n  X-B: b\n"
    rules = header_rules.parse(text)
    began = time.process_time()
    assert rules.apply(dialect, "/" + "a" * 8000 + "/x.txt", []) == {}
    assert time.process_time() - began < 1


def test_list_of_two_million_files_is_refused_unread(tmp_path: Path) -> None:
    entry = (
        struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
        + b"a"
    )
    store = SiteStore(tmp_path / "sites", max_size=1 << 31)
    for count in (300_000, 2_000_000):
        directory = entry * count
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
        began = time.process_time()
        with store.new_folder() as folder, pytest.raises(SiteRefused, match="50000 files"):
            store.unpack(io.BytesIO(directory + end), folder)
        assert time.process_time() - began < 2


def test_staged_site_can_be_read_by_the_servers_account_alone(tmp_path: Path) -> None:
    store = SiteStore(tmp_path / "data" / "pcw" / "sites", max_size=1 << 20, private_above=1)
    with store.new_folder() as folder:
        store.unpack(io.BytesIO(archive({"lab/a.js": b"x"})), folder)
        store.put("x", folder)
    seen = [*store.root.rglob("*"), store.root, store.root.parent]
    assert len(seen) > 6
    for path in seen:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_token_in_an_address_is_left_out_of_a_redirect(site: Site) -> None:
    put(site, "redirect", archive({"lab/index.html": b"x"}))
    answer = get(site, f"pcw/sites/redirect/lab?%74oken={site.token}&x=1")
    assert answer.headers["location"] == "/user/x/pcw/sites/redirect/lab/?x=1"


def test_build_gets_none_of_the_servers_secrets() -> None:
    secret = {
        "JUPYTER_TOKEN": "s",
        "JUPYTERHUB_API_TOKEN": "s",
        "AWS_SECRET_ACCESS_KEY": "s",
        "SPARK_REMOTE": "s",
    }
    assert build_environment({**secret, "PATH": "/bin", "LC_ALL": "C"}) == {"PATH": "/bin", "LC_ALL": "C"}
