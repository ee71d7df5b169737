"""Connection strings: where calls go, and what is refused."""

from __future__ import annotations

import pytest
from pyspark_connect_web.connection import is_ours, parse_target
from pyspark_connect_web.errors import ConnectionStringError
from pyspark_connect_web.page import Page

PAGE = Page("http://localhost:8888", "/user/x/pcw/grpc/", headers=(("X-XSRFToken", "t"),))
PLAIN_PAGE = Page("http://localhost:8888", "/user/x/pcw/grpc/")
SECURE_PAGE = Page("https://hub.example.com", "/pcw/grpc/", "team")
STATIC_PAGE = Page("https://site.example.com")


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("sc://host", False),
        ("sc://host:1/;use_ssl=true", False),
        ("sc://host:1/;transport=grpcweb", True),
        ("sc://host:1/;token=a;transport=GRPC-Web", True),
        ("sc://host:1/;transport=quic", False),
        ("http://host", True),
        ("HTTPS://host/a", True),
        ("local[*]", False),
        ("ftp://host", False),
    ],
)
def test_is_ours(url: str, ours: bool) -> None:
    assert is_ours(url) is ours


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("sc://host/;transport=grpcweb", "http://host:15002"),
        ("sc://host:80/;transport=grpcweb", "http://host:80"),
        ("sc://host:80/;transport=grpcweb;use_ssl=true", "https://host:80"),
        ("sc://[::1]:80/;transport=grpcweb", "http://[::1]:80"),
        ("sc://host:80;transport=grpcweb", "http://host:80"),
        ("sc://host:80/;transport=grpcweb;endpoint=prod", "http://host:80/pcw/grpc/prod"),
        ("http://host", "http://host"),
        ("http://host/", "http://host"),
        ("https://host:8443/a/b/", "https://host:8443/a/b"),
        ("http://host/user/x/;endpoint=prod", "http://host/user/x/pcw/grpc/prod"),
        ("http://host/with space", "http://host/with%20space"),
        ("http://host/user/%C3%A9", "http://host/user/%C3%A9"),
    ],
)
@pytest.mark.parametrize(
    "page",
    [None, PAGE, PLAIN_PAGE, STATIC_PAGE],
    ids=["no page", "page", "page without headers", "static page"],
)
def test_address_of_a_server(url: str, base: str, page: Page | None) -> None:
    target = parse_target(url, page)
    assert target.base == base
    assert target.headers == ()


@pytest.mark.parametrize(
    ("page", "url", "base"),
    [
        (PAGE, "sc://localhost:8888/;transport=grpcweb", "http://localhost:8888/user/x/pcw/grpc/default"),
        (PAGE, "sc://LOCALHOST:8888/;transport=grpcweb", "http://localhost:8888/user/x/pcw/grpc/default"),
        (
            PAGE,
            "sc://localhost:8888/;transport=grpcweb;endpoint=b",
            "http://localhost:8888/user/x/pcw/grpc/b",
        ),
        (PAGE, "http://localhost:8888", "http://localhost:8888/user/x/pcw/grpc/default"),
        (PAGE, "http://localhost:8888/user/x/", "http://localhost:8888/user/x/pcw/grpc/default"),
        (PAGE, "http://localhost:8888/user/x/pcw/grpc/b", "http://localhost:8888/user/x/pcw/grpc/b"),
        (PAGE, "http://localhost:8888/user/x;endpoint=b", "http://localhost:8888/user/x/pcw/grpc/b"),
        (SECURE_PAGE, "sc://hub.example.com:443/;transport=grpcweb", "https://hub.example.com/pcw/grpc/team"),
        (SECURE_PAGE, "https://hub.example.com", "https://hub.example.com/pcw/grpc/team"),
        (STATIC_PAGE, "https://site.example.com/spark", "https://site.example.com/spark"),
    ],
)
def test_address_of_the_page_s_own_server(page: Page, url: str, base: str) -> None:
    target = parse_target(url, page)
    assert target.base == base
    assert target.headers == page.headers


def test_parameters_go_where_they_belong() -> None:
    target = parse_target(
        "sc://h:1/;transport=grpcweb;channel=xhr;token=a%3Bb;user_id=me;x-team=data;use_ssl=true", None
    )
    assert (target.transport, target.token) == ("xhr", "a;b")
    assert target.params == {"token": "a;b", "user_id": "me", "x-team": "data", "use_ssl": "true"}


def test_page_chooses_the_channel_unless_the_string_does() -> None:
    page = Page("http://p", "/pcw/grpc/", transport="xhr")
    assert parse_target("http://p", page).transport == "xhr"
    assert parse_target("http://elsewhere", page).transport == "xhr"
    assert parse_target("http://p/;channel=sab", page).transport == "sab"


def test_token_is_never_shown() -> None:
    target = parse_target("https://host/;token=s3cret;x-key=k3y", PAGE)
    assert "s3cret" not in repr(target)
    assert "k3y" not in repr(target)
    assert "XSRF" not in repr(PAGE)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sc://", "host is missing"),
        ("http:///path", "host is missing"),
        ("sc://host:99999/;transport=grpcweb", "port is not valid"),
        ("sc://host:port/;transport=grpcweb", "port is not valid"),
        ("sc://host:0/;transport=grpcweb", "1 to 65535"),
        ("http://[::1/", "not valid"),
        ("ftp://host", "must start with"),
        ("sc://host/path;transport=grpcweb", "has no path"),
        ("http://user:s3cret@host/", "user name or password"),
        ("http://host/?token=s3cret", "';token=...' after the path"),
        ("http://host/#s3cret", "'\\?' or '#'"),
        ("http://host/;transport=grpcweb;broken", "name=value"),
        ("http://host/;token=s3cret==", "%3D"),
        ("http://host/;cookie=s3cret", "reserved"),
        ("sc://host/;transport=quic", "transport=grpcweb"),
        ("http://host/;channel=pigeon", "sab, xhr, http"),
        ("http://host/;endpoint=..%2F..%2Fx", "endpoint's name"),
        ("http://host/;endpoint=", "endpoint's name"),
        ("http://host/;token=s3cret%0d%0ax", "token is empty or holds"),
        ("http://host/;token=s3cret%C3%A9", "token is empty or holds"),
    ],
)
def test_unusable_string_is_refused_without_its_secrets(url: str, reason: str) -> None:
    with pytest.raises(ConnectionStringError, match=reason) as caught:
        parse_target(url, None)
    assert "s3cret" not in str(caught.value)


def test_page_of_a_kernel_comes_from_its_remote() -> None:
    page = Page.from_remote("https://hub:8443/user/x/pcw/grpc/prod", "sab", {"X-A": "1"})
    assert page == Page("https://hub:8443", "/user/x/pcw/grpc/", "prod", "sab", (("X-A", "1"),))
    assert page.endpoint_url() == "https://hub:8443/user/x/pcw/grpc/prod"
    for remote in ("sc://host:1", "http://host", "http://host/", "nonsense"):
        with pytest.raises(ConnectionStringError, match="no http"):
            Page.from_remote(remote)
