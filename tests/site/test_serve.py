"""The development server over real HTTP."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from pcw_server_ext.errors import SiteError, SiteRefused
from pcw_server_ext.site.serving.server import listen, normalize_base_path
from tests.site.serving import COMMAND, serving


def ask(
    port: int, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    (root / "lab").mkdir(parents=True)
    (root / "index.html").write_text("root")
    (root / "lab" / "index.html").write_text("lab")
    (root / "x.mjs").write_text("export {}")
    (root / "data.bin").write_bytes(bytes(range(256)) * 4096)
    (root / "_headers").write_text("/*\n  X-Rule: applied\n")
    return root


def test_every_answer_is_isolated_and_rules_are_applied(root: Path) -> None:
    with serving(root) as (port, _):
        for path, status in (("/", 200), ("/lab/", 200), ("/lab", 301), ("/x.mjs", 200), ("/absent", 404)):
            got, headers, _body = ask(port, path)
            assert got == status, path
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cross-origin-embedder-policy"] == "credentialless"
            assert headers["x-rule"] == "applied"
        assert ask(port, "/x.mjs")[1]["content-type"].startswith("text/javascript")


def test_values_of_rules_may_have_any_letters(root: Path) -> None:
    value = "Gr\u00fc\u00dfe \U0001f600 \u6771"
    (root / "_headers").write_text(f"/*\n  X-Rule: {value}\n", encoding="utf-8")
    with serving(root) as (port, _):
        status, headers, body = ask(port, "/")
        assert (status, body) == (200, b"root")
        assert headers["x-rule"].encode("latin-1").decode("utf-8") == value


def test_site_below_a_path_answers_there_and_the_root_leads_to_it(root: Path) -> None:
    with serving(root, "--base-path", "repo") as (port, path):
        assert path == "/repo/"
        assert ask(port, "/repo/lab/")[2] == b"lab"
        assert ask(port, "/repo/lab?x=1")[1]["location"] == "/repo/lab/?x=1"
        assert ask(port, "/")[1]["location"] == "/repo/"
        assert ask(port, "/lab/")[0] == 404


def test_part_of_a_file_and_an_unchanged_file_are_not_sent_whole(root: Path) -> None:
    whole = (root / "data.bin").read_bytes()
    with serving(root) as (port, _):
        status, headers, body = ask(port, "/data.bin", headers={"Range": "bytes=1000-300000"})
        assert (status, body) == (206, whole[1000:300001])
        assert headers["content-range"] == f"bytes 1000-300000/{len(whole)}"
        assert ask(port, "/data.bin", headers={"Range": "bytes=-5"})[2] == whole[-5:]
        assert ask(port, "/data.bin", headers={"Range": f"bytes={len(whole)}-"})[0] == 416
        etag = headers["etag"]
        assert ask(port, "/data.bin", headers={"If-None-Match": etag})[0] == 304
        status, headers, body = ask(port, "/data.bin", "HEAD")
        assert (status, headers["content-length"], body) == (200, str(len(whole)), b"")
        assert ask(port, "/data.bin")[2] == whole


@pytest.mark.parametrize(
    "path", ["/../secret", "/%2e%2e/secret", "/lab/%2e%2e%2f%2e%2e%2fsecret", "/..%2fsecret"]
)
def test_nothing_outside_the_folder_is_sent(root: Path, path: str) -> None:
    (root.parent / "secret").write_text("secret")
    with serving(root) as (port, _):
        assert ask(port, path)[0] == 404


def test_host_that_sends_no_headers_is_imitated(root: Path) -> None:
    with serving(root, "--host", "github-pages") as (port, _):
        headers = ask(port, "/")[1]
        assert "cross-origin-opener-policy" not in headers
        assert "x-rule" not in headers
        assert headers["cache-control"] == "max-age=600"


def test_writing_methods_are_refused(root: Path) -> None:
    with serving(root) as (port, _):
        assert ask(port, "/", "POST")[0] == 405


def test_port_in_use_says_what_to_do(root: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SiteError, match=f"Port {port} is in use.*--port 0"):
            listen("127.0.0.1", port)
        command = [sys.executable, "-c", COMMAND, "serve", str(root), "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 1
    assert "is in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_server_listens_on_loopback_alone(root: Path) -> None:
    with serving(root) as (port, _):
        for entry in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            local, state = entry.split()[1], entry.split()[3]
            if state == "0A" and int(local.partition(":")[2], 16) == port:
                assert local.startswith("0100007F"), json.dumps(entry)


@pytest.mark.parametrize("value", ["/a/../b", "a?b", "a b", "a#b", "a\\b"])
def test_base_path_that_is_no_path_is_refused(value: str) -> None:
    with pytest.raises(SiteRefused):
        normalize_base_path(value)
