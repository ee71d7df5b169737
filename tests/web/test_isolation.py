"""COOP and COEP on every kind of response, at two base URLs and in every mode."""

from __future__ import annotations

import base64
import os
import socket
from dataclasses import dataclass, field

import pytest
from pyspark_connect_web.wire import encode_frame
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from pcw_server_ext.web import isolation
from tests.support.server import StartServer
from tests.support.upstream import order
from tests.support.web import SERVICE, Answer, Site

GRPC = f"pcw/grpc/synthetic/{SERVICE}/AnalyzePlan"


@dataclass(frozen=True)
class Case:
    """A request and the status it must have, so that a case shows what it claims to."""

    name: str
    path: str
    status: int
    method: str = "GET"
    authenticated: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


CASES = [
    Case("lab page", "lab", 200),
    Case("lab page head", "lab", 405, method="HEAD"),
    Case("lab page in a folder", "lab/tree", 200),
    Case("lab workspace", "lab/workspaces/other", 200),
    Case("lab page without login", "lab", 302, authenticated=False),
    Case("redirect of the root", "", 302),
    Case("redirect with trailing slash", "lab/", 301),
    Case("login page", "login", 200, authenticated=False),
    Case("logout page", "logout", 200),
    Case("wrong password", "login", 403, method="POST", authenticated=False, body=b"password=wrong"),
    Case("static file of the server", "static/favicons/favicon.ico", 200),
    Case("static file of lab", "static/lab/index.html", 200),
    Case("missing static file", "static/none.js", 404),
    Case("page that does not exist", "none/at/all", 404),
    Case("api root", "api", 200),
    Case("api status", "api/status", 200),
    Case("api without login", "api/status", 403, authenticated=False),
    Case("contents", "api/contents", 200),
    Case("missing contents", "api/contents/none.txt", 404),
    Case("kernelspecs", "api/kernelspecs", 200),
    Case("kernels", "api/kernels", 200),
    Case("missing kernel", "api/kernels/none", 404),
    Case("sessions", "api/sessions", 200),
    Case("terminals", "api/terminals", 200),
    Case("api preflight", "api/contents", 200, method="OPTIONS"),
    Case("wrong verb", "api/status", 405, method="DELETE"),
    Case("unknown verb", "api/status", 405, method="BREW"),
    Case("missing xsrf", "api/contents", 403, method="POST", authenticated=False, body=b"{}"),
    Case("bad json", "api/contents/x.txt", 400, method="PUT", body=b"{"),
    Case("missing file", "files/none.txt", 404),
    Case("file", "files/here.txt", 200),
    Case("view of a file", "view/here.txt", 200),
    Case("nbconvert of nothing", "nbconvert/html/none.ipynb", 404),
    Case("lab settings", "lab/api/settings", 200),
    Case("lab workspaces", "lab/api/workspaces", 200),
    Case("lab translations", "lab/api/translations", 200),
    Case("lab themes", "lab/api/themes/@jupyterlab/theme-light-extension/index.css", 200),
    Case("missing theme", "lab/api/themes/none", 404),
    Case(
        "file of a labextension",
        "lab/extensions/@jupyterlite/pyodide-kernel-extension/package.json",
        200,
    ),
    Case("missing labextension file", "lab/extensions/none/x.js", 404),
    Case("csp report", "api/security/csp-report", 403, method="POST", authenticated=False, body=b"{}"),
    Case("our runtime", "pcw/runtime/0123abcd/pyodide/pyodide.mjs", 200, authenticated=False),
    Case("our runtime head", "pcw/runtime/0123abcd/js/network_worker.js", 200, method="HEAD"),
    Case("our runtime, gone", "pcw/runtime/ffff/js/network_worker.js", 404),
    Case("our manifest", "pcw/runtime/current/manifest.json", 200),
    Case("our endpoints", "pcw/api/endpoints", 200),
    Case("our endpoints without login", "pcw/api/endpoints", 403, authenticated=False),
    Case("grpc without login", GRPC, 403, method="POST", authenticated=False, body=b""),
    Case("grpc with a wrong verb", GRPC, 405),
    Case("grpc with a wrong type", GRPC, 415, method="POST", body=b""),
    Case("grpc preflight", GRPC, 204, method="OPTIONS", authenticated=False),
    Case(
        "grpc call",
        GRPC,
        200,
        method="POST",
        headers={"Content-Type": "application/grpc-web+proto"},
        body=encode_frame(order()),
    ),
    Case(
        "grpc stream",
        f"pcw/grpc/synthetic/{SERVICE}/ExecutePlan",
        200,
        method="POST",
        headers={"Content-Type": "application/grpc-web+proto"},
        body=encode_frame(order(messages=3, size=100_000)),
    ),
]


