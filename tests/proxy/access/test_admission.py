"""What is remembered of an admission: for how long, for whom, and what is never remembered."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pyspark_connect_web.wire import encode_frame
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from pcw_server_ext.proxy.access.admission import Admission, AdmissionCache
from tests.support.upstream import SyntheticUpstream, order
from tests.support.web import SERVICE, Site

ADMITTED = Admission("someone", (("Access-Control-Allow-Origin", "https://lab.example"),))


class Connection:
    """What a request knows of its TCP connection."""

    def __init__(self) -> None:
        self.stream = SimpleNamespace(closed=False)
        self.context = SimpleNamespace(remote_ip="127.0.0.1", protocol="http")


class Stream:
    """Anything that can be referred to weakly."""


def make_request(
    connection: Connection, uri: str = "/pcw/grpc/default/s/M", **headers: str
) -> HTTPServerRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HTTPServerRequest(
        connection=connection,  # type: ignore[arg-type]
        start_line=RequestStartLine("POST", uri, "HTTP/1.1"),
        headers=HTTPHeaders({"Host": "lab.example", **named}),
    )


@pytest.fixture
def connection() -> Connection:
    made = Connection()
    made.stream = Stream()  # type: ignore[assignment]
    return made


def test_equal_request_on_the_same_connection_is_recalled(connection: Connection) -> None:
    admissions = AdmissionCache(1.0)
    admissions.remember(make_request(connection, Authorization="token a", Content_Length="5"), ADMITTED)
    again = make_request(connection, Authorization="token a", Content_Length="77", Grpc_Timeout="1S")
    assert admissions.recall(again) == ADMITTED


@pytest.mark.parametrize(
    ("uri", "headers"),
    [
        ("/pcw/grpc/other/s/M", {"Authorization": "token a"}),
        ("/pcw/grpc/default/s/M?token=a", {"Authorization": "token a"}),
        ("/pcw/grpc/default/s/M", {"Authorization": "token b"}),
        ("/pcw/grpc/default/s/M", {}),
        ("/pcw/grpc/default/s/M", {"Authorization": "token a", "Origin": "https://evil.example"}),
        ("/pcw/grpc/default/s/M", {"Authorization": "token a", "Cookie": "session=1"}),
        ("/pcw/grpc/default/s/M", {"Authorization": "token a", "Host": "evil.example"}),
    ],
)
def test_request_that_differs_is_not_recalled(
    connection: Connection, uri: str, headers: dict[str, str]
) -> None:
    admissions = AdmissionCache(1.0)
    admissions.remember(make_request(connection, Authorization="token a"), ADMITTED)
    assert admissions.recall(make_request(connection, uri, **headers)) is None


def test_another_connection_knows_nothing(connection: Connection) -> None:
    admissions = AdmissionCache(1.0)
    admissions.remember(make_request(connection), ADMITTED)
    other = Connection()
    other.stream = Stream()  # type: ignore[assignment]
    assert admissions.recall(make_request(other)) is None


def test_memory_ends_with_the_interval_and_is_not_renewed(connection: Connection) -> None:
    now = [100.0]
    admissions = AdmissionCache(1.0, clock=lambda: now[0])
    admissions.remember(make_request(connection), ADMITTED)
    now[0] = 100.9
    assert admissions.recall(make_request(connection)) == ADMITTED
    now[0] = 101.0
    assert admissions.recall(make_request(connection)) is None


def test_interval_of_zero_remembers_nothing(connection: Connection) -> None:
    admissions = AdmissionCache(0)
    admissions.remember(make_request(connection), ADMITTED)
    assert admissions.recall(make_request(connection)) is None


def test_many_uris_do_not_pile_up(connection: Connection) -> None:
    admissions = AdmissionCache(60)
    for number in range(10_000):
        admissions.remember(make_request(connection, f"/{number}"), ADMITTED)
    known = admissions._connections[connection.stream]
    assert len(known) <= 64


@pytest.mark.parametrize("changed", [{}, {"Authorization": "token wrong"}], ids=["none", "wrong"])
def test_calls_on_one_connection_are_checked_each_by_its_own_headers(
    site: Site, upstream: SyntheticUpstream, changed: dict[str, str]
) -> None:
    path = f"{site.base_url}pcw/grpc/default/{SERVICE}/AnalyzePlan"
    kind = {"Content-Type": "application/grpc-web+proto"}
    connection = site.connect()
    try:
        for _ in range(3):
            connection.request("POST", path, encode_frame(order()), {**kind, **site.auth})
            answer = connection.getresponse()
            assert answer.status == 200
            assert b"grpc-status:0" in answer.read()
        before = upstream.calls
        # without a body: the server closes a connection whose body it does not want to read
        connection.request("POST", path, b"", {**kind, **changed})
        assert connection.getresponse().status == 403
        assert upstream.calls == before
    finally:
        connection.close()
