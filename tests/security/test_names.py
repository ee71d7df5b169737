"""What a browser writes where the names of a service and a method belong never becomes part of a request."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyspark_connect_web.wire import encode_frame

from tests.support.recording_upstream import RecordingUpstream
from tests.support.server import start
from tests.support.upstream import order
from tests.support.web import SERVICE, Answer, Site, decode

FURTHER = "my.Service"
LISTED = "my.Listed"
EXECUTE = "spark.connect.SparkConnectService%2fExecutePlan"

NOT_NAMES = {
    "encoded dots lead to Spark": f"x%2f..%2f..%2f{EXECUTE}",
    "dots": "..",
    "encoded dots": "%2e%2e",
    "line break": "a%0d%0aX-Evil:1",
    "line feed": "a%0aX-Evil:1",
    "line feed at the end": "a%0a",
    "null": "a%00",
    "version": "a%20HTTP%2f1.1",
    "query": "a%3fb",
    "fragment": "a%23b",
    "semicolon": "a;b",
    "percent": "a%25b",
    "emoji": "%F0%9F%98%80",
    "letter outside ASCII": "%C3%A9",
    "digit outside ASCII": "a%D9%A3",
    "number first": "1a",
    "hyphen": "a-b",
    "20,000 letters": "a" * 20_000,
    "256 letters": "a" * 256,
}


@pytest.fixture(scope="module")
def site(recorder: RecordingUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that puts the user into Spark's requests and lets two more services through."""
    services = {FURTHER: None, LISTED: ["Get"], "my.Typed": {"Get": False}}
    with start(
        tmp_path_factory.mktemp("names"),
        f"--PcwExtension.endpoints={ {'svc': {'url': recorder.address, 'services': services}} }",
        "--PcwExtension.identity=on",
    ) as process:
        yield Site(process)


def call(site: Site, service: str, method: str, body: bytes = encode_frame(order())) -> Answer:
    return site.request(
        "POST",
        f"pcw/grpc/svc/{service}/{method}",
        headers={"Content-Type": "application/grpc-web+proto"},
        body=body,
    )


@pytest.mark.parametrize("name", NOT_NAMES.values(), ids=list(NOT_NAMES))
@pytest.mark.parametrize("place", ["method of a further service", "method of Spark", "service"])
def test_what_is_no_name_is_refused_before_anything_is_dialled(
    site: Site, recorder: RecordingUpstream, place: str, name: str
) -> None:
    before = len(recorder.received)
    if place == "service":
        answer = call(site, name, "Get")
    else:
        answer = call(site, SERVICE if place == "method of Spark" else FURTHER, name)
    assert answer.status == 404
    assert "names of services and methods" in answer.json()["message"]
    assert "x-evil" not in answer.headers
    assert len(recorder.received) == before


def test_bytes_that_are_no_text_are_refused(site: Site, recorder: RecordingUpstream) -> None:
    before = len(recorder.received)
    assert call(site, FURTHER, "%ff%fe").status == 400
    assert len(recorder.received) == before


def test_names_of_a_service_that_is_let_through_arrive_as_they_are(
    site: Site, recorder: RecordingUpstream
) -> None:
    for service, method in ((FURTHER, "Get"), (FURTHER, "_a1_B"), (FURTHER, "a" * 255), (LISTED, "Get")):
        answer = decode(call(site, service, method))
        assert answer.status == 0
        assert recorder.received[-1].path == f"/{service}/{method}"


def test_methods_that_are_not_listed_are_not_served(site: Site, recorder: RecordingUpstream) -> None:
    before = len(recorder.received)
    for service, method in ((LISTED, "Put"), (LISTED, "get"), ("my.Typed", "Put"), ("my.Other", "Get")):
        answer = decode(call(site, service, method))
        assert answer.status == 12
        assert f"does not serve the method {service}/{method}" in answer.message.replace("%20", " ")
    assert len(recorder.received) == before


def test_method_that_takes_one_message_gets_no_second(site: Site, recorder: RecordingUpstream) -> None:
    before = len(recorder.received)
    assert decode(call(site, "my.Typed", "Get", encode_frame(b"a") + encode_frame(b"b"))).status == 12
    assert len(recorder.received) == before
    assert decode(call(site, LISTED, "Get", encode_frame(b"a") + encode_frame(b"b"))).status == 0
    assert recorder.received[-1].messages == [b"a", b"b"]
