"""Which pages may call: exact origins, complete preflights, tokens only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark_connect_web.wire import encode_frame
from tornado.httputil import HTTPHeaders

from pcw_server_ext.proxy.http.cors import Cors, RequestOrigin, check_origin
from pcw_server_ext.web.cors_headers import REQUEST_HEADERS
from tests.support.server import StartServer, start
from tests.support.upstream import SyntheticUpstream, order
from tests.support.web import SERVICE, Answer, Site, decode

PATH = f"pcw/grpc/synthetic/{SERVICE}/AnalyzePlan"
TYPE = {"Content-Type": "application/grpc-web+proto"}
PAGES = "https://pages.example"
WHOLE = "https://whole.example"
CORS = ("access-control-", "cross-origin-resource-policy")


@pytest.fixture(scope="module")
def open_site(upstream: SyntheticUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server whose endpoint pages of two origins may call: one by our setting, one by Jupyter's."""
    with start(
        tmp_path_factory.mktemp("cors"),
        f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}'}}",
        f"--PcwExtension.allowed_origins={PAGES}",
        "--PcwExtension.allowed_origins=http://localhost:8000",
        f"--ServerApp.allow_origin={WHOLE}",
        base_url="/user/x/",
    ) as process:
        yield Site(process)


def call(site: Site, headers: dict[str, str], *, authenticated: bool = True, path: str = PATH) -> Answer:
    return site.request(
        "POST", path, headers={**TYPE, **headers}, body=encode_frame(order()), authenticated=authenticated
    )


def cors_headers(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith(CORS)}


@pytest.mark.parametrize("origin", [PAGES, "http://localhost:8000", WHOLE])
def test_page_of_an_allowed_origin_is_served_with_a_token(open_site: Site, origin: str) -> None:
    answer = call(open_site, {"Origin": origin})
    assert decode(answer).status == 0
    assert cors_headers(answer) == {
        "access-control-allow-origin": origin,
        "access-control-expose-headers": "grpc-status, grpc-message, grpc-status-details-bin, x-pcw-longest-silence",
        "cross-origin-resource-policy": "cross-origin",
    }
    assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://pages.example",
        "https://pages.example:8443",
        "https://pages.example.evil.example",
        "https://evil-pages.example",
        "https://PAGES.example",
        "https://pages.example/",
        "https://pages.example, https://evil.example",
        "null",
        "*",
        "",
        "https://[",
    ],
)
def test_page_of_another_origin_is_refused_with_a_valid_token_too(
    open_site: Site, upstream: SyntheticUpstream, origin: str
) -> None:
    before = upstream.calls
    answer = call(open_site, {"Origin": origin})
    assert answer.status == 403
    assert "allowed_origins" in answer.json()["message"]
    assert cors_headers(answer) == {}
    assert upstream.calls == before


def test_own_page_and_programs_get_no_cors_headers(open_site: Site) -> None:
    for sent in ({}, {"Origin": f"http://127.0.0.1:{open_site.process.port}"}):
        answer = call(open_site, sent)
        assert decode(answer).status == 0
        assert cors_headers(answer) == {}


def test_cookies_of_another_origin_are_worth_nothing(open_site: Site, upstream: SyntheticUpstream) -> None:
    cookie, xsrf = open_site.login()
    sent = {"Cookie": cookie, "X-XSRFToken": xsrf}
    before = upstream.calls
    for origin in (PAGES, WHOLE):
        for more in ({}, {"Authorization": "token wrong"}):
            answer = call(open_site, {**sent, **more, "Origin": origin}, authenticated=False)
            assert answer.status == 403
            assert answer.headers["access-control-allow-origin"] == origin
            assert "access-control-allow-credentials" not in answer.headers
    assert upstream.calls == before
    assert decode(call(open_site, sent, authenticated=False)).status == 0


def test_page_can_read_why_it_is_refused(open_site: Site) -> None:
    sent = {"Origin": PAGES}
    without = call(open_site, sent, authenticated=False)
    assert without.status == 403
    assert "jupyter pcw token" in without.json()["message"]
    absent = call(open_site, sent, path=PATH.replace("synthetic", "absent"))
    assert absent.status == 404
    wrong_type = call(open_site, {**sent, "Content-Type": "text/plain"})
    assert wrong_type.status == 415
    for answer in (without, absent, wrong_type):
        assert answer.headers["access-control-allow-origin"] == PAGES
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


