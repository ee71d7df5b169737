"""The grpc-web endpoint in front of a synthetic upstream: bytes, metadata, status, deadlines, leaving."""

from __future__ import annotations

import json
import socket
import time
from base64 import b64encode
from http.client import HTTPResponse
from urllib.parse import unquote

import psutil
import pytest
from pyspark_connect_web.wire import encode_frame

from tests.support.server import StartServer
from tests.support.upstream import SyntheticUpstream, order, pattern
from tests.support.web import SERVICE, Answer, Site, decode

UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 12, 13, 14


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
def test_unary_call_returns_message_and_trailers(site: Site, text: bool) -> None:
    answer = site.grpc("AnalyzePlan", order(trailing=[("x-done", "yes")]), text=text)
    assert answer.status == 0
    assert answer.trailers["x-done"] == "yes"
    assert "metadata" in json.loads(answer.messages[0])


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
@pytest.mark.parametrize(
    ("count", "size"), [(0, 0), (1, 0), (1, 1), (3, 70_001), (2000, 100), (5, 4_000_003)]
)
def test_stream_passes_every_byte_once_and_in_order(site: Site, text: bool, count: int, size: int) -> None:
    answer = site.grpc("ExecutePlan", order(messages=count, size=size), text=text)
    assert answer.status == 0
    assert answer.messages == [pattern(size, number) for number in range(count)]


def test_client_stream_in_one_body_is_passed_message_by_message(site: Site) -> None:
    parts = [pattern(size, 3) for size in (0, 1, 5, 100_000, 3_000_000)]
    answer = site.grpc("AddArtifacts", *parts)
    assert answer.status == 0
    assert json.loads(answer.messages[0])["sizes"] == [len(part) for part in parts]


def test_error_status_keeps_http_200_and_details(site: Site) -> None:
    answer = site.grpc(
        "AnalyzePlan",
        order(status=5, details="Grüße: 100 %\nline", trailing=[("x-reason", "none")]),
    )
    assert answer.status == 5
    assert unquote(answer.message) == "Grüße: 100 %\nline"
    assert answer.trailers["x-reason"] == "none"
    assert answer.messages == []


def test_error_after_messages_comes_after_them(site: Site) -> None:
    answer = site.grpc("ExecutePlan", order(messages=4, size=50_000, status=10, details="stop"))
    assert len(answer.messages) == 4
    assert (answer.status, answer.message) == (10, "stop")


def test_metadata_passes_both_ways_and_credentials_do_not(site: Site, upstream: SyntheticUpstream) -> None:
    answer = site.grpc(
        "AnalyzePlan",
        order(initial=[("x-initial", "one"), ("set-cookie", "evil=1"), ("access-control-allow-origin", "*")]),
        headers={
            "Cookie": "session=SECRET-COOKIE",
            "X-XSRFToken": "SECRET-XSRF",
            "X-Forwarded-For": "1.2.3.4",
            "X-Pcw-Metadata": "x-custom,x-data-bin,x-from-config",
            "X-Custom": "kept",
            "X-Data-Bin": b64encode(b"\0\xff").decode(),
            "x-from-config": "from-browser",
        },
    )
    seen = json.loads(answer.messages[0])["metadata"]
    assert seen["x-custom"] == "kept"
    assert seen["x-data-bin"] == "00ff"
    assert seen["x-from-config"] == "yes"
    assert not {"cookie", "authorization", "x-xsrftoken", "x-forwarded-for", "host", "origin"} & set(seen)
    assert site.token not in json.dumps(seen)
    assert "SECRET" not in json.dumps(seen)
    assert answer.http.headers["x-initial"] == "one"
    assert "evil" not in answer.http.headers.get("set-cookie", "")
    assert answer.http.headers.get("access-control-allow-origin", "") != "*"


def test_deadline_is_forwarded_and_enforced_here_too(site: Site) -> None:
    answer = site.grpc("AnalyzePlan", order(), headers={"grpc-timeout": "30S"})
    assert 20 < json.loads(answer.messages[0])["deadline"] <= 30
    begin = time.monotonic()
    late = site.grpc("ExecutePlan", order(messages=1, forever=True), headers={"grpc-timeout": "400m"})
    assert time.monotonic() - begin < 30
    assert late.status == 4


def test_malformed_timeout_is_refused(site: Site, upstream: SyntheticUpstream) -> None:
    before = upstream.calls
    assert site.grpc("AnalyzePlan", order(), headers={"grpc-timeout": "soon"}).status == INTERNAL
    assert upstream.calls == before


@pytest.mark.parametrize(
    ("method", "service"),
    [("Nope", SERVICE), ("AnalyzePlan", "grpc.reflection.v1.ServerReflection"), ("analyzeplan", SERVICE)],
)
def test_method_that_is_not_served_is_unimplemented_and_never_dialled(
    site: Site, upstream: SyntheticUpstream, method: str, service: str
) -> None:
    before = upstream.calls
    assert site.grpc(method, order(), service=service).status == UNIMPLEMENTED
    assert upstream.calls == before


def test_unknown_encoding_is_unimplemented_and_never_dialled(site: Site, upstream: SyntheticUpstream) -> None:
    before = upstream.calls
    assert site.grpc("AnalyzePlan", order(), headers={"grpc-encoding": "rot13"}).status == UNIMPLEMENTED
    assert upstream.calls == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", UNIMPLEMENTED),
        (encode_frame(b"{}") * 2, UNIMPLEMENTED),
        (encode_frame(b"{}", 1), INTERNAL),
        (encode_frame(b"{}", 0x80), INTERNAL),
        (encode_frame(b"{}")[:-1], INTERNAL),
        (b"\0\0\0", INTERNAL),
    ],
    ids=["none", "two", "compressed", "trailers", "cut", "cut-head"],
)
def test_wrong_request_framing_is_an_error_with_trailers(site: Site, body: bytes, status: int) -> None:
    answer = site.grpc("AnalyzePlan", body=body)
    assert answer.status == status
    assert answer.messages == []


