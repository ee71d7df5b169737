"""Bytes from the server into Python: complete, exact, bounded."""

from __future__ import annotations

import pytest

from tests.browser.bridge.kernel import KernelPage
from tests.browser.bridge.server import BridgeServer, pattern_hash

pytestmark = pytest.mark.browser

MIB = 1 << 20


def test_kernel_reading_a_response_gets_status_headers_and_body(kernel: KernelPage) -> None:
    code = """
    call = post("/echo", [b"hello"], [("x-one", "1")])
    head = call.head()
    [head.status, dict(head.headers)["x-extra"], body_of(call).decode()]
    """
    status, extra, body = kernel.run(code)
    assert (status, extra) == (200, "yes")
    assert '"bytes": 5' in body
    assert '"x-one": "1"' in body


def test_kernel_reading_256_mib_gets_every_byte(kernel: KernelPage, server: BridgeServer) -> None:
    digest, count = kernel.run(f"digest_of(post('/stream?bytes={256 * MIB}'))")
    assert count == 256 * MIB
    assert digest == pattern_hash(256 * MIB)
