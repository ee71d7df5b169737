"""Spark Connect connection strings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcw_server_ext.errors import ConfigurationError
from pcw_server_ext.proxy.upstream.connection_string import Target, parse
from tests.client.vectors import load

VECTORS: list[dict[str, Any]] = load("connection_strings")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("sc://host", Target("host", 15002)),
        ("sc://host/", Target("host", 15002)),
        ("sc://host:1234/;", Target("host", 1234)),
        ("sc://[::1]:15", Target("::1", 15)),
        ("sc://host/;use_ssl=true", Target("host", 15002, True)),
        ("sc://host/;use_ssl=TRUE;user_id=ann%20b", Target("host", 15002, True, "ann b")),
        ("sc://host/;token=a%3Bb", Target("host", 15002, True, token="a;b")),
        ("sc://localhost/;token=t", Target("localhost", 15002, False, token="t")),
        ("sc://localhost/;token=t;use_ssl=true", Target("localhost", 15002, True, token="t")),
        (
            "sc://h:443/;x-databricks-cluster-id=1-2;session_id=00112233-4455-4677-8899-aabbccddeeff;user_agent=y;grpc_keepalive_time_ms=1",
            Target("h", 443, metadata=(("x-databricks-cluster-id", "1-2"),)),
        ),
    ],
)
def test_connection_string_is_read(url: str, target: Target) -> None:
    assert parse(url, "here") == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:15002",
        "http://host",
        "sc://",
        "sc://:15002",
        "sc://host:port",
        "sc://host:99999",
        "sc://user:pw@host",
        "sc://host/path",
        "sc://host?x=1",
        "sc://host/;flag",
        "sc://host/;=1",
        "sc://host/;x=a%0ab",
        "sc://host/;x y=1",
        "sc://host/;cookie=1",
        "sc://host/;authorization=Bearer%20x",
        "sc://host/;token=a%0d%0ax: y",
    ],
)
def test_wrong_connection_string_is_refused_with_its_place(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^here: .*sc://host:port"):
        parse(url, "here")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["string"])[:60])
def test_string_means_to_the_server_what_it_means_to_the_client(vector: dict[str, Any]) -> None:
    if "error" in vector:
        with pytest.raises(ConfigurationError, match=vector["error"]) as caught:
            parse(vector["string"], "here")
        assert "s3cret" not in str(caught.value)
        return
    want = vector | vector.get("server", {})
    assert parse(vector["string"], "here") == Target(
        want["host"],
        want.get("port", 15002),
        want.get("use_tls", False),
        want.get("user_id"),
        want.get("token"),
        tuple(want.get("metadata", {}).items()),
    )


def test_secrets_are_not_shown() -> None:
    target = parse("sc://h/;token=SECRET;x-key=HIDDEN", "here")
    assert "SECRET" not in repr(target)
    assert "HIDDEN" not in repr(target)
    with pytest.raises(ConfigurationError) as caught:
        parse("sc://h/x;token=SECRET", "here")
    assert "SECRET" not in str(caught.value)


def test_authority_brackets_ipv6() -> None:
    assert parse("sc://[fe80::1]:7", "here").authority == "[fe80::1]:7"


@given(st.text() | st.text().map(lambda text: "sc://" + text) | st.text().map(lambda text: "sc://h/;" + text))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        target = parse(text, "here")
    except ConfigurationError:
        return
    assert target.host
    assert 0 < target.port < 65536