def preflight(site: Site, origin: str, asked: str) -> Answer:
    return site.request(
        "OPTIONS",
        PATH,
        authenticated=False,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": asked,
        },
    )


def test_preflight_names_everything_a_call_needs(open_site: Site, upstream: SyntheticUpstream) -> None:
    before = upstream.calls
    answer = preflight(open_site, PAGES, "authorization,content-type,x-grpc-web,X-Databricks-Cluster-Id,a b")
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == PAGES
    assert answer.headers["access-control-allow-methods"] == "POST"
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert allowed == [*REQUEST_HEADERS, "x-databricks-cluster-id"]
    assert answer.headers["access-control-max-age"] == "600"
    assert answer.headers["vary"].startswith("Origin")
    assert "access-control-allow-credentials" not in answer.headers
    assert upstream.calls == before


def test_preflight_of_another_origin_is_allowed_nothing(open_site: Site) -> None:
    answer = preflight(open_site, "https://evil.example", "authorization")
    assert answer.status == 204
    assert cors_headers(answer) == {}


def test_nothing_else_of_the_server_is_opened(open_site: Site) -> None:
    for path in ("api/status", "pcw/api/endpoints", "pcw/api/tokens", "api/contents"):
        answer = open_site.request("GET", path, headers={"Origin": PAGES})
        assert answer.headers.get("access-control-allow-origin") != PAGES
        assert "cross-origin-resource-policy" not in answer.headers


def test_wildcards_of_jupyters_settings_do_not_count(
    start_server: StartServer, upstream: SyntheticUpstream, tmp_path: Path
) -> None:
    site = start_server(
        f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}'}}",
        "--ServerApp.allow_origin=*",
        "--ServerApp.allow_credentials=True",
        "--ServerApp.tornado_settings={'headers': {'Access-Control-Allow-Origin': '*'}}",
    )
    before = upstream.calls
    answer = call(site, {"Origin": PAGES})
    assert answer.status == 403
    assert upstream.calls == before
    for found in (answer, preflight(site, PAGES, "authorization"), call(site, {})):
        assert "access-control-allow-origin" not in found.headers
        assert "access-control-allow-credentials" not in found.headers


@pytest.mark.parametrize(
    ("settings", "origin", "allowed"),
    [
        ({"allow_origin_pat": re.compile(r"https://.*\.example")}, PAGES, True),
        ({"allow_origin_pat": re.compile(r"https://pages")}, PAGES, False),
        ({"allow_origin_pat": re.compile(r".*"), "allow_origin": WHOLE}, PAGES, False),
        ({"allow_origin": "*"}, PAGES, False),
        ({"allow_origin": "*"}, "*", False),
        ({}, "", False),
    ],
)
def test_jupyters_settings(settings: dict[str, object], origin: str, allowed: bool) -> None:
    headers = HTTPHeaders({"Host": "lab.example", "Origin": origin})
    expected = RequestOrigin.ALLOWED if allowed else RequestOrigin.FOREIGN
    assert Cors([], settings).origin_of(headers) is expected


@pytest.mark.parametrize(
    "origin", ["https://a.example", "http://localhost:8000", "https://[::1]:8443", "http://127.0.0.1"]
)
def test_exact_origin_is_taken(origin: str) -> None:
    assert check_origin(origin) == origin


@pytest.mark.parametrize(
    ("origin", "remedy"),
    [
        ("*", "no wildcards"),
        ("https://*.example", "no wildcards"),
        ("a.example", "https://host"),
        ("ftp://a.example", "https://host"),
        ("null", "https://host"),
        ("https://a.example/", "https://a.example"),
        ("https://a.example/page", "https://a.example"),
        ("https://A.example", "https://a.example"),
        ("https://a.example:443", "https://a.example"),
        ("https://user@a.example", "https://a.example"),
        ("https://a.example:99999", "https://host:port"),
    ],
)
def test_other_writing_of_an_origin_is_refused_with_the_remedy(origin: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy.replace("*", r"\*")):
        check_origin(origin)
