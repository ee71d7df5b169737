"""The channel for pages that are not isolated: synchronous requests, chosen explicitly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.bridge.kernel import KernelError, KernelPage
from tests.browser.bridge.server import BridgeServer, pattern_hash

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def plain_server() -> Iterator[BridgeServer]:
    """A server without isolation headers."""
    running = BridgeServer(isolated=False)
    yield running
    running.close()


@pytest.fixture(scope="module")
def xhr(browser: Browser, plain_server: BridgeServer, built_scripts: None) -> Iterator[KernelPage]:
    """A kernel in a page that is not isolated; `channel` is the synchronous one."""
    context = browser.new_context()
    kernel = KernelPage.open(context, f"{plain_server.url}/pages/own.html")
    kernel.start()
    kernel.run("from pyspark_connect_web.channel import open_channel; channel = open_channel('xhr'); None")
    yield kernel
    context.close()


def test_response_is_complete(xhr: KernelPage) -> None:
    assert xhr.page.evaluate("() => crossOriginIsolated") is False
    code = """
    call = post("/stream?bytes=5000001")
    [call.head().status, dict(call.head().headers)["cache-control"], call.ready(), *digest_of(call), call.read()]
    """
    status, cache_control, ready, digest, count, end = xhr.run(code)
    assert (status, cache_control, ready, count) == (200, "no-store", True, 5_000_001)
    assert digest == pattern_hash(5_000_001)
    assert len(end) == 0


def test_body_and_headers_arrive(xhr: KernelPage) -> None:
    code = """
    answer = json.loads(body_of(post("/echo", [b"ab", b"", b"c"], [("x-one", "1")])))
    [answer["bytes"], answer["headers"]["x-one"]]
    """
    assert xhr.run(code) == [3, "1"]


def test_status_of_a_refusal_is_in_the_head(xhr: KernelPage) -> None:
    assert xhr.run("post('/private?refusal=401').head().status") == 401


def test_server_that_allows_no_other_origin_is_named_with_the_setting(
    xhr: KernelPage, fresh_server: BridgeServer
) -> None:
    page = xhr.page.evaluate("() => location.origin")
    with pytest.raises(KernelError) as caught:
        xhr.run(f"post('{fresh_server.url}/stream?bytes=10')")
    assert caught.value.type == "NetworkError"
    assert f"PcwExtension.allowed_origins={page}" in str(caught.value)
    with pytest.raises(KernelError) as caught:
        xhr.run("post('/stream?bytes=3000000&cut=1000000')")
    assert "allowed_origins" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("post('/moved')", "NetworkError", "redirect"),
        ("post('http://127.0.0.1:1/a')", "NetworkError", "not reachable"),
        ("post('/silence', timeout=0.3)", "ChannelTimeout", "did not answer"),
        ("post('/stream?bytes=3000000&cut=1000000')", "NetworkError", "cut"),
        ("post('http://[')", "BridgeError", "not valid"),
        ("post('/echo', headers=[('a b', 'secret')])", "BridgeError", "not valid"),
        ("it = post('/echo'); it.cancel(); it.read()", "ChannelCancelled", "cancelled"),
    ],
)
def test_failure_is_named(xhr: KernelPage, code: str, kind: str, words: str) -> None:
    with pytest.raises(KernelError, match=words) as caught:
        xhr.run(code)
    assert caught.value.type == kind
    assert "secret" not in str(caught.value)
