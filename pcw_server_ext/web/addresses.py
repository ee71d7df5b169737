"""Addresses compared by their parts: `https://hub.example.attacker.net` begins like `https://hub.example`."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PORTS = {"http": 80, "https": 443}


def origin_of(address: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of an http(s) address, None for any other text (RFC 6454, section 4)."""
    try:
        split = urlsplit(address)
        port = split.port
    except ValueError:
        return None
    scheme = split.scheme.lower()
    if scheme not in _PORTS or not split.hostname:
        return None
    return scheme, split.hostname.lower(), _PORTS[scheme] if port is None else port


def same_origin(one: str, other: str) -> bool:
    """Whether both are http(s) addresses of one origin."""
    origin = origin_of(one)
    return origin is not None and origin == origin_of(other)


def is_below(address: str, base: str) -> bool:
    """Whether `address` has the origin of `base` and a path below its path, compared part by part."""
    if not same_origin(address, base):
        return False
    parts, above = (
        [part for part in unquote(urlsplit(text).path).split("/") if part] for text in (address, base)
    )
    return ".." not in parts and parts[: len(above)] == above


def is_loopback(address: str) -> bool:
    """Whether the host of an address is this machine."""
    try:
        return urlsplit(address).hostname in LOOPBACK
    except ValueError:
        return False
