"""Calls that end before their end: cancelled, interrupted, with their kernel."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.browser.bridge.kernel import KernelError, KernelPage
from tests.browser.bridge.server import BridgeServer, pattern_hash

pytestmark = pytest.mark.browser


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.mark.parametrize(
    "path", ["/stream?bytes=1000000000&name=it", "/silence?name=it", "/silence?head=1&name=it"]
)
def test_kernel_cancelling_a_call_closes_it_at_the_server(
    kernel: KernelPage, server: BridgeServer, path: str
) -> None:
    kernel.run(f"it = post('{path}')")
    wait_for(lambda: "it" in server.streams)
    kernel.run("it.cancel(); it.cancel()")
    assert server.streams["it"].closed.wait(30)
    assert kernel.run("json.loads(body_of(post('/echo', [b'abc'])))['bytes']") == 3


def test_reading_a_cancelled_call_says_so(kernel: KernelPage) -> None:
    with pytest.raises(KernelError, match="cancelled"):
        kernel.run("it = post('/stream?bytes=99'); it.cancel(); it.read()")


def test_ring_of_a_cancelled_call_is_not_written_by_it_any_more(kernel: KernelPage) -> None:
    """Rings are used again: what a cancelled call leaves behind must not reach the next."""
    code = """
    digests = set()
    for _ in range(60):
        busy = post("/stream?bytes=50000000")
        busy.read()
        busy.cancel()
        digests.add(digest_of(post("/stream?bytes=1000000")))
    sorted(digests)
    """
    assert kernel.run(code) == [[pattern_hash(1_000_000), 1_000_000]]


@pytest.mark.alone
@pytest.mark.parametrize("wake", [False, True])
@pytest.mark.parametrize("path", ["/silence?name=it", "/silence?head=1&name=it"])
def test_interrupt_ends_a_blocked_call_within_a_second(
    kernel: KernelPage, server: BridgeServer, path: str, wake: bool
) -> None:
    kernel.begin(f"post('{path}').read()")
    wait_for(lambda: "it" in server.streams)
    began = time.monotonic()
    kernel.page.evaluate("(wake) => { kernel.interrupts[0] = 2; if (wake) kernel.bridge.wake(); }", wake)
    with pytest.raises(KernelError) as caught:
        kernel.finish()
    assert time.monotonic() - began < 1
    assert caught.value.type == "KeyboardInterrupt"
    assert server.streams["it"].closed.wait(30)
    assert kernel.run("json.loads(body_of(post('/echo', [b'abc'])))['bytes']") == 3


def test_terminating_the_kernel_closes_its_calls(
    fresh_kernel: KernelPage, fresh_server: BridgeServer
) -> None:
    fresh_kernel.begin("post('/silence?name=it').read()")
    wait_for(lambda: "it" in fresh_server.streams)
    fresh_kernel.page.evaluate("() => kernel.worker.terminate()")
    assert fresh_server.streams["it"].closed.wait(30)
    assert fresh_kernel.page.evaluate("() => kernel.bridge.networkWorker") is None


def test_closing_the_page_closes_its_calls(fresh_kernel: KernelPage, fresh_server: BridgeServer) -> None:
    fresh_kernel.run("it = post('/stream?bytes=1000000000&name=it'); len(it.read()) > 0")
    fresh_kernel.page.close()
    assert fresh_server.streams["it"].closed.wait(30)
