"""Nothing that stands in an address's query, where Jupyter takes tokens, gets into the log."""

from __future__ import annotations

import importlib
import pkgutil
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado import web

import pcw_server_ext
from pcw_server_ext.web.handlers import PathsInLogs
from tests.support.server import start
from tests.support.upstream import SyntheticUpstream
from tests.support.web import SERVICE, Site

SECRET = "QUERY-THAT-NOBODY-MAY-READ"
PATHS = (
    f"pcw/grpc/synthetic/{SERVICE}/AnalyzePlan",
    f"pcw/grpc/absent/{SERVICE}/AnalyzePlan",
    "pcw/api/endpoints",
    "pcw/api/endpoints/none",
    "pcw/api/tokens",
    "pcw/api/tokens/none",
    "pcw/runtime/current/manifest.json",
    "pcw/runtime/x/y",
    "pcw/runtime/0123abcd/none",
    "pcw/api/sites",
    "pcw/api/sites/none",
    "pcw/api/sites/none/download",
    "pcw/sites/nope/",
    "pcw/sites/..%2f/x",
    "pcw/guests/nope/",
    "pcw/lite/",
    "pcw/pypi/simple/",
    "pcw/pypi/simple/none/",
    "pcw/pypi/simple/%1b%5b2J/",
    f"pcw/pypi/files/{'0' * 64}/none-1-py3-none-any.whl",
)


def handler_classes() -> set[type[web.RequestHandler]]:
    """Every handler class that a module of the package defines."""
    for module in pkgutil.walk_packages(pcw_server_ext.__path__, "pcw_server_ext."):
        # the engine's own program and the packages beside it are no part of the server's process
        if not module.name.startswith(
            ("pcw_server_ext.engines.sail_site", "pcw_server_ext.engines.sail_main")
        ):
            importlib.import_module(module.name)
    found, waiting = set(), [web.RequestHandler]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            if kind.__module__.startswith("pcw_server_ext."):
                found.add(kind)
    return found


def test_every_handler_logs_paths_only() -> None:
    classes = handler_classes()
    assert len(classes) > 12
    assert {kind.__name__ for kind in classes if not issubclass(kind, PathsInLogs)} == set()
    for kind in classes:
        assert kind.log_exception is PathsInLogs.log_exception
        # before Tornado's own, which logs the whole address
        assert kind.__mro__.index(PathsInLogs) < kind.__mro__.index(web.RequestHandler)


@pytest.fixture(scope="module")
def site(
    upstream: SyntheticUpstream, small_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A server that logs all it can."""
    with start(
        tmp_path_factory.mktemp("log"),
        f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}'}}",
        f"--PcwExtension.runtime_dir={small_bundle}",
        "--ServerApp.log_level=DEBUG",
    ) as process:
        yield Site(process)


def test_no_route_logs_its_query(site: Site) -> None:
    counted = 0
    for path in PATHS:
        for method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"):
            for authenticated in (True, False):
                answer = site.request(
                    method, f"{path}?token={SECRET}&other={SECRET}&{SECRET}", authenticated=authenticated
                )
                assert answer.status in range(200, 600)
                counted += answer.status >= 400
    assert counted > 100
    printed = site.process.printed()
    assert "/pcw/sites/nope/" in printed
    assert [line for line in printed.splitlines() if SECRET in line] == []


def raw(site: Site, head: bytes) -> bytes:
    """Send a head as it stands; the answer."""
    pieces = []
    with socket.create_connection(("127.0.0.1", site.process.port), 30) as connection:
        connection.sendall(head)
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize(
    "line",
    [
        f"Authorization: Bearer {SECRET}-value\0",
        f"Cookie: login={SECRET}-value\x01",
        f"Authorization Bearer {SECRET}-value: x",
        f"Authorization: Bearer '{SECRET}-value\x7f\"\0",
        f"Host: {SECRET}-value/",
    ],
)
def test_value_of_a_malformed_header_is_not_logged(site: Site, line: str) -> None:
    before = site.process.printed().count("Malformed HTTP message")
    head = f"GET /pcw/api/endpoints HTTP/1.1\r\n{line}\r\nConnection: close\r\n\r\n"
    assert raw(site, head.encode("latin-1")).startswith(b"HTTP/1.1 400 ")
    printed = site.process.printed()
    # the line is there, and says what was wrong
    assert printed.count("Malformed HTTP message") == before + 1
    assert re.search(r"Malformed HTTP message from \S+: Invalid (header|Host)", printed, re.IGNORECASE)
    assert f"{SECRET}-value" not in printed


@pytest.mark.parametrize("path", PATHS)
def test_method_that_nobody_serves_is_refused_without_a_traceback(site: Site, path: str) -> None:
    for method in ("PROPFIND", "TRACE", "get"):
        answer = raw(
            site, f"{method} /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
        )
        assert answer.startswith(b"HTTP/1.1 405 "), answer[:100]
    assert "Traceback" not in site.process.printed()


@pytest.mark.parametrize(
    "path", ["pcw/sites/%ff/", "pcw/sites/a/%ff", "pcw/api/sites/%ff", "pcw/api/endpoints/%ff"]
)
def test_path_that_is_no_text_is_refused_without_a_traceback(site: Site, path: str) -> None:
    answer = raw(site, f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 403", b"HTTP/1.1 404")
    assert "Traceback" not in site.process.printed()


@pytest.mark.parametrize("authenticated", [True, False])
def test_path_does_not_act_on_the_terminal_that_shows_the_log(site: Site, authenticated: bool) -> None:
    login = f"Authorization: token {site.token}\r\n" if authenticated else ""
    for path in ("pcw/sites/", "pcw/api/sites/", "pcw/pypi/simple/", "pcw/api/tokens/"):
        with socket.create_connection(("127.0.0.1", site.process.port), 30) as connection:
            # C1 control characters, as ISO 8859-1 and as UTF-8: "clear the screen"
            head = f"GET {site.base_url}{path}\x9b2J\xc2\x9b2J HTTP/1.1\r\nHost: 127.0.0.1\r\n{login}"
            connection.sendall(f"{head}Connection: close\r\n\r\n".encode("latin-1"))
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        assert b" 500 " not in answer[:20]
    printed = site.process.printed()
    assert "/pcw/sites/%9B2J%C2%9B2J" in printed
    assert not set(printed) & {chr(code) for code in range(0x7F, 0xA0)}
