"""The boundary of staged sites: uploads, records, `_headers`, requests for builds, paths.

SiteRefused (400) and SiteNotFound (404) are all that they raise: anything else would be a 500. What is accepted can be
served: no answer has a header that HTTP forbids or that a guest may not set, and nothing is written beside the site.
"""

from __future__ import annotations

import functools
import io
import json
import re
import tempfile
import zipfile
from pathlib import Path
from random import Random

from pcw_server_ext.errors import SiteNotFound, SiteRefused
from pcw_server_ext.site import header_rules
from pcw_server_ext.site.hosts import HOSTS
from pcw_server_ext.site.record import NAME, SiteRecord, loads
from pcw_server_ext.site.serving.folder import SiteFolder
from pcw_server_ext.site.serving.responder import on_the_wire
from pcw_server_ext.site.staging.guest_headers import ALLOWED, guest_headers, own_headers
from pcw_server_ext.site.staging.service import read_request
from pcw_server_ext.site.staging.store import SiteStore
from tests.fuzz.mutate import blob, damage

_RECORD = SiteRecord(
    host="netlify",
    endpoint="https://spark.example:8443/pcw",
    apps=("lab/index.html",),
    files={"a.js": "0" * 64},
)
_VALUES: tuple[object, ...] = (
    None,
    5,
    -1.5,
    "",
    "x",
    "*",
    "a\r\nb: c",
    [],
    ["x"],
    {},
    {"a": 5},
    True,
    "\ud800",
    "../..",
)
_RULES = (
    b"/*\n  Cross-Origin-Opener-Policy: same-origin\n  Set-Cookie: a=b\n/lab/:x/*\n  Content-Language: :x-:splat\n"
    b"  ! Vary\nhttps://:sub.example/*\n  Cache-Control: public, max-age=1\n/a*b*c/:d\n  Content-Type: text/html\n"
)
_REQUEST: dict[str, object] = {
    "host": "jupyter",
    "endpoint": "https://spark.example/x",
    "contents": ["data"],
    "apps": ["lab"],
    "lite_dir": "data",
    "allow_secrets": False,
}
_NAMES = (
    "a",
    "a/b",
    "../x",
    "/x",
    "C:x",
    "a\\b",
    "",
    ".",
    "a//b",
    "index.html",
    "x" * 300,
    "d/" * 400 + "x",
    "a\n",
    "\u202e",
)
_PATHS = (
    "",
    "lab/",
    "lab",
    "files/x",
    "../x",
    "a\r\nb",
    "%00",
    "\0",
    "_headers",
    "x" * 5000,
    "lab//index.html",
)
_HOSTS = tuple(host for host in HOSTS.values() if host.dialect is not None)
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@functools.cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="pcw-fuzz-")
    root = Path(folder.name)
    (root / "root" / "data").mkdir(parents=True)
    site = root / "site"
    (site / "lab").mkdir(parents=True)
    for name in ("index.html", "lab/index.html", "lab/x.js", "x"):
        (site / name).write_text(name)
    return folder


def _record_text(random: Random) -> bytes:
    data = json.loads(_RECORD.dumps())
    kind = random.randrange(4)
    if kind == 0:
        return damage(random, _RECORD.dumps().encode())
    if kind == 1:
        return random.choice((b"[" * 100_000, b"5", b"", b'"' + blob(random) + b'"', b'{"a":' * 50_000))
    for _ in range(random.randrange(1, 4)):
        data[random.choice(list(data))] = random.choice(_VALUES)
    return json.dumps(data).encode()


def _record(random: Random) -> None:
    text = _record_text(random)
    try:
        record = loads(text)
    except SiteRefused:
        return
    assert loads(record.dumps()) == record
    site = SiteFolder(Path(_scratch().name) / "site")
    site.record = record
    assert all(_HEADER_VALUE.fullmatch(on_the_wire(value)) for value in own_headers(site, "x").values())


def _headers(random: Random) -> None:
    text = damage(random, _RULES)
    rules = header_rules.parse(text.decode("utf-8", "replace"))
    site = SiteFolder(Path(_scratch().name) / "site")
    site.host = random.choice(_HOSTS)
    site.rules = rules
    path = random.choice((*_PATHS, blob(random).decode("latin-1")))
    answer = site.answer(path, accept_encoding=blob(random).decode("latin-1"), hostname="a.example")
    sent = guest_headers(answer.headers)
    assert set(sent) <= ALLOWED
    for name, value in sent.items():
        assert _HEADER_VALUE.fullmatch(on_the_wire(value)), f"{name}: {value!r}"
    directives = {part.partition("=")[0].strip().lower() for part in sent.get("cache-control", "").split(",")}
    assert not directives & {"public", "s-maxage"}, "a shared cache may keep it"


def _archive(random: Random) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        names = {"index.html", *(random.choice(_NAMES) for _ in range(random.randrange(4)))}
        for name in sorted(names):
            archive.writestr(zipfile.ZipInfo(name), blob(random))
        if random.random() < 0.5:
            archive.writestr(NAME, _record_text(random)[:5000])
        if random.random() < 0.3:
            archive.writestr("_headers", damage(random, _RULES))
    data = made.getvalue()
    if random.random() < 0.7:
        data = damage(random, data)
    with tempfile.TemporaryDirectory(dir=_scratch().name) as root:
        _stage(Path(root), data)


def _stage(root: Path, data: bytes) -> None:
    store = SiteStore(root / "sites", max_size=1 << 20, max_files=20)
    try:
        with store.new_folder() as folder:
            store.unpack(io.BytesIO(data), folder)
            site = store.put("x", folder)
    except SiteRefused:
        pass
    else:
        SiteFolder(store.path(site)).answer("")
        store.delete("x")
    assert [path.name for path in root.iterdir()] == ["sites"], "something is beside the sites"
    assert not list((root / "sites" / ".folders").iterdir()), "something is left behind"


def _request(random: Random) -> None:
    data = dict(_REQUEST)
    kind = random.randrange(4)
    if kind == 0:
        body = damage(random, json.dumps(data).encode())
    elif kind == 1:
        body = random.choice((b"[" * 100_000, b"\xff", b"", b"5", b'{"a":' * 50_000, blob(random)))
    else:
        for _ in range(random.randrange(1, 4)):
            data[random.choice(list(data))] = random.choice(_VALUES)
        body = json.dumps(data).encode()
    root = Path(_scratch().name) / "root"
    try:
        job = read_request(body, root)
    except SiteRefused as error:
        shown = str(error)
    else:
        shown = ""
        for path in (*job.contents, *([job.lite_dir] if job.lite_dir else [])):
            assert path == root.resolve() or root.resolve() in path.parents, "a path leads out of the root"
    assert str(root) not in shown, "a folder of the server is shown"


def _path(random: Random) -> None:
    site = SiteFolder(Path(_scratch().name) / "site")
    path = damage(random, random.choice(_PATHS).encode()).decode("utf-8", "replace")
    try:
        found = site.locate(path)
    except SiteNotFound:
        return
    assert found == site.root or site.root in found.parents


def case(random: Random) -> None:
    """One case."""
    random.choice((_record, _record, _headers, _headers, _archive, _request, _path))(random)