def test_too_large_message_is_refused_from_its_header(site: Site) -> None:
    head = b"\0" + (200 << 20).to_bytes(4, "big")
    answer = site.grpc("AddArtifacts", body=head + bytes(100))
    assert answer.status == 8
    assert "max_request_message" in answer.message


def test_upstream_that_refuses_is_unavailable(site: Site) -> None:
    answer = site.grpc("AnalyzePlan", order(), endpoint="nobody")
    assert answer.status == UNAVAILABLE
    assert "refused" in answer.message
    assert "127.0.0.1" not in answer.message
    assert "TOKEN-OF-NOBODY" not in answer.message


def test_upstream_that_dies_ends_the_answer_with_trailers(start_server: StartServer) -> None:
    dying = SyntheticUpstream()
    site = start_server(f"--PcwExtension.endpoints={{'synthetic': '{dying.address}'}}")
    connection = site.begin(order(messages=3, size=1000, forever=True))
    response = connection.getresponse()
    assert response.read(1005) == encode_frame(pattern(1000, 0))
    dying.stop()
    rest = response.read()
    assert b"grpc-status:14\r\n" in rest or b"grpc-status:1\r\n" in rest
    connection.close()
    again = site.grpc("AnalyzePlan", order())
    assert again.status == UNAVAILABLE


def test_browser_that_leaves_cancels_the_call(site: Site, upstream: SyntheticUpstream) -> None:
    connection = site.begin(order(messages=2, size=10, forever=True))
    response = connection.getresponse()
    response.read(15)
    assert not upstream.cancelled.is_set()
    response.close()
    connection.close()
    assert upstream.cancelled.wait(60)


def test_browser_that_leaves_during_its_upload_cancels_the_call(
    site: Site, upstream: SyntheticUpstream
) -> None:
    before = upstream.calls
    with socket.create_connection(("127.0.0.1", site.process.port)) as raw:
        raw.sendall(
            f"POST {site.base_url}pcw/grpc/synthetic/{SERVICE}/AddArtifacts HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: token {site.token}\r\nContent-Type: application/grpc-web+proto\r\n"
            f"Content-Length: 100000000\r\n\r\n".encode()
        )
        deadline = time.monotonic() + 60
        while upstream.calls == before:
            assert time.monotonic() < deadline, "the call did not reach the upstream"
            # the newest piece of a body is held back, so one alone opens no call
            raw.sendall(encode_frame(bytes(1000)))
            time.sleep(0.02)
    answer = site.grpc("AnalyzePlan", order())
    assert answer.status == 0


def test_stuck_reader_holds_little_memory_and_blocks_nobody(site: Site, upstream: SyntheticUpstream) -> None:
    server = psutil.Process(site.process.process.pid)
    site.grpc("ExecutePlan", order(messages=2, size=1 << 20))
    before = server.memory_info().rss
    stuck = []
    try:
        for _ in range(8):
            raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.connect(("127.0.0.1", site.process.port))
            body = encode_frame(order(messages=1000, size=1 << 20))
            raw.sendall(
                f"POST {site.base_url}pcw/grpc/synthetic/{SERVICE}/ExecutePlan HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Authorization: token {site.token}\r\nContent-Type: application/grpc-web+proto\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            stuck.append(raw)
        produced = -1
        while upstream.produced != produced:
            produced = upstream.produced
            time.sleep(0.5)
        begin = time.monotonic()
        assert site.grpc("AnalyzePlan", order()).status == 0
        assert time.monotonic() - begin < 30
        grown = server.memory_info().rss - before
        assert grown < 32 << 20, f"{grown >> 20} MiB for 8 stuck readers"
    finally:
        for raw in stuck:
            raw.close()


def test_slow_reader_gets_every_byte_once_and_in_order(site: Site, upstream: SyntheticUpstream) -> None:
    body = encode_frame(order(messages=60, size=300_007))
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.settimeout(30)
        raw.connect(("127.0.0.1", site.process.port))
        raw.sendall(
            f"POST {site.base_url}pcw/grpc/synthetic/{SERVICE}/ExecutePlan HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: token {site.token}\r\nContent-Type: application/grpc-web+proto\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        # until the sockets are full, which take a part of a chunk: its rest goes another way
        produced = -1
        while upstream.produced != produced:
            produced = upstream.produced
            time.sleep(0.5)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        response = HTTPResponse(raw)
        response.begin()
        answer = decode(Answer(response.status, {}, response.read()))
    assert answer.status == 0
    assert answer.messages == [pattern(300_007, number) for number in range(60)]


def test_large_upload_is_streamed_not_held(site: Site) -> None:
    server = psutil.Process(site.process.process.pid)
    piece = encode_frame(bytes(1 << 20))
    site.grpc("AddArtifacts", *([bytes(1 << 20)] * 2))
    before = server.memory_info().rss
    connection = site.connect(60)
    connection.putrequest("POST", f"{site.base_url}pcw/grpc/synthetic/{SERVICE}/AddArtifacts")
    connection.putheader("Content-Type", "application/grpc-web+proto")
    connection.putheader("Authorization", site.auth["Authorization"])
    connection.putheader("Content-Length", str(len(piece) * 511))
    connection.endheaders()
    peak = 0
    for _ in range(511):
        connection.send(piece)
        peak = max(peak, server.memory_info().rss)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    assert b'"count": 511' in body
    assert peak - before < 40 << 20, f"{(peak - before) >> 20} MiB"
