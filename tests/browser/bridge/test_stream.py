"""Bytes from the server into Python: complete, exact, bounded."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.bridge.kernel import KernelPage
from tests.browser.bridge.server import BridgeServer, pattern_hash

pytestmark = pytest.mark.browser

MIB = 1 << 20


def ahead_max() -> int:
    """Bytes that ring (2 MiB), Chromium (a few MiB) and the sockets of this machine may hold."""
    sockets = sum(
        int(Path(f"/proc/sys/net/ipv4/{name}").read_text().split()[2]) for name in ("tcp_rmem", "tcp_wmem")
    )
    return sockets + 12 * MIB


def test_kernel_reading_a_response_gets_status_headers_and_body(kernel: KernelPage) -> None:
    code = """
    call = post("/echo", [b"hel", b"", b"lo"], [("x-one", "1")])
    head = call.head()
    [head.status, dict(head.headers)["x-extra"], body_of(call).decode()]
    """
    status, extra, body = kernel.run(code)
    assert (status, extra) == (200, "yes")
    assert '"bytes": 5' in body
    assert '"x-one": "1"' in body


def test_kernel_reading_past_the_end_gets_the_end_again(kernel: KernelPage) -> None:
    assert kernel.run(
        "call = post('/stream?bytes=3'); [len(call.read()), call.read(), call.read()] == [3, b'', b'']"
    )


def test_kernel_reading_an_empty_body_gets_its_end(kernel: KernelPage) -> None:
    assert kernel.run("post('/stream?bytes=0').read() == b''")


def test_kernel_reading_256_mib_gets_every_byte(kernel: KernelPage, server: BridgeServer) -> None:
    digest, count = kernel.run(f"digest_of(post('/stream?bytes={256 * MIB}'))")
    assert count == 256 * MIB
    assert digest == pattern_hash(256 * MIB)


@pytest.mark.parametrize("ring_bytes", [16, 4096])
def test_kernel_with_a_small_ring_gets_every_byte(
    open_page: Callable[[str], KernelPage], ring_bytes: int
) -> None:
    total = ring_bytes * 701 + 7
    page = open_page("own.html")
    page.start({"ringBytes": ring_bytes})
    digest, count = page.run(f"digest_of(post('/stream?bytes={total}&piece=1021'))")
    assert (digest, count) == (pattern_hash(total), total)


def test_kernel_that_does_not_read_stops_the_server(kernel: KernelPage, server: BridgeServer) -> None:
    kernel.run(f"slow = post('/stream?bytes={256 * MIB}&name=slow'); first = slow.read(); len(first)")
    stream = server.streams["slow"]
    before = -1
    deadline = time.monotonic() + 60
    while stream.flushed != before and time.monotonic() < deadline:
        before = stream.flushed
        time.sleep(1)
    assert stream.flushed == before
    assert stream.flushed < ahead_max()
    code = """
    digest, count = hashlib.sha256(first), len(first)
    while piece := slow.read():
        digest.update(piece)
        count += len(piece)
    [digest.hexdigest(), count]
    """
    assert kernel.run(code) == [pattern_hash(256 * MIB), 256 * MIB]


def test_kernel_with_several_calls_at_once_keeps_them_apart(kernel: KernelPage) -> None:
    totals = [9 * MIB + 1, 5 * MIB, 3 * MIB + 77]
    code = f"""
    totals = {totals}
    calls = [post(f"/stream?bytes={{total}}") for total in totals]
    digests = [hashlib.sha256() for _ in calls]
    echoes = 0
    running = dict(enumerate(calls))
    while running:
        for index, call in list(running.items()):
            piece = call.read()
            digests[index].update(piece)
            if not piece:
                del running[index]
                echoes += json.loads(body_of(post("/echo", [b"x" * index])))["bytes"]
    [[digest.hexdigest() for digest in digests], echoes]
    """
    digests, echoes = kernel.run(code)
    assert digests == [pattern_hash(total) for total in totals]
    assert echoes == 0 + 1 + 2


def test_kernel_with_six_unread_streams_can_still_call(kernel: KernelPage, server: BridgeServer) -> None:
    """HTTP/1.1 allows six connections: unread streams must not take them all."""
    code = f"""
    parked = []
    for number in range(6):
        call = post(f"/stream?bytes={64 * MIB}&name=parked{{number}}")
        parked.append((call, hashlib.sha256(call.read())))
    answers = [json.loads(body_of(post("/echo", [b"abc"], timeout=60)))["bytes"] for _ in range(3)]

    def rest_of(call, digest):
        try:
            while piece := call.read():
                digest.update(piece)
        except Exception as error:
            return type(error).__name__ + ": " + str(error)
        return digest.hexdigest()

    [answers, [rest_of(*one) for one in parked]]
    """
    answers, ends = kernel.run(code)
    assert answers == [3, 3, 3]
    # One or two of the first gave their connections away; whatever ended well is exact.
    assert ends[0].startswith("NetworkError")
    assert "Reattach" in ends[0]
    assert ends[1] == pattern_hash(64 * MIB) or "Reattach" in ends[1]
    assert ends[2:] == [pattern_hash(64 * MIB)] * 4


def test_unread_streams_of_another_kernel_do_not_block_this_one(
    open_page: Callable[[str], KernelPage],
) -> None:
    """The six connections are shared by all kernels of a browser."""
    park = f"""
    parked = [post("/stream?bytes={64 * MIB}") for _ in range(4)]
    begun = [len(call.read()) for call in parked]
    """
    first = open_page("own.html")
    first.start()
    first.run(park)
    first.page.evaluate("() => { window.first = window.kernel }")
    first.start()
    first.run(park)
    assert first.run("post('/echo', timeout=60).head().status") == 200
    ends = f"""
    def end_of(call, begun):
        try:
            return begun + digest_of(call)[1] == {64 * MIB}
        except Exception as error:
            return "Reattach" in str(error) and type(error).__name__

    [end_of(*one) for one in zip(parked, begun)]
    """
    assert first.run(ends) == [True] * 4
    first.page.evaluate("() => { window.kernel = window.first }")
    # Nine calls were open at once on six connections, so at least three gave theirs away: those that stood still for
    # the longest time, in which order the four have come to a stop is the browser's affair.
    found = first.run(ends)
    assert found.count("NetworkError") >= 3, found
    assert set(found) <= {True, "NetworkError"}, found


def test_head_that_is_not_there_yet_is_not_ready(kernel: KernelPage) -> None:
    code = """
    silent, quick = post("/silence"), post("/echo")
    quick.head()
    [silent.ready(), quick.ready()]
    """
    assert kernel.run(code) == [False, True]
