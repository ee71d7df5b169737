"""Everything that can go wrong has a name, within ten seconds, and leaves the kernel usable."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.bridge.kernel import KernelError, KernelPage
from tests.browser.bridge.server import BridgeServer

pytestmark = pytest.mark.browser


def fails(kernel: KernelPage, code: str, seconds: float = 60) -> KernelError:
    began = time.monotonic()
    with pytest.raises(KernelError) as caught:
        kernel.run(code)
    assert time.monotonic() - began < seconds
    return caught.value


@pytest.mark.parametrize("status", [401, 403])
def test_refusal_is_the_status_of_the_head(kernel: KernelPage, server: BridgeServer, status: int) -> None:
    assert kernel.run(f"post('/private?refusal={status}').head().status") == status


def test_redirect_is_not_followed_and_named(kernel: KernelPage) -> None:
    error = fails(kernel, "post('/elsewhere').head()")
    assert error.type == "NetworkError"
    assert "redirect" in str(error)
    assert "Sign in" in str(error)


def test_cut_stream_is_an_error_after_the_bytes_that_came(kernel: KernelPage) -> None:
    code = """
    call = post("/stream?bytes=3000000&piece=100000&cut=1000000")
    got, failure = 0, None
    try:
        while piece := call.read():
            got += len(piece)
    except Exception as error:
        failure = type(error).__name__ + ": " + str(error)
    [got, failure]
    """
    got, failure = kernel.run(code)
    assert got <= 1_000_000
    assert failure.startswith("NetworkError")
    assert "cut" in failure


def test_server_that_is_gone_is_named(fresh_kernel: KernelPage, fresh_server: BridgeServer) -> None:
    assert fresh_kernel.run("post('/echo').head().status") == 200
    fresh_server.close()
    error = fails(fresh_kernel, "post('/echo').head()")
    assert error.type == "NetworkError"
    assert "no response" in str(error)


def test_server_that_allows_no_other_origin_is_named_with_the_setting(
    kernel: KernelPage, server: BridgeServer, fresh_server: BridgeServer
) -> None:
    # It runs and answers, but the browser keeps the answer to itself and does not say so.
    error = fails(kernel, f"post('{fresh_server.url}/stream?bytes=10').head()")
    assert error.type == "NetworkError"
    assert f"Most likely that server does not allow pages of {server.url} (CORS)" in str(error)
    assert f"PcwExtension.allowed_origins={server.url}" in str(error)
    assert f"--allow-origin {server.url}" in str(error)


def test_server_that_stops_amid_a_stream_is_named(
    fresh_kernel: KernelPage, fresh_server: BridgeServer
) -> None:
    fresh_kernel.run("call = post('/stream?bytes=900000000&gap=0.01'); len(call.read())")
    fresh_server.close()
    error = fails(fresh_kernel, "digest_of(call)")
    assert error.type == "NetworkError"
    assert "cut" in str(error)


def test_port_without_a_server_is_named(kernel: KernelPage) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = fails(kernel, f"post('http://127.0.0.1:{port}/a?secret=1').head()")
    assert error.type == "NetworkError"
    assert "secret" not in str(error)


@pytest.mark.parametrize("path", ["/silence", "/silence?head=1"])
def test_time_that_ran_out_is_named(kernel: KernelPage, path: str) -> None:
    error = fails(kernel, f"post('{path}', timeout=0.3).read()")
    assert error.type == "ChannelTimeout"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://[", "data:text/plain,a"])
def test_url_that_cannot_be_called_is_named(kernel: KernelPage, url: str) -> None:
    assert fails(kernel, f"post({url!r}).head()").type == "BridgeError"


def test_header_that_cannot_be_sent_is_named_without_its_value(kernel: KernelPage) -> None:
    error = fails(kernel, "post('/echo', headers=[('x-bad', 'secret\\n')] + [('x bad', 'secret')]).head()")
    assert error.type == "BridgeError"
    assert "secret" not in str(error)


def test_page_without_isolation_says_so_with_the_remedy(context: BrowserContext) -> None:
    server = BridgeServer(isolated=False)
    try:
        kernel = KernelPage.open(context, f"{server.url}/pages/own.html")
        kernel.start()
        error = fails(kernel, "post('/echo').head()")
    finally:
        server.close()
    assert error.type == "NotIsolatedError"
    assert "Cross-Origin-Embedder-Policy: credentialless" in str(error)


def test_page_without_a_bridge_says_which_script_is_missing(open_page: Callable[[str], KernelPage]) -> None:
    kernel = open_page("bare.html")
    kernel.start()
    error = fails(kernel, "post('/echo').head()")
    assert error.type == "BridgeError"
    assert "pcw_kernel_bridge.js" in str(error)


def test_kernel_of_another_version_says_both_versions(open_page: Callable[[str], KernelPage]) -> None:
    kernel = open_page("another_version.html")
    kernel.start()
    error = fails(kernel, "post('/echo').head()")
    assert error.type == "BridgeError"
    assert "protocol 2, the page 99" in str(error)
    assert "Ctrl+Shift+R" in str(error)


def test_network_worker_of_another_version_says_both_versions(
    open_page: Callable[[str], KernelPage],
) -> None:
    kernel = open_page("own.html")
    kernel.start(bridge={"networkWorker": "/another-version/js/dist/network_worker.js"})
    error = fails(kernel, "post('/echo').head()")
    assert "the page 2, its network worker 99" in str(error)


def test_network_worker_that_cannot_be_loaded_is_named(open_page: Callable[[str], KernelPage]) -> None:
    kernel = open_page("own.html")
    kernel.start(bridge={"networkWorker": ["/js/missing.js"]})
    error = fails(kernel, "post('/echo').head()")
    assert error.type == "NetworkError"
    assert "network worker" in str(error)


def test_network_worker_that_is_stopped_ends_a_wait(
    fresh_kernel: KernelPage, fresh_server: BridgeServer
) -> None:
    fresh_kernel.begin("post('/silence?name=it').read()")
    fresh_kernel.page.wait_for_function("() => kernel.bridge.started")
    fresh_kernel.page.evaluate("() => kernel.bridge.dispose()")
    with pytest.raises(KernelError, match="has stopped") as caught:
        fresh_kernel.finish()
    assert caught.value.type == "NetworkError"


def test_next_source_is_tried_when_a_network_worker_cannot_be_loaded(
    open_page: Callable[[str], KernelPage],
) -> None:
    kernel = open_page("own.html")
    kernel.start(bridge={"networkWorker": ["/js/missing.js", "/js/dist/network_worker.js"]})
    assert kernel.run("post('/echo').head().status") == 200
