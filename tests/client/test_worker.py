"""What a kernel worker knows of its page: the parts that need no browser. The rest runs in tests/browser."""

from __future__ import annotations

import importlib
import io
import sys
import types
import zipfile
from pathlib import Path

import pytest
from pyspark_connect_web.errors import InstallError
from pyspark_connect_web.worker.bridge import NOT_ISOLATED
from pyspark_connect_web.worker.location import find_page, grpc_url_of_worker
from pyspark_connect_web.worker.wheels import check_same_origin, ensure_pyspark

LAB = "lab/extensions/@jupyterlite/pyodide-kernel-extension/static/123.worker.js"


@pytest.mark.parametrize(
    ("href", "grpc_url"),
    [
        (f"http://localhost:8888/{LAB}", "/pcw/grpc/"),
        (f"https://hub/user/x/{LAB}?v=1", "/user/x/pcw/grpc/"),
        ("https://hub/user/x/pcw/runtime/abc/js/kernel.worker.js", "/user/x/pcw/grpc/"),
        ("https://site.github.io/demo/extensions/@jupyterlite/pyodide-kernel-extension/static/1.js", ""),
        ("blob:https://hub/0f3c", ""),
        ("", ""),
    ],
)
def test_endpoints_are_found_from_the_worker_s_script(href: str, grpc_url: str) -> None:
    assert grpc_url_of_worker(href) == grpc_url


@pytest.fixture
def js(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """The globals of a worker, as Pyodide's module ``js`` shows them: a browser cannot run in this test."""
    module = types.ModuleType("js")
    scope = types.SimpleNamespace(
        origin="https://hub", location=types.SimpleNamespace(href=f"https://hub/u/{LAB}")
    )
    module.self = scope  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "js", module)
    return scope


def test_page_of_a_stock_kernel(js: types.SimpleNamespace) -> None:
    page = find_page("sab", {"X-A": "1"})
    assert (page.origin, page.grpc_url, page.endpoint, page.transport) == (
        "https://hub",
        "/u/pcw/grpc/",
        "default",
        "sab",
    )
    assert page.headers == (("X-A", "1"),)


def test_page_says_where_its_endpoints_are(js: types.SimpleNamespace) -> None:
    js.PCW_GRPC_URL = "/elsewhere/grpc"
    assert find_page("sab").grpc_url == "/elsewhere/grpc/"


@pytest.mark.parametrize(
    ("url", "absolute"),
    [
        ("/files/p.whl", "https://hub/files/p.whl"),
        ("https://hub/p.whl", "https://hub/p.whl"),
        ("p.whl", "https://hub/p.whl"),
    ],
)
def test_wheel_of_the_same_origin_is_taken(url: str, absolute: str) -> None:
    assert check_same_origin("PCW_PYSPARK_WHEEL_URL", url, "https://hub") == absolute


@pytest.mark.parametrize(
    "url", ["https://cdn.example.com/p.whl", "//cdn.example.com/p.whl", "http://hub/p.whl"]
)
def test_wheel_of_another_origin_is_refused(url: str) -> None:
    with pytest.raises(InstallError, match="another origin than the page's"):
        check_same_origin("PCW_PYSPARK_WHEEL_URL", url, "https://hub")


def test_wheel_is_unpacked_where_python_finds_it(
    js: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert ensure_pyspark() is False

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr("pcw_unpacked/__init__.py", "found = True\n")

    class Request:
        status = 200
        response = types.SimpleNamespace(to_bytes=file.getvalue)
        asked: tuple[object, ...] = ()

        def open(self, *arguments: object) -> None:
            Request.asked = arguments

        def send(self) -> None:
            pass

    sys.modules["js"].XMLHttpRequest = types.SimpleNamespace(new=Request)  # type: ignore[attr-defined]
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"purelib": str(tmp_path)})
    monkeypatch.syspath_prepend(tmp_path)
    js.PCW_PYSPARK_WHEEL_URL = "/p.whl"
    assert ensure_pyspark() is True
    assert Request.asked == ("GET", "https://hub/p.whl", False)
    assert importlib.import_module("pcw_unpacked").found

    Request.response = types.SimpleNamespace(to_bytes=lambda: b"<html>")
    with pytest.raises(InstallError, match="is no wheel"):
        ensure_pyspark()
    Request.status = 404
    with pytest.raises(InstallError, match="HTTP 404"):
        ensure_pyspark()


def test_message_of_a_page_that_is_not_isolated_names_every_remedy() -> None:
    for remedy in (
        "Cross-Origin-Opener-Policy: same-origin",
        "Cross-Origin-Embedder-Policy: credentialless",
        "coi-serviceworker.js",
        "jupyter pcw serve",
        "jupyter pcw doctor",
        "install(channel='xhr')",
        "reload the page",
    ):
        assert remedy in NOT_ISOLATED


def test_bootstrap_module_has_the_fixed_name_and_does_nothing_outside_a_browser() -> None:
    module = importlib.import_module("pyspark_connect_web.worker.kernel_bootstrap")
    assert module.install is importlib.import_module("pyspark_connect_web").install