def test_table_is_long_enough() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 30


def ask(site: Site, case: Case) -> Answer:
    return site.request(
        case.method, case.path, headers=case.headers, body=case.body, authenticated=case.authenticated
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_response_has_both_headers_once(any_site: Site, case: Case) -> None:
    any_site.process.root.joinpath("here.txt").write_text("here")
    answer = ask(any_site, case)
    assert answer.status == case.status, answer
    assert answer.headers.get("cross-origin-opener-policy") == "same-origin"
    assert answer.headers.get("cross-origin-embedder-policy") == "credentialless"


def test_redirect_from_the_origins_root_has_the_headers(any_site: Site) -> None:
    answer = any_site.request("GET", "/")
    assert answer.status in (302, 404)
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-embedder-policy"] == "credentialless"


def test_cached_file_answers_304_with_the_headers(any_site: Site) -> None:
    path = "pcw/runtime/0123abcd/pyodide/pyodide.mjs"
    tag = any_site.request("GET", path).headers["etag"]
    answer = any_site.request("GET", path, headers={"If-None-Match": tag})
    assert answer.status == 304
    assert answer.headers["cross-origin-embedder-policy"] == "credentialless"


def test_websocket_upgrade_has_the_headers(any_site: Site) -> None:
    started = any_site.request("POST", "api/kernels", body=b'{"name": "python3"}')
    kernel = started.json()["id"]
    try:
        with socket.create_connection(("127.0.0.1", any_site.process.port), 20) as raw:
            raw.sendall(
                f"GET {any_site.base_url}api/kernels/{kernel}/channels HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Authorization: token {any_site.token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode()
            )
            head = b""
            while b"\r\n\r\n" not in head:
                head += raw.recv(4096)
    finally:
        any_site.request("DELETE", f"api/kernels/{kernel}")
    assert head.startswith(b"HTTP/1.1 101")
    assert b"\r\nCross-Origin-Opener-Policy: same-origin\r\n" in head
    assert b"\r\nCross-Origin-Embedder-Policy: credentialless\r\n" in head


@pytest.mark.parametrize("mode", ["require-corp", "off"])
def test_mode_is_configurable(start_server: StartServer, mode: str) -> None:
    site = start_server(f"--PcwExtension.isolation={mode}")
    headers = site.request("GET", "api").headers
    if mode == "off":
        assert "cross-origin-opener-policy" not in headers
        assert "cross-origin-embedder-policy" not in headers
    else:
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-embedder-policy"] == mode


def test_headers_of_an_administrator_are_kept(start_server: StartServer) -> None:
    site = start_server(
        "--ServerApp.tornado_settings={'headers': {'Cross-Origin-Opener-Policy': 'same-origin-allow-popups'}}"
    )
    headers = site.request("GET", "login", authenticated=False).headers
    assert headers["cross-origin-opener-policy"] == "same-origin-allow-popups"
    assert headers["cross-origin-embedder-policy"] == "credentialless"


def test_paths_can_be_scoped_by_component(start_server: StartServer) -> None:
    site = start_server(
        "--PcwExtension.isolation_paths=/api/status",
        "--PcwExtension.isolation_paths=/pcw",
        base_url="/user/x/",
    )

    def has(path: str) -> bool:
        return "cross-origin-embedder-policy" in site.request("GET", path).headers

    assert has("api/status")
    assert has("pcw/api/endpoints")
    assert not has("api/statusx")
    assert not has("api")
    assert not has("/api/status")


@pytest.mark.parametrize(
    ("path", "scope", "within"),
    [
        ("/lab", "/lab", True),
        ("/lab/tree/x", "/lab", True),
        ("//lab//tree", "/lab/", True),
        ("/labs", "/lab", False),
        ("/x/lab", "/lab", False),
        ("/anything", "/", True),
    ],
)
def test_path_scope(path: str, scope: str, within: bool) -> None:
    assert isolation.is_within(path, [isolation.path_parts(scope)]) is within


def test_transform_keeps_what_is_set() -> None:
    headers = HTTPHeaders({isolation.COOP: "unsafe-none"})
    line = RequestStartLine("GET", "/", "HTTP/1.1")
    request = HTTPServerRequest(start_line=line, headers=HTTPHeaders({"Host": "localhost"}))
    transform = isolation.IsolationTransform(request)
    transform.embedder_policy = "require-corp"
    transform.transform_first_chunk(200, headers, b"", True)
    assert headers[isolation.COOP] == "unsafe-none"
    assert headers[isolation.COEP] == "require-corp"
