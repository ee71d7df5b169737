"""The stub as a ``grpc.Channel``: its calling convention, and what each fault becomes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2
from grpc_status import rpc_status
from pyspark_connect_web import wire
from pyspark_connect_web.channel import open_channel
from pyspark_connect_web.connection import Target
from pyspark_connect_web.errors import BridgeError, ConnectionStringError, NotIsolatedError
from pyspark_connect_web.wire import Status, StatusCode

from pcw_server_ext.proxy.call.methods import METHODS
from tests.client.peer import OK_HEAD, OK_TRAILERS, Exchange, Handler, Peer, html_page, json_page

# PySpark warns about pandas 3 when it is imported, which is none of our business.
pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")

METHOD = "/spark.connect.SparkConnectService/Config"


@contextmanager
def channel_to(handler: Handler, **target: Any) -> Iterator[tuple[Any, Peer]]:
    from pyspark_connect_web.rpc.stub import GrpcWebChannel

    with Peer(handler) as peer, GrpcWebChannel(Target(f"{peer.url}/base", "127.0.0.1", **target)) as channel:
        yield channel, peer


def answer(*payloads: bytes) -> Handler:
    return lambda exchange: exchange.message(*payloads)


def error_of(handler: Handler, **call: Any) -> grpc.RpcError:
    with channel_to(handler) as (channel, _), pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(METHOD)(b"q", **call)
    return caught.value


def test_unary_call_sends_one_frame_and_returns_the_answer() -> None:
    with channel_to(answer(b"yes"), token="t0ken", headers=(("X-XSRFToken", "x"),)) as (channel, peer):
        call = channel.unary_unary(
            METHOD, request_serializer=str.encode, response_deserializer=bytes.decode, _registered_method=True
        )
        assert call("q", metadata=[("X-Team", "data"), ("x-raw-bin", b"\0\1")], timeout=600) == "yes"
        [request] = peer.requests
        assert request.path == f"/base{METHOD}"
        assert request.body == wire.encode_frame(b"q")
        expected = {
            "content-type": "application/grpc-web+proto",
            "accept": "application/grpc-web+proto",
            "x-grpc-web": "1",
            "grpc-timeout": "600000m",
            "authorization": "Bearer t0ken",
            "x-xsrftoken": "x",
            "x-team": "data",
            "x-raw-bin": "AAE",
        }
        assert {name: request.headers[name] for name in expected} == expected
        assert request.headers["x-user-agent"].startswith("grpc-python-pcw/")


def test_call_without_timeout_or_token_sends_neither() -> None:
    with channel_to(answer(b"")) as (channel, peer):
        channel.unary_unary(METHOD)(b"")
        assert not {"grpc-timeout", "authorization"} & peer.requests[0].headers.keys()


def test_with_call_also_gives_the_finished_call() -> None:
    def handler(exchange: Exchange) -> None:
        trailers = wire.encode_trailers([("x-tail", "2"), ("grpc-status", "0")])
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web+proto\r\nX-Head: 1\r\n")
        body = wire.encode_frame(b"yes") + trailers
        exchange.send(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    with channel_to(handler) as (channel, _):
        value, call = channel.unary_unary(METHOD).with_call(b"q")
        assert (value, call.code(), call.details(), call.is_active()) == (
            b"yes",
            grpc.StatusCode.OK,
            "",
            False,
        )
        assert call.initial_metadata() == (("x-head", "1"),)
        assert call.trailing_metadata() == (("x-tail", "2"),)


def test_stream_yields_messages_as_they_come() -> None:
    more = threading.Event()

    def handler(exchange: Exchange) -> None:
        exchange.send(OK_HEAD)
        exchange.chunk(wire.encode_frame(b"a") + wire.encode_frame(b"b"))
        assert more.wait(60)
        exchange.chunk(wire.encode_frame(b"c") + OK_TRAILERS)
        exchange.chunk(b"")

    with channel_to(handler) as (channel, _):
        stream = channel.unary_stream(METHOD)(b"q", timeout=30)
        assert [next(stream), next(stream)] == [b"a", b"b"]
        assert stream.is_active()
        assert 0 < stream.time_remaining() <= 30
        more.set()
        assert list(stream) == [b"c"]
        assert (stream.code(), stream.is_active()) == (grpc.StatusCode.OK, False)


def test_client_stream_is_sent_as_one_body() -> None:
    with channel_to(answer(b"yes")) as (channel, peer):
        call = channel.stream_unary(METHOD)
        assert call(iter([b"a", b"", b"c" * 70_000])) == b"yes"
        frames = wire.FrameDecoder().feed(peer.requests[0].body)
        assert [frame.payload for frame in frames] == [b"a", b"", b"c" * 70_000]


def test_small_messages_of_a_client_stream_travel_in_large_pieces() -> None:
    from pyspark_connect_web.rpc.stub import JOINED, _joined

    messages = [bytes([number % 251]) * 32_768 for number in range(100)]
    pieces = list(
        _joined(part for message in messages for part in (wire.frame_header(len(message)), message))
    )
    assert [frame.payload for frame in wire.FrameDecoder().feed(b"".join(pieces))] == messages
    assert [len(piece) >= JOINED for piece in pieces] == [True, True, True, False]
    assert list(_joined([])) == []


def test_error_of_the_server_is_an_rpc_error_and_a_call() -> None:
    rich = status_pb2.Status(code=13, message="division by zero\nat line 1 (50 %)")
    status = Status(StatusCode.INTERNAL, rich.message, rich.SerializeToString())

    def handler(exchange: Exchange) -> None:
        exchange.whole(wire.encode_trailers([*status.to_pairs(), ("x-tail", "1")]))

    error: Any = error_of(handler)
    assert isinstance(error, grpc.Call)
    assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, rich.message)
    assert rpc_status.from_call(error) == rich
    assert ("x-tail", "1") in error.trailing_metadata()
    assert str(error) == f"[INTERNAL] {rich.message}"


def rich(code: int, message: str) -> bytes:
    return bytes(status_pb2.Status(code=code, message=message).SerializeToString())


@pytest.mark.parametrize(
    ("sent", "code", "kept"),
    [
        # A proxy trimmed the message: the rich one counts, from_call must not raise ValueError.
        (Status(StatusCode.INTERNAL, "padded", rich(13, "padded  ")), "INTERNAL", True),
        (Status(StatusCode.INTERNAL, "other", rich(5, "x")), "INTERNAL", False),
        (Status(StatusCode.INTERNAL, "broken", b"\xff\xff"), "INTERNAL", False),
    ],
    ids=["trimmed message", "another code", "not a status"],
)
def test_details_that_differ_from_the_plain_status_do_not_break_the_handler(
    sent: Status, code: str, kept: bool
) -> None:
    error: Any = error_of(lambda exchange: exchange.whole(wire.encode_trailers(sent.to_pairs())))
    assert error.code() is grpc.StatusCode[code]
    found = rpc_status.from_call(error)
    assert (found is not None) == kept
    assert error.details() == ("padded  " if kept else sent.message)


def cut(exchange: Exchange) -> None:
    exchange.send(OK_HEAD)
    exchange.chunk(wire.encode_frame(b"a"))
    exchange.hang_up()


def short(exchange: Exchange) -> None:
    exchange.whole(wire.encode_frame(b"a"))


def hang(exchange: Exchange) -> None:
    exchange.stop.wait(20)


@pytest.mark.parametrize(
    ("handler", "code", "text"),
    [
        (json_page("401 Unauthorized", "who?"), "UNAUTHENTICATED", "HTTP 401 Unauthorized: who?"),
        (json_page("403 Forbidden", "not you"), "PERMISSION_DENIED", "HTTP 403 Forbidden: not you"),
        (json_page("404 Not Found", "no endpoint 'x'"), "UNIMPLEMENTED", "no endpoint 'x'"),
        (json_page("413 Content Too Large", "big"), "UNKNOWN", "send less at once"),
        (json_page("500 Internal Server Error", "oops"), "UNKNOWN", "oops"),
        (html_page("502 Bad Gateway", "nginx says no"), "UNAVAILABLE", "502 Bad Gateway: nginx says no"),
        (html_page("200 OK", "Sign in"), "UNKNOWN", "text/html in place of grpc-web: Sign in"),
        (lambda e: e.send(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"), "UNKNOWN", "login"),
        (cut, "UNAVAILABLE", "was cut in the middle of the answer"),
        (lambda e: e.hang_up(), "UNAVAILABLE", "closed before an answer came"),
        (short, "INTERNAL", "ended without trailers"),
        (lambda e: e.whole(b""), "INTERNAL", "ended without trailers"),
        (lambda e: e.whole(OK_TRAILERS), "UNIMPLEMENTED", "no message"),
        (lambda e: e.message(b"a", b"b"), "UNIMPLEMENTED", "more than one message"),
        (lambda e: e.whole(b"\0\xff\xff\xff\xff"), "RESOURCE_EXHAUSTED", "4294967295 bytes"),
    ],
)  # fmt: skip
def test_fault_becomes_a_code_and_a_clear_text(handler: Handler, code: str, text: str) -> None:
    started = time.monotonic()
    error: Any = error_of(handler)
    assert error.code() is grpc.StatusCode[code]
    assert text in error.details()
    assert rpc_status.from_call(error) is None
    assert time.monotonic() - started < 15


def test_deadline_is_kept_when_the_server_does_not() -> None:
    started = time.monotonic()
    error: Any = error_of(hang, timeout=0.3)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < 15


def test_call_that_cannot_start_fails_when_it_is_read() -> None:
    from pyspark_connect_web.rpc.stub import GrpcWebChannel

    with GrpcWebChannel(Target("http://127.0.0.1:1", "127.0.0.1")) as channel:
        stream = channel.unary_stream(METHOD)(b"q")
        for _ in range(2):
            with pytest.raises(grpc.RpcError) as caught:
                next(stream)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "Could not connect to http://127.0.0.1:1" in str(caught.value)


def test_messages_before_a_fault_are_delivered() -> None:
    with channel_to(cut) as (channel, _):
        stream = channel.unary_stream(METHOD)(b"q")
        assert next(stream) == b"a"
        with pytest.raises(grpc.RpcError) as caught:
            next(stream)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def watched(closed: list[bool]) -> Handler:
    def handler(exchange: Exchange) -> None:
        exchange.send(OK_HEAD)
        exchange.chunk(wire.encode_frame(b"a"))
        closed.append(exchange.wait_for_close())

    return handler


def test_cancel_ends_the_stream_and_the_server_sees_it() -> None:
    closed: list[bool] = []
    with channel_to(watched(closed)) as (channel, _):
        stream = channel.unary_stream(METHOD)(b"q")
        assert next(stream) == b"a"
        assert stream.cancel() is True
        assert stream.cancel() is False
        with pytest.raises(grpc.RpcError) as caught:
            next(stream)
        assert caught.value.code() is grpc.StatusCode.CANCELLED
        assert stream.code() is grpc.StatusCode.CANCELLED
    assert closed == [True]


def test_stream_that_nobody_holds_is_cancelled() -> None:
    closed: list[bool] = []
    with channel_to(watched(closed)) as (channel, peer):
        stream = channel.unary_stream(METHOD)(b"q")
        assert next(stream) == b"a"
        del stream
        peer.close()
    assert closed == [True]


def test_interrupt_while_waiting_cancels_the_call() -> None:
    closed: list[bool] = []
    with channel_to(watched(closed)) as (channel, _):
        stream = channel.unary_stream(METHOD)(b"q")
        assert next(stream) == b"a"

        def interrupt() -> bytes:
            raise KeyboardInterrupt

        stream._rpc._call.read = interrupt
        with pytest.raises(KeyboardInterrupt):
            next(stream)
        assert not stream.is_active()
    assert closed == [True]


def test_answer_that_cannot_be_decoded_is_internal() -> None:
    with channel_to(answer(b"\xff\xff")) as (channel, _):
        call = channel.unary_unary(METHOD, response_deserializer=status_pb2.Status.FromString)
        with pytest.raises(grpc.RpcError) as caught:
            call(b"q")
        assert caught.value.code() is grpc.StatusCode.INTERNAL


def test_message_above_the_limit_is_refused_before_it_is_sent() -> None:
    with channel_to(answer(b"yes")) as (channel, peer):
        with pytest.raises(grpc.RpcError, match="may have 134217728 bytes at most") as caught:
            channel.unary_unary(METHOD)(bytes((128 << 20) + 1))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert peer.requests == []


def test_closed_channel_refuses_calls_as_grpcio_does() -> None:
    with channel_to(answer(b"yes")) as (channel, _):
        channel.close()
        channel.close()
        with pytest.raises(ValueError, match="closed channel"):
            channel.unary_unary(METHOD)(b"q")


def test_bidirectional_streams_are_refused() -> None:
    with channel_to(answer()) as (channel, _), pytest.raises(NotImplementedError, match="bidirectional"):
        channel.stream_stream(METHOD)


def test_plain_unary_call_on_a_streaming_method_takes_the_first_message() -> None:
    # PySpark drops cached relations this way.
    with channel_to(answer(b"first", b"second")) as (channel, _):
        assert channel.unary_unary("/spark.connect.SparkConnectService/ExecutePlan")(b"q") == b"first"


def test_interceptors_of_grpcio_run_on_the_channel() -> None:
    class AddHeader(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc]  # grpcio has no annotations
        def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
            return continuation(details._replace(metadata=[("x-added", "1")]), request)

    with channel_to(answer(b"yes")) as (channel, peer):
        intercepted = grpc.intercept_channel(channel, AddHeader())
        assert intercepted.unary_unary(METHOD)(b"q") == b"yes"
        assert peer.requests[0].headers["x-added"] == "1"


def test_transport_is_chosen_by_name() -> None:
    from pyspark_connect_web.channel.http import HttpChannel

    assert isinstance(open_channel(), HttpChannel)
    with pytest.raises(ConnectionStringError, match="choose one of: sab, xhr, http"):
        open_channel("pigeon")
    for name in ("sab", "kernel", "xhr"):
        with pytest.raises(BridgeError, match="in a browser"):
            open_channel(name)


def test_bridge_that_does_not_fit_is_not_retriable() -> None:
    from pyspark_connect_web.rpc.stub import GrpcWebChannel

    class Broken:
        def call(self, *args: object) -> Any:
            raise NotIsolatedError("This page is not cross-origin isolated.")

        def close(self) -> None:
            pass

    with GrpcWebChannel(Target("http://h", "h"), Broken()) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(METHOD)(b"q")
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "not cross-origin isolated" in str(caught.value)


def test_streams_are_those_of_the_servers_list_of_methods() -> None:
    from pyspark_connect_web.rpc import stub

    assert set(stub._STREAMING) == {f"/{name}" for name, method in METHODS.items() if method.server_streams}


def test_metadata_is_declared_by_its_names_and_nothing_else_is() -> None:
    with channel_to(answer(b"r")) as (channel, peer):
        call = channel.unary_unary(METHOD)
        call(b"q", metadata=[("X-One", "1"), ("x-two-bin", b"\0"), ("x-one", "again")], timeout=9)
        call(b"q")
        declared, plain = peer.requests
    assert declared.headers["x-pcw-metadata"] == "x-one,x-two-bin"
    assert "x-pcw-metadata" not in plain.headers
