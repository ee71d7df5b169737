"""Uploads, the files of sites, builds, tokens, and what of all that is written into the log."""

from __future__ import annotations

import io
import json
import re
import stat
import struct
import warnings
import zipfile
from collections.abc import Iterator

from tests.security.attack.access import ROUTES, at
from tests.security.attack.attempts import Attempt, Headers, Outcome, answered, anything, not_dialled, request
from tests.security.attack.target import ANN, BASE, Target, archive

AUTH = ("Authorization", f"Bearer {ANN}")
UPLOAD = "pcw/api/sites/upload"
RECORD = {"format": 1, "host": "netlify", "endpoint": "ask"}


def zip_of(*entries: zipfile.ZipInfo | str, content: bytes = b"x") -> bytes:
    """A zip file with these names, which `archive` would not write."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as written, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written.writestr("index.html", b"page")
        for entry in entries:
            written.writestr(entry, content)
    return made.getvalue()


SPECIAL = {
    "link": stat.S_IFLNK,
    "pipe": stat.S_IFIFO,
    "device": stat.S_IFCHR,
    "block device": stat.S_IFBLK,
    "socket": stat.S_IFSOCK,
}


def special(kind: int, name: str) -> zipfile.ZipInfo:
    """An entry for a link, a device or a pipe."""
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (kind | 0o777) << 16
    return info


def patched(data: bytes, offset: int, value: bytes) -> bytes:
    """Change both headers of the last entry: the local one, and the one in the list at the end."""
    out = bytearray(data)
    for mark, more in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        begin = data.rfind(mark) + offset + more
        out[begin : begin + len(value)] = value
    return bytes(out)


def archives() -> dict[str, bytes]:
    """Zip files that must be refused."""
    good = archive({"a": b"x" * 999})
    found = {
        f"name {name[:30]!r}": zip_of(name)
        for name in (
            "../x", "../../outside.txt", "/etc/x", "a/../../x", "a/../x", "./../x", "//x",
            "\\\\x\\y", "..\\x", "C:\\x",
            "C:/x", "a\tb", "a\nb", "a\rb", "a\x01b", "n" * 300, "d/" * 3000 + "x", "a/./../../x",
        )
    }  # fmt: skip
    found |= {
        "one name twice": zip_of("index.html"),
        "file and folder": zip_of("a", "a/b"),
        "folder and file": zip_of("a/b", "a"),
        "link, and a file below it": zip_of(special(stat.S_IFLNK, "a"), "a/b", content=b"/tmp"),
        "unknown method": patched(zip_of("a"), 8, struct.pack("<H", 99)),
        "encrypted": patched(zip_of("a"), 6, struct.pack("<H", 1)),
        "damaged": patched(good, 8, struct.pack("<H", 8)),
        "nothing": b"",
        "no zip": b"GIF89a" + bytes(100),
        "cut": good[:-30],
        "half": good[: len(good) // 2],
        "wrong sum": patched(good, 14, b"\0\0\0\0"),
        "no page": b"PK\x05\x06" + bytes(18),
    }
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("index.html", bytes(50_000_000))
    found["50 MB from 50 KB"] = bomb.getvalue()
    entry = (
        struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
        + b"a"
    )
    found["80,000 entries"] = entry * 80_000 + struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(entry) * 80_000, 0, 0
    )
    found |= {f"record: {name}": archive({"pcw-site.json": text}) for name, text in records().items()}
    found |= {
        "rules that are no text": archive({"_headers": b"/*\n  X: \xff\n"}),
        "rules of 65 KiB": archive({"_headers": b"# " + b"x" * (65 << 10)}),
    }
    return found


def records() -> dict[str, bytes]:
    """Records that no build writes."""
    changed: dict[str, object] = {
        "host": ["x"], "host ": "nowhere",
        "endpoint": 5, "endpoint ": "https://evil.example *; report-uri /x",
        "endpoint  ": "https://evil.example,*/x", "endpoint   ": "javascript:alert(1)",
        "endpoint    ": "//evil.example",
        "isolation": "x\r\nSet-Cookie: a=b",
        "isolation ": 5, "channel": None, "apps": 5, "apps ": ["../../x"],
        "files": [], "files ": {"a": 5}, "runtime": "../../..", "version": {}, "format": 99,
    }  # fmt: skip
    found = {
        f"{name!r}": json.dumps({**RECORD, name.strip(): value}).encode() for name, value in changed.items()
    }
    return found | {
        "cut": b"{",
        "deep": b"[" * 200_000,
        "a number": b"5",
        "no text": b'{"format": 1, "host": "\xff"}',
        "large": b'{"format": 1, "x": "' + b" " * (5 << 20) + b'"}',
    }


HOSTILE = (
    "Service-Worker-Allowed: /", "Content-Security-Policy: default-src *", "Set-Cookie: _xsrf=evil; Path=/",
    'Clear-Site-Data: "*"', "Refresh: 0; url=https://evil.example", "Link: <https://evil.example/x.js>; rel=preload",
    "Location: https://evil.example/", "Access-Control-Allow-Origin: *", "Access-Control-Allow-Credentials: true",
    'Report-To: {"endpoints":[{"url":"https://evil.example"}]}', 'Reporting-Endpoints: x="https://evil.example"',
    'NEL: {"report_to":"x"}', "Permissions-Policy: camera=*", "Strict-Transport-Security: max-age=1",
    "Referrer-Policy: unsafe-url", "X-Accel-Redirect: /etc/passwd", "X-Sendfile: /etc/passwd",
    "SourceMap: https://evil.example", "Origin-Agent-Cluster: ?0", "Timing-Allow-Origin: *",
    "X-Frame-Options: ALLOWALL",
    "WWW-Authenticate: Basic realm=x", "Alt-Svc: h2=\"evil.example:443\"",
    "Transfer-Encoding: chunked", "Content-Length: 1", "Connection: keep-alive", "Content-Encoding: gzip",
    "X-Evil: 1", "Speculation-Rules: \"/x\"", "Set-Login: logged-in", "Supports-Loading-Mode: fenced-frame",
)  # fmt: skip


def staging(target: Target) -> Iterator[Attempt]:
    """Uploads that are no sites, and rules of sites that reach beyond them."""
    for name, data in archives().items():
        yield Attempt("staging", name, request("PUT", BASE + UPLOAD, [AUTH], data), answered(0, 400, 413))
    for name, kind in SPECIAL.items():
        data = zip_of(special(kind, "link"), content=b"../../outside.txt")
        yield Attempt(
            "staging", f"{name} entry", request("PUT", BASE + UPLOAD, [AUTH], data), answered(201, 400)
        )

        def plain(outcome: Outcome) -> str | None:
            return None if outcome.status == 404 or outcome.body == b"../../outside.txt" else "is followed"

        read = request("GET", f"{BASE}pcw/sites/upload/link", [AUTH])
        yield Attempt("staging", f"{name} is an ordinary file", read, plain)
        remove = request("DELETE", BASE + UPLOAD, [AUTH])
        yield Attempt("staging", f"{name} is removed", remove, answered(204, 404))
    for name in (
        "..", ".", "%2e%2e", "a%2fb", "a%5cb", "a%00", ".hidden", "a%0d%0aX-Evil:1", "A%20B",
        "%ff", "a" * 300, "-", "con%3a",
        "%F0%9F%98%80", "*", "~root", "$HOME", "a;b", "a%3cscript%3e", "a%22b",
    ):  # fmt: skip
        data = request("PUT", f"{BASE}pcw/api/sites/{name}", [AUTH], archive({}))
        yield Attempt("staging", f"site called {name[:30]}", data, answered(400, 404, 405))
    record = json.dumps({**RECORD, "host": "netlify"}).encode()
    for line in HOSTILE:
        name, _, value = line.partition(": ")
        rules = f"/*\n  {line}\n".encode()
        site = "rules-" + re.sub(r"[^a-z]", "-", name.lower())
        staged = archive({"pcw-site.json": record, "_headers": rules})
        yield Attempt(
            "staging",
            f"upload with {name}",
            request("PUT", f"{BASE}pcw/api/sites/{site}", [AUTH], staged),
            answered(201),
        )

        def without(outcome: Outcome, name: str = name, value: str = value) -> str | None:
            sent = outcome.header(name)
            return f"sends {name}: {sent}" if sent is not None and value.lower() in sent else None

        yield Attempt("staging", f"rule {name}", request("GET", f"{BASE}pcw/sites/{site}/", [AUTH]), without)
        yield Attempt(
            "staging",
            f"remove {site}",
            request("DELETE", f"{BASE}pcw/api/sites/{site}", [AUTH]),
            answered(204),
        )


LETTERS = bytes(range(97, 123))


def files(target: Target) -> Iterator[Attempt]:
    """Paths that lead out of a site or of the runtime, and ranges of a file."""
    climbing = (
        "../outside.txt", "../../outside.txt", "%2e%2e/%2e%2e/outside.txt",
        "..%2f..%2foutside.txt", "..%5c..%5coutside.txt",
        "....//outside.txt", "%252e%252e/outside.txt", "//etc/passwd", "/etc/passwd",
        "file:///etc/passwd", "..;/outside.txt",
        "%c0%ae%c0%ae/outside.txt", "..%00/outside.txt", "data.txt%00.html",
        "data.txt/../../../outside.txt", ".secret",
        "%2esecret", "pcw-site.json/..", "_headers", "~/.netrc", "\\..\\outside.txt", "..%c0%afoutside.txt",
        "%uff0e%uff0e/outside.txt", "lab/../../../root/.netrc",
        "lab/%2e%2e/%2e%2e/%2e%2e/root/.netrc", "a" * 5000,
        "data.txt::$DATA", "data.txt%20", "data.txt.", "%ff%fe", "..", "%2e%2e",
        "./././../../outside.txt", "?../outside.txt",
    )  # fmt: skip
    for place in (
        "pcw/sites/victim/",
        "pcw/runtime/0123abcd/",
        "pcw/runtime/current/",
        "pcw/lite/",
        "pcw/guests/victim/",
    ):
        for path in climbing:
            yield Attempt(
                "files", f"{place}{path[:40]}", request("GET", f"{BASE}{place}{path}", [AUTH]), not_dialled
            )
    for name in (
        "..",
        "%2e%2e",
        "..%2f",
        "%2e",
        "victim%2f..%2f..",
        "victim%00",
        "state",
        ".uploads",
        "victim%5c..",
    ):
        for path in ("outside.txt", "index.html", ""):
            yield Attempt(
                "files",
                f"site {name}, file {path!r}",
                request("GET", f"{BASE}pcw/sites/{name}/{path}", [AUTH]),
                not_dialled,
            )

    def part(outcome: Outcome) -> str | None:
        if outcome.status not in (200, 206, 400, 416):
            return f"answered with {outcome.status}"
        if outcome.status in (200, 206) and outcome.body not in LETTERS:
            return "sends what is not in the file"
        return None

    for value in (
        "bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0", "bytes=-99", "bytes=25-", "bytes=26-",
        "bytes=99-", "bytes=5-2",
        "bytes=0-99", "bytes=-", "bytes=", "bytes", "bytes=a-b", "bytes=0-1,3-4",
        "bytes=0-,0-,0-,0-", "bytes=--1",
        "bytes=-1-2", "bytes=0x1-2", "bytes=+1-2", "bytes=1_0-", "bytes= 1 - 2",
        f"bytes=0-{'9' * 30}", f"bytes={'9' * 30}-",
        f"bytes=-{'9' * 30}", "items=0-1", "bytes=\xb2-\xb3", "bytes=0-1\x00",
        "bytes=" + ",".join(["0-0"] * 1000),
        f"bytes={'9' * 5000}-",
    ):  # fmt: skip
        data = request("GET", f"{BASE}pcw/sites/victim/data.txt", [AUTH, ("Range", value)])
        yield Attempt("files", f"range {value[:40]!r}", data, part)
        both: Headers = [AUTH, ("Range", value), ("If-Range", '"x"')]
        yield Attempt(
            "files",
            f"range {value[:40]!r} if",
            request("GET", f"{BASE}pcw/sites/victim/data.txt", both),
            part,
        )


BODIES: tuple[bytes, ...] = (
    b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"5", b"null", b"[]", b'"x"', b"true", b"{", b'{"', b"NaN",
    b'{"surprise": 1}', b'{"__class__": 1}', b"9" * 10_000, b'{"a": 1, "a": 2}', b"{}{}", b"\0",
    b"<xml/>", b"a=b&c=d",
)  # fmt: skip


def builds(target: Target) -> Iterator[Attempt]:
    """Descriptions of a site to build that make no sense, or name what is not to be published."""
    wrong = (
        b'{"host": ["x"]}', b'{"host": 5}', b'{"host": null}', b'{"host": "nowhere"}',
        b'{"apps": ["nonsense"]}',
        b'{"apps": [5]}', b'{"apps": "lab"}', b'{"contents": "x"}', b'{"contents": 5}', b'{"contents": [5]}',
        b'{"contents": ["\\ud800"]}', b'{"contents": ["a\\u0000b"]}',
        b'{"contents": ["' + b"x" * 5000 + b'"]}',
        b'{"contents": ["../outside.txt"]}', b'{"contents": ["/etc/passwd"]}', b'{"contents": [".netrc"]}',
        b'{"contents": ["a/../../outside.txt"]}', b'{"contents": ["absent"]}', b'{"contents": ["~/.netrc"]}',
        b'{"contents": ["..\\\\outside.txt"]}', b'{"contents": ["file:///etc/passwd"]}', b'{"lite_dir": 5}',
        b'{"lite_dir": ["a"]}', b'{"lite_dir": "../.."}', b'{"lite_dir": "/etc"}',
        b'{"endpoint": "https://a;b/"}',
        b'{"endpoint": 5}', b'{"endpoint": "javascript:x"}', b'{"endpoint": "https://a b/"}',
        b'{"endpoint": "https://a/\\r\\nX-Evil: 1"}',
    )  # fmt: skip
    for body in (*BODIES, *wrong):
        data = request("POST", f"{BASE}pcw/api/sites/build", [AUTH], body)
        yield Attempt("builds", body[:50].decode("latin-1"), data, answered(400, 413))
    big = b'{"contents": ["' + b"x" * (2 << 20) + b'"]}'
    yield Attempt(
        "builds", "2 MiB", request("POST", f"{BASE}pcw/api/sites/build", [AUTH], big), answered(400, 413)
    )


def tokens(target: Target) -> Iterator[Attempt]:
    """Orders for a token that make no sense."""
    wrong = (
        b'{"ttl": 1e999}', b'{"ttl": "8h"}', b'{"ttl": true}', b'{"ttl": NaN}',
        b'{"ttl": Infinity}', b'{"ttl": 1.5}',
        b'{"ttl": ' + b"9" * 5000 + b"}", b'{"ttl": ' + b"9" * 400 + b"}", b'{"ttl": -1}',
        b'{"ttl": 0}', b'{"ttl": null}',
        b'{"ttl": []}', b'{"endpoint": ["svc"]}', b'{"endpoint": 5}', b'{"endpoint": null}',
        b'{"endpoint": ""}',
        b'{"endpoint": "none"}', b'{"endpoint": "svc\\u0000"}', b'{"endpoint": "../svc"}',
        b'{"endpoint": "\xff"}',
        b'{"endpoint": "svc", "user": "eve"}', b'{"endpoint": "svc", "note": {}}',
        b'{"endpoint": "svc", "id": "x"}',
        b'{"endpoint": "svc", "note": 5}', b'{"endpoint": "svc", "note": "' + b"x" * 5000 + b'"}',
    )  # fmt: skip
    for body in (*BODIES, *wrong):
        data = request("POST", f"{BASE}pcw/api/tokens", [AUTH], body)
        yield Attempt("tokens", body[:50].decode("latin-1"), data, answered(400, 404, 413))
    for name in (
        "..",
        "%2e%2e",
        "%00",
        "*",
        "a%2fb",
        "%ff",
        "x" * 5000,
        "0",
        "../../outside.txt",
        "%0d%0aX-Evil:1",
    ):
        yield Attempt(
            "tokens",
            f"revoke {name[:30]}",
            request("DELETE", f"{BASE}pcw/api/tokens/{name}", [AUTH]),
            answered(400, 404),
        )


def log(target: Target) -> Iterator[Attempt]:
    """Secrets in the query of an address, which Jupyter takes there; the log is read when the server has ended."""
    number = 0
    for path in ROUTES:
        for verb in ("GET", "POST", "PUT", "DELETE"):
            for name in ("token", "x"):
                number += 1
                marker = f"QUERYMARK{number:04}"
                yield Attempt(
                    "log",
                    f"{verb} {path} with {name} in its query",
                    request(verb, f"{at(path, target)}?{name}={marker}"),
                    anything,
                    marker=marker,
                )
