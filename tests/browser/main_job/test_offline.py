"""These tests run without a network when the system lets them (see tests.support.offline)."""

from __future__ import annotations

import os
import socket

import psutil
import pytest

from tests.support.offline import MARKER

pytestmark = pytest.mark.browser


@pytest.mark.skipif(
    MARKER not in os.environ, reason="runs with the network: start it by tests.support.offline"
)
def test_nothing_but_loopback_can_be_reached() -> None:
    assert set(psutil.net_if_addrs()) == {"lo"}
    # TEST-NET-1 (RFC 5737): without a route the system refuses before a packet is made.
    with socket.socket() as attempt, pytest.raises(OSError, match="unreachable"):
        attempt.connect(("192.0.2.1", 9))
