"""The page's part: credentials, a busy or frozen UI thread, uploads, workers that are not ours."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from tests.browser.bridge.kernel import KernelPage
from tests.browser.bridge.server import BridgeServer, pattern_hash

pytestmark = pytest.mark.browser

MIB = 1 << 20


def test_stream_goes_on_while_the_ui_thread_is_frozen(kernel: KernelPage, server: BridgeServer) -> None:
    code = """
    post('/freeze').head()
    result = digest_of(post('/stream?bytes=100000000'))
    post('/freeze?thaw').head()
    result
    """
    kernel.begin(code)
    # A blocking request of the page's own: nothing else of the page runs before the kernel has all it asked for.
    held = kernel.page.evaluate(
        """() => {
          const request = new XMLHttpRequest();
          request.open("GET", "/freeze", false);
          request.send();
          return request.status;
        }"""
    )
    digest, _ = kernel.finish()
    assert (held, digest) == (200, pattern_hash(100_000_000))


def test_upload_of_64_mib_arrives_exact(kernel: KernelPage) -> None:
    code = f"""
    import os
    parts = [b"head", os.urandom({32 * MIB}), b"", os.urandom({32 * MIB})]
    expected = hashlib.sha256(b"".join(parts)).hexdigest()
    answer = json.loads(body_of(post("/echo", parts)))
    [answer["bytes"], answer["sha256"] == expected]
    """
    assert kernel.run(code) == [64 * MIB + 4, True]


ENDPOINT = "/pcw/grpc/default/test.Service"


def headers_seen(kernel: KernelPage, url: str = "/echo", headers: str = "[]") -> dict[str, str]:
    answer = json.loads(kernel.run(f"body_of(post({url!r}, headers={headers})).decode()"))
    return dict(answer["headers"])


def test_token_and_xsrf_of_the_page_are_sent(
    open_page: Callable[[str], KernelPage], fresh_server: BridgeServer
) -> None:
    fresh_server.page_config["token"] = "first"
    fresh_server.cookies["_xsrf"] = "2|abc"
    kernel = open_page("own.html")
    kernel.start()
    seen = headers_seen(kernel, f"{ENDPOINT}/Private")
    assert seen["authorization"] == "token first"
    assert seen["x-xsrftoken"] == "2|abc"
    assert "_xsrf=" in seen["cookie"]


def test_authorization_of_the_caller_is_kept(
    open_page: Callable[[str], KernelPage], fresh_server: BridgeServer
) -> None:
    fresh_server.page_config["token"] = "page"
    kernel = open_page("own.html")
    kernel.start()
    assert (
        headers_seen(kernel, f"{ENDPOINT}/Echo", '[("Authorization", "Bearer mine")]')["authorization"]
        == "Bearer mine"
    )


@pytest.mark.parametrize(("base_url", "path"), [("/user/x/", f"{ENDPOINT}/Echo"), ("/", "/echo")])
def test_credentials_go_to_the_servers_own_endpoints_only(
    open_page: Callable[[str], KernelPage], fresh_server: BridgeServer, base_url: str, path: str
) -> None:
    fresh_server.page_config.update(token="first", baseUrl=base_url)
    fresh_server.cookies["_xsrf"] = "2|abc"
    kernel = open_page("own.html")
    kernel.start()
    assert not {"authorization", "x-xsrftoken"} & set(headers_seen(kernel, path))


def test_credentials_and_cookies_do_not_go_to_another_origin(
    open_page: Callable[[str], KernelPage], fresh_server: BridgeServer
) -> None:
    fresh_server.page_config["token"] = "first"
    fresh_server.cookies["_xsrf"] = "2|abc"
    kernel = open_page("own.html")
    kernel.start()
    other = BridgeServer()
    try:
        seen = headers_seen(kernel, f"{other.url}/echo", '[("x-one", "1")]')
    finally:
        other.close()
    assert seen["x-one"] == "1"
    assert not {"authorization", "x-xsrftoken", "cookie"} & set(seen)


def test_stale_credentials_are_asked_for_once_more(
    open_page: Callable[[str], KernelPage], fresh_server: BridgeServer
) -> None:
    fresh_server.page_config["token"] = "first"
    kernel = open_page("own.html")
    kernel.start()
    assert kernel.run(f"post('{ENDPOINT}/Private').head().status") == 200
    fresh_server.token = "second"
    kernel.page.evaluate(
        """() => {
          const tag = document.getElementById("jupyter-config-data");
          tag.textContent = JSON.stringify({ ...JSON.parse(tag.textContent), token: "second" });
        }"""
    )
    assert kernel.run(f"post('{ENDPOINT}/Private').head().status") == 200
    fresh_server.token = "third"
    before = len(fresh_server.requests)
    assert kernel.run(f"post('{ENDPOINT}/Private').head().status") == 403
    assert len(fresh_server.requests) == before + 1


@pytest.mark.alone
def test_small_calls_are_quick_beside_a_busy_ui_thread(kernel: KernelPage) -> None:
    kernel.run("body_of(post('/echo', [b'x']))")
    kernel.page.evaluate("() => { window.idle = keepBusy(75, 25) }")
    code = """
    times = []
    for _ in range(40):
        began = time.perf_counter()
        body_of(post("/echo", [b"x"]))
        times.append(time.perf_counter() - began)
    sorted(times)[20]
    """
    median = kernel.run(code)
    kernel.page.evaluate("() => window.idle()")
    # Through the UI thread it would be about 35 ms.
    assert median < 0.025


def test_stock_kernel_finds_the_bridge_by_itself(open_page: Callable[[str], KernelPage]) -> None:
    kernel = open_page("stock.html")
    kernel.start()
    digest, count = kernel.run("digest_of(post('/stream?bytes=5000000'))")
    assert (digest, count) == (pattern_hash(5_000_000), 5_000_000)


def test_stock_kernel_is_interruptible(
    open_page: Callable[[str], KernelPage], fresh_server: BridgeServer
) -> None:
    kernel = open_page("stock.html")
    kernel.start()
    kernel.begin("""
    try:
        post('/silence?name=it').read()
    except KeyboardInterrupt:
        ended = "interrupted"
    ended
    """)
    deadline = time.monotonic() + 60
    while "it" not in fresh_server.streams:
        assert time.monotonic() < deadline, "the call did not reach the server"
        time.sleep(0.01)
    kernel.page.evaluate("() => { kernel.interrupts[0] = 2 }")
    assert kernel.finish() == "interrupted"


@pytest.mark.parametrize("page_name", ["stock.html", "stock_module.html"])
def test_wrapped_worker_behaves_like_the_real_one(
    open_page: Callable[[str], KernelPage], page_name: str
) -> None:
    page = open_page(page_name).page
    result = page.evaluate(
        """async () => {
          const source = `
            onmessage = ({ data }) => postMessage(data);
            postMessage({ __pcw__: "not a frame" });
          `;
          const url = URL.createObjectURL(new Blob([source]));
          class Mine extends Worker { mark() { return "mine" } }
          const seen = [];
          const worker = new Mine(url, { name: "echo" });
          const done = new Promise((resolve) => {
            worker.onmessage = ({ data }) => { seen.push(data); if (seen.length === 3) resolve() };
          });
          worker.postMessage("hello");
          worker.postMessage({ __pcw__: { version: 1, op: "unknown" } });
          await done;
          worker.terminate();
          let called = null;
          try { Worker(url) } catch (error) { called = error.name }
          return {
            seen, called, name: Worker.name, mark: worker.mark(),
            instance: worker instanceof Worker && worker instanceof Mine && worker instanceof EventTarget,
            prototype: Object.getPrototypeOf(Mine) === Worker && Worker.prototype.constructor.name,
          };
        }"""
    )
    assert result == {
        "seen": [{"__pcw__": "not a frame"}, "hello", {"__pcw__": {"version": 1, "op": "unknown"}}],
        "called": "TypeError",
        "name": "Worker",
        "mark": "mine",
        "instance": True,
        "prototype": "Worker",
    }


def test_worker_with_two_bridges_is_answered_once(open_page: Callable[[str], KernelPage]) -> None:
    kernel = open_page("stock.html")
    kernel.page.evaluate(
        """async () => {
          const { attachBridge } = await import("/js/src/index.js");
          const make = window.makeKernel;
          window.makeKernel = () => {
            const kernel = make();
            const options = { networkWorker: "/js/dist/network_worker.js" };
            window.same = attachBridge(kernel.worker, options) === attachBridge(kernel.worker, options);
            return kernel;
          };
        }"""
    )
    kernel.start()
    assert kernel.page.evaluate("() => window.same") is True
    assert kernel.run("post('/echo').head().status") == 200
