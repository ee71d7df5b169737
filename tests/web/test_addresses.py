"""Addresses compared by their parts."""

from __future__ import annotations

import pytest

from pcw_server_ext.web.addresses import is_below, is_loopback, same_origin


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://hub.example/x", "https://HUB.example:443", True),
        ("http://[::1]:8888/", "http://[::1]:8888", True),
        ("https://hub.example", "http://hub.example", False),
        ("https://hub.example.attacker.net/", "https://hub.example", False),
        ("http://127.0.0.1:61234/x", "http://127.0.0.1:6123", False),
        ("https://hub.example@evil.example/", "https://hub.example", False),
        ("https://hub.example:x/", "https://hub.example", False),
        ("", "", False),
        ("/a", "/a", False),
    ],
)
def test_origins_are_scheme_host_and_port(one: str, other: str, same: bool) -> None:
    assert same_origin(one, other) is same


@pytest.mark.parametrize(
    ("address", "base", "below"),
    [
        ("https://h/user/a/pcw", "https://h/user/a/", True),
        ("https://h/user/a", "https://h/user/a/", True),
        ("https://h/user/ab", "https://h/user/a", False),
        ("https://h/user/a/../b", "https://h/user/a/", False),
        ("https://h/user/a/%2e%2e/b", "https://h/user/a/", False),
        ("https://h.evil/user/a/x", "https://h/user/a/", False),
    ],
)
def test_path_is_below_by_whole_parts(address: str, base: str, below: bool) -> None:
    assert is_below(address, base) is below


def test_loopback_is_a_whole_host() -> None:
    assert is_loopback("http://localhost:1/")
    assert is_loopback("http://[::1]/")
    assert not is_loopback("http://localhost.evil.example/")
    assert not is_loopback("http://[")
