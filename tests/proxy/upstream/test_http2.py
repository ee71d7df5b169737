"""The HTTP/2 client core against RFC 9113: what it sends, what it accepts, what it refuses, and any bytes at all."""

from __future__ import annotations

import struct
from itertools import pairwise

import hpack
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pcw_server_ext.proxy.upstream.http2 import (
    ClientConnection,
    ConnectionClosed,
    ErrorCode,
    HeaderListTooLarge,
    Limits,
    StreamReset,
    StreamState,
)
from pcw_server_ext.proxy.upstream.http2.frames import (
    MAX_WINDOW,
    Flag,
    FrameType,
    Setting,
    frame,
    goaway,
    rst_stream,
    settings,
    window_update,
)
from tests.support.h2peer import HELLO, REQUEST, RESPONSE, TRAILERS, Peer, connected, opened


def goaway_code(peer: Peer, connection: ClientConnection) -> ErrorCode | None:
    for sent in peer.read(connection):
        if sent.kind == FrameType.GOAWAY:
            return ErrorCode(struct.unpack(">I", sent.payload[4:8])[0])
    return None


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(marks)]


# -- what the client sends


def test_preface_settings_and_a_wide_connection_window_come_first() -> None:
    connection, peer = ClientConnection(Limits(stream_window=1 << 20)), Peer()
    first, second = peer.read(connection)
    assert first.kind == FrameType.SETTINGS
    values = dict(struct.iter_unpack(">HI", first.payload))
    assert values[Setting.ENABLE_PUSH] == 0
    assert values[Setting.INITIAL_WINDOW_SIZE] == 1 << 20
    assert (second.kind, second.stream_id) == (FrameType.WINDOW_UPDATE, 0)
    assert struct.unpack(">I", second.payload)[0] == MAX_WINDOW - 65535


def test_headers_can_be_decoded_by_hpack_with_every_table_size() -> None:
    connection, peer = connected(values={Setting.HEADER_TABLE_SIZE: 0})
    decoder = hpack.Decoder()
    decoder.max_allowed_table_size = 0
    fields = [
        *REQUEST,
        (b"authorization", b"Bearer x"),
        (b"x-long", b"y" * 5000),
        (b"x-bin", bytes(range(32, 127))),
    ]
    for _ in range(3):
        connection.open_stream(fields)
        sent = peer.read(connection)[0]
        assert list(decoder.decode(sent.payload, raw=True)) == fields


def test_secret_fields_are_never_indexed() -> None:
    connection, peer = connected()
    connection.open_stream([*REQUEST, (b"authorization", b"Bearer x")])
    assert b"\x10\x0dauthorization" in peer.read(connection)[0].payload


def test_long_header_block_is_continued() -> None:
    connection, peer = connected()
    fields = [*REQUEST, *((b"x-%d" % i, b"v" * 1000) for i in range(40))]
    stream = connection.open_stream(fields)
    sent = peer.read(connection)
    assert [f.kind for f in sent] == [FrameType.HEADERS, FrameType.CONTINUATION, FrameType.CONTINUATION]
    assert [bool(f.flags & Flag.END_HEADERS) for f in sent] == [False, False, True]
    assert all(f.stream_id == stream.id and len(f.payload) <= 16384 for f in sent)
    assert list(hpack.Decoder().decode(b"".join(f.payload for f in sent), raw=True)) == fields


def test_stream_ids_are_odd_and_rise() -> None:
    connection, _ = connected()
    assert [connection.open_stream(REQUEST).id for _ in range(3)] == [1, 3, 5]


def test_request_bytes_obey_both_windows_and_the_frame_size() -> None:
    connection, peer = connected(values={Setting.INITIAL_WINDOW_SIZE: 40_000})
    stream = connection.open_stream(REQUEST)
    data = memoryview(bytes(range(256)) * 400)
    sent = connection.send_data(stream, data, end=True)
    assert sent == 40_000
    frames = [f for f in peer.read(connection) if f.kind == FrameType.DATA]
    assert [len(f.payload) for f in frames] == [16384, 16384, 40_000 - 32768]
    assert connection.send_data(stream, data[sent:], end=True) == 0
    assert stream in connection.receive(window_update(stream.id, 70_000))
    more = connection.send_data(stream, data[sent:], end=True)
    assert more == 65_535 - 40_000
    connection.receive(window_update(0, 1_000_000))
    rest = connection.send_data(stream, data[sent + more :], end=True)
    frames += [f for f in peer.read(connection) if f.kind == FrameType.DATA]
    assert sent + more + rest == len(data)
    assert b"".join(f.payload for f in frames) == bytes(data)
    assert [bool(f.flags & Flag.END_STREAM) for f in frames][-2:] == [False, True]
    assert stream.state is StreamState.HALF_CLOSED_LOCAL


def test_changed_initial_window_counts_for_open_streams() -> None:
    connection, _ = connected(values={Setting.INITIAL_WINDOW_SIZE: 10})
    stream = connection.open_stream(REQUEST)
    assert connection.send_data(stream, memoryview(bytes(100))) == 10
    connection.receive(settings({Setting.INITIAL_WINDOW_SIZE: 5}))
    assert stream.send_window == -5
    connection.receive(window_update(stream.id, 6))
    assert connection.send_data(stream, memoryview(bytes(100))) == 1


def test_settings_and_ping_are_acknowledged() -> None:
    connection, peer = connected()
    connection.receive(settings({}) + frame(FrameType.PING, 0, 0, b"12345678"))
    first, second = peer.read(connection)
    assert (first.kind, first.flags, first.payload) == (FrameType.SETTINGS, Flag.ACK, b"")
    assert (second.kind, second.flags, second.payload) == (FrameType.PING, Flag.ACK, b"12345678")


def test_answer_to_our_ping_asks_for_nothing() -> None:
    connection, peer = connected()
    connection.ping()
    sent = peer.read(connection)[0]
    connection.receive(frame(FrameType.PING, Flag.ACK, 0, sent.payload))
    assert connection.closed is None
    assert peer.read(connection) == []


def test_concurrent_streams_are_limited_by_the_server() -> None:
    connection, peer = connected(values={Setting.MAX_CONCURRENT_STREAMS: 1})
    stream = connection.open_stream(REQUEST)
    assert not connection.can_open
    assert not connection.exhausted
    with pytest.raises(ConnectionClosed):
        connection.open_stream(REQUEST)
    connection.send_data(stream, memoryview(b""), end=True)
    connection.receive(peer.answer(stream.id))
    assert connection.can_open


# -- what it accepts


def test_response_is_head_pieces_and_trailers() -> None:
    connection, peer, stream = opened()
    touched = connection.receive(peer.answer(stream.id, b"one", b"", b"two"))
    assert touched == {stream}
    assert stream.headers == RESPONSE
    assert stream.trailers == TRAILERS
    assert stream.take() == [b"one", b"two"]
    assert stream.ended
    assert stream.error is None
    assert stream.state is StreamState.CLOSED
    assert connection.streams == {}


@given(st.lists(st.integers(0, 3000)))
def test_response_is_the_same_in_any_pieces(places: list[int]) -> None:
    connection, peer, stream = opened()
    padded = frame(FrameType.DATA, Flag.PADDED, stream.id, b"\x07" + b"padded" + bytes(7))
    data = (
        peer.headers(stream.id, [(b":status", b"103"), (b"link", b"x")])
        + peer.headers(stream.id, RESPONSE)
        + peer.data(stream.id, b"a" * 1000)
        + frame(FrameType.PING, 0, 0, bytes(8))
        + padded
        + frame(0x77, 0xFF, 0, b"unknown")
        + peer.data(stream.id, b"")
        + frame(FrameType.PRIORITY, 0, stream.id, bytes(5))
        + peer.headers(stream.id, TRAILERS, Flag.END_HEADERS | Flag.END_STREAM)
    )
    for piece in cut(data, places):
        connection.receive(piece)
    assert b"".join(stream.take()) == b"a" * 1000 + b"padded"
    assert stream.headers == RESPONSE
    assert stream.trailers == TRAILERS
    assert connection.closed is None


def test_response_is_the_same_byte_by_byte() -> None:
    connection, peer, stream = opened()
    for octet in peer.answer(stream.id, b"hello", b"world"):
        connection.receive(bytes((octet,)))
    assert b"".join(stream.take()) == b"helloworld"
    assert stream.trailers == TRAILERS


def test_part_of_a_frame_is_handed_out_at_once() -> None:
    connection, peer, stream = opened()
    connection.receive(peer.headers(stream.id, RESPONSE) + peer.data(stream.id, b"x" * 1000)[:500])
    assert sum(map(len, stream.chunks)) == 491
    assert b"".join(stream.take()) == b"x" * 491


def test_headers_may_be_padded_prioritised_and_continued() -> None:
    connection, peer, stream = opened()
    block = peer.encoder.encode(RESPONSE)
    data = (
        frame(
            FrameType.HEADERS,
            Flag.PADDED | Flag.PRIORITY,
            stream.id,
            b"\x03" + bytes(5) + block[:2] + bytes(3),
        )
        + frame(FrameType.CONTINUATION, 0, stream.id, block[2:4])
        + frame(FrameType.CONTINUATION, Flag.END_HEADERS, stream.id, block[4:])
    )
    connection.receive(data)
    assert stream.headers == RESPONSE


def test_data_frame_may_end_the_stream() -> None:
    connection, peer, stream = opened()
    connection.receive(peer.headers(stream.id, RESPONSE) + peer.data(stream.id, b"x", Flag.END_STREAM))
    assert stream.ended
    assert stream.trailers is None
    assert stream.error is None


def test_padded_data_may_end_the_stream_and_be_all_padding() -> None:
    connection, peer, stream = opened()
    padding = frame(FrameType.DATA, Flag.PADDED | Flag.END_STREAM, stream.id, b"\x02\0\0")
    connection.receive(peer.headers(stream.id, RESPONSE) + padding)
    assert stream.take() == []
    assert stream.ended


def test_window_is_credited_as_the_reader_consumes() -> None:
    connection, peer, stream = opened(Limits(stream_window=100_000))
    connection.receive(peer.headers(stream.id, RESPONSE) + peer.data(stream.id, bytes(60_000)))
    connection.consume(stream, 40_000)
    assert [f for f in peer.read(connection) if f.stream_id == stream.id] == []
    connection.consume(stream, 20_000)
    (credit,) = [f for f in peer.read(connection) if f.stream_id == stream.id]
    assert struct.unpack(">I", credit.payload)[0] == 60_000
    connection.receive(peer.data(stream.id, bytes(60_000)))
    assert stream.error is None


def test_padding_is_credited_without_a_reader() -> None:
    connection, peer, stream = opened(Limits(stream_window=65_535))
    connection.receive(peer.headers(stream.id, RESPONSE))
    for _ in range(2000):
        connection.receive(frame(FrameType.DATA, Flag.PADDED, stream.id, b"\xff" + bytes(255)))
    assert stream.error is None
    assert sum(map(len, stream.chunks)) == 0


def test_many_streams_share_what_may_be_sent_ahead() -> None:
    window, shared = 1 << 18, 1 << 20
    connection, peer = ClientConnection(Limits(stream_window=window, shared_window=shared)), Peer()
    connection.receive(HELLO)
    streams = [connection.open_stream(REQUEST) for _ in range(8)]
    for stream in streams:
        connection.receive(peer.headers(stream.id, RESPONSE))
    connection.data_to_send()
    for _ in range(200):
        for stream in streams:
            size = min(stream.recv_window, 10_000)
            assert size > 0, "a reader that reads everything must never be starved"
            connection.receive(peer.data(stream.id, bytes(size)))
            stream.take()
            connection.consume(stream, size)
    assert sum(stream.recv_window for stream in streams) <= shared
    for stream in streams[1:]:
        connection.reset(stream)
    for _ in range(60):
        connection.receive(peer.data(streams[0].id, bytes(10_000)))
        streams[0].take()
        connection.consume(streams[0], 10_000)
    assert streams[0].recv_window > shared // 8


def test_connection_window_is_refilled() -> None:
    connection, peer, stream = opened()
    connection.receive(peer.headers(stream.id, RESPONSE))
    for _ in range(300):
        connection.receive(peer.data(stream.id, bytes(65_536)))
        connection.consume(stream, 65_536)
        stream.take()
    updates = [f for f in peer.read(connection) if f.kind == FrameType.WINDOW_UPDATE and not f.stream_id]
    assert len(updates) == 1
    assert connection.closed is None


def test_answer_before_the_request_is_complete_ends_it() -> None:
    connection, peer = connected()
    stream = connection.open_stream(REQUEST)
    connection.receive(peer.answer(stream.id) + rst_stream(stream.id, ErrorCode.NO_ERROR))
    assert stream.ended
    assert stream.error is None
    assert not stream.can_send
    with pytest.raises(ConnectionClosed):
        connection.send_data(stream, memoryview(b"x"))


def test_goaway_refuses_what_was_not_looked_at_and_finishes_the_rest() -> None:
    connection, peer = connected()
    first, second = connection.open_stream(REQUEST), connection.open_stream(REQUEST)
    assert connection.receive(goaway(first.id, ErrorCode.NO_ERROR)) == {second}
    assert isinstance(second.error, StreamReset)
    assert second.error.code == ErrorCode.REFUSED_STREAM
    assert connection.exhausted
    assert not first.ended
    connection.receive(peer.answer(first.id, b"x"))
    assert first.take() == [b"x"]
    with pytest.raises(ConnectionClosed):
        connection.open_stream(REQUEST)


def test_reset_by_the_server_fails_the_stream() -> None:
    connection, _, stream = opened()
    assert connection.receive(rst_stream(stream.id, ErrorCode.REFUSED_STREAM)) == {stream}
    assert isinstance(stream.error, StreamReset)
    assert stream.error.code == ErrorCode.REFUSED_STREAM
    connection.receive(rst_stream(stream.id, ErrorCode.CANCEL))
    assert connection.closed is None


def test_own_reset_tells_the_server_and_ignores_what_still_comes() -> None:
    connection, peer, stream = opened()
    connection.receive(peer.headers(stream.id, RESPONSE) + peer.data(stream.id, b"x" * 100)[:50])
    connection.reset(stream)
    (sent,) = peer.read(connection)
    assert (sent.kind, sent.payload) == (FrameType.RST_STREAM, b"\0\0\0\x08")
    connection.receive(b"x" * 59 + peer.data(stream.id, b"more") + peer.headers(stream.id, TRAILERS))
    assert connection.closed is None
    other = connection.open_stream(REQUEST)
    connection.receive(peer.answer(other.id, b"fine"))
    assert other.take() == [b"fine"]


def test_end_of_file_fails_what_runs() -> None:
    connection, _, stream = opened()
    assert connection.lost("gone") == {stream}
    assert isinstance(stream.error, ConnectionClosed)
    assert connection.lost("again") == set()


def test_close_says_goodbye_and_fails_what_runs() -> None:
    connection, peer, stream = opened()
    assert connection.close("shutting down") == {stream}
    assert peer.read(connection)[0].kind == FrameType.GOAWAY
    assert "shutting down" in str(stream.error)


# -- what it refuses, with the code that RFC 9113 asks for

H = RESPONSE


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ErrorCode.FRAME_SIZE_ERROR),
        (frame(FrameType.PING, 0, 0, bytes(8)), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.SETTINGS, Flag.ACK, 0), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.SETTINGS, 0, 1), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.SETTINGS, 0, 0, bytes(5)), ErrorCode.FRAME_SIZE_ERROR),
    ],
)
def test_wrong_start_closes_the_connection(data: bytes, code: ErrorCode) -> None:
    connection, peer = ClientConnection(), Peer()
    connection.receive(data)
    assert goaway_code(peer, connection) is code
    assert connection.closed is not None


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(FrameType.SETTINGS, Flag.ACK, 0, bytes(6)), ErrorCode.FRAME_SIZE_ERROR),
        (settings({Setting.ENABLE_PUSH: 1}), ErrorCode.PROTOCOL_ERROR),
        (settings({Setting.INITIAL_WINDOW_SIZE: 2**31}), ErrorCode.FLOW_CONTROL_ERROR),
        (settings({Setting.MAX_FRAME_SIZE: 100}), ErrorCode.PROTOCOL_ERROR),
        (settings({Setting.MAX_FRAME_SIZE: 2**24}), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.PING, 0, 0, bytes(7)), ErrorCode.FRAME_SIZE_ERROR),
        (frame(FrameType.PING, 0, 1, bytes(8)), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.PUSH_PROMISE, 0, 1, bytes(8)), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.GOAWAY, 0, 0, bytes(7)), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.GOAWAY, 0, 1, bytes(8)), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.WINDOW_UPDATE, 0, 0, bytes(3)), ErrorCode.FRAME_SIZE_ERROR),
        (window_update(0, 0), ErrorCode.PROTOCOL_ERROR),
        (window_update(0, MAX_WINDOW), ErrorCode.FLOW_CONTROL_ERROR),
        (window_update(9, 1), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.RST_STREAM, 0, 1, bytes(5)), ErrorCode.FRAME_SIZE_ERROR),
        (rst_stream(0, 0), ErrorCode.PROTOCOL_ERROR),
        (rst_stream(2, 0), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.DATA, 0, 0, b"x"), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.DATA, 0, 99, b"x"), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.DATA, Flag.PADDED, 1, b""), ErrorCode.FRAME_SIZE_ERROR),
        (frame(FrameType.DATA, Flag.PADDED, 1, b"\x05abc"), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.HEADERS, Flag.END_HEADERS, 99, b""), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.HEADERS, Flag.PADDED, 1, b""), ErrorCode.FRAME_SIZE_ERROR),
        (frame(FrameType.HEADERS, Flag.PADDED, 1, b"\x05ab"), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.HEADERS, Flag.PRIORITY, 1, b"abc"), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.HEADERS, Flag.END_HEADERS, 1, b"\xff\xff\xff\xff\xff"), ErrorCode.COMPRESSION_ERROR),
        (frame(FrameType.CONTINUATION, 0, 1, b""), ErrorCode.PROTOCOL_ERROR),
        (
            frame(FrameType.HEADERS, 0, 1, b"") + frame(FrameType.PING, 0, 0, bytes(8)),
            ErrorCode.PROTOCOL_ERROR,
        ),
        (
            frame(FrameType.HEADERS, 0, 1, b"") + frame(FrameType.CONTINUATION, 0, 3, b""),
            ErrorCode.PROTOCOL_ERROR,
        ),
        (frame(FrameType.PING, 0, 0, bytes(70_000)), ErrorCode.FRAME_SIZE_ERROR),
        (frame(FrameType.PING, 0, 0, bytes(8)) * 10_001, ErrorCode.ENHANCE_YOUR_CALM),
        (settings({}) * 10_001, ErrorCode.ENHANCE_YOUR_CALM),
        (
            frame(FrameType.HEADERS, 0, 1, b"") + frame(FrameType.CONTINUATION, 0, 1, b"") * 10_001,
            ErrorCode.ENHANCE_YOUR_CALM,
        ),
        (
            frame(FrameType.HEADERS, 0, 1, b"") + frame(FrameType.CONTINUATION, 0, 1, bytes(60_000)) * 3,
            ErrorCode.ENHANCE_YOUR_CALM,
        ),
        (goaway(1, ErrorCode.NO_ERROR) * 10_001, ErrorCode.ENHANCE_YOUR_CALM),
        (window_update(0, 1) * 10_001, ErrorCode.ENHANCE_YOUR_CALM),
        (window_update(1, 1) * 10_001, ErrorCode.ENHANCE_YOUR_CALM),
        (rst_stream(1, ErrorCode.CANCEL) * 10_002, ErrorCode.ENHANCE_YOUR_CALM),
        # 103 Early Hints without end
        (frame(FrameType.HEADERS, Flag.END_HEADERS, 1, b"\x08\x03103") * 10_001, ErrorCode.ENHANCE_YOUR_CALM),
        # headers for a stream that has ended
        (
            rst_stream(1, ErrorCode.CANCEL) + frame(FrameType.HEADERS, Flag.END_HEADERS, 1, b"\x88") * 10_001,
            ErrorCode.ENHANCE_YOUR_CALM,
        ),
        # body for a stream that the server itself has ended
        (rst_stream(1, ErrorCode.CANCEL) + frame(FrameType.DATA, 0, 1, b"x"), ErrorCode.STREAM_CLOSED),
    ],
)
def test_breach_closes_the_connection_with_its_code(data: bytes, code: ErrorCode) -> None:
    for pieces in ([data], [bytes((octet,)) for octet in data] if len(data) < 1000 else []):
        connection, peer, stream = opened()
        for piece in pieces:
            connection.receive(piece)
        if not pieces:
            continue
        assert goaway_code(peer, connection) is code
        assert stream.ended
        assert not connection.can_open
        assert connection.receive(b"anything") == set()


def test_stream_that_we_gave_up_may_be_sent_its_window_and_no_more() -> None:
    limits = Limits(stream_window=100_000)
    connection, peer, stream = opened(limits)
    connection.receive(peer.headers(stream.id, RESPONSE) + peer.data(stream.id, bytes(40_000)))
    connection.reset(stream)
    peer.read(connection)
    # in frames of one octet too: what was under way when we gave it up is no fault
    connection.receive(peer.data(stream.id, b"x") * 20_000 + peer.data(stream.id, bytes(40_000)))
    assert connection.closed is None
    connection.receive(peer.data(stream.id, b"x"))
    assert goaway_code(peer, connection) is ErrorCode.STREAM_CLOSED


def test_calls_that_are_given_up_are_no_flood() -> None:
    connection, peer = connected()
    for _ in range(10_001):
        stream = connection.open_stream(REQUEST)
        connection.reset(stream)
        connection.receive(peer.headers(stream.id, RESPONSE) + rst_stream(stream.id, ErrorCode.CANCEL))
    assert connection.closed is None


def test_windows_of_a_long_upload_in_small_pieces_are_no_flood() -> None:
    connection, peer = connected(values={Setting.INITIAL_WINDOW_SIZE: 0})
    stream = connection.open_stream(REQUEST)
    for _ in range(10_001):
        connection.receive(window_update(stream.id, 1))
        assert connection.send_data(stream, memoryview(b"x")) == 1
        peer.read(connection)
    assert connection.closed is None


def test_server_that_makes_us_answer_and_reads_nothing_is_left() -> None:
    connection, peer, stream = opened(Limits(idle_frames=100))
    connection.receive(peer.headers(stream.id, RESPONSE))
    asks = frame(FrameType.PING, 0, 0, bytes(8)) + peer.data(stream.id, b"x")
    # progress of the response in between is no excuse, as long as the transport takes what we answer
    for _ in range(1000):
        connection.receive(asks)
        connection.data_to_send()
        connection.all_sent()
    assert connection.closed is None
    connection.receive(asks * 101)
    assert goaway_code(peer, connection) is ErrorCode.ENHANCE_YOUR_CALM
    assert "does not read our answers" in str(stream.error)


def test_header_list_that_expands_above_the_limit_closes_the_connection() -> None:
    connection, peer, stream = opened(Limits(header_list=5000))
    bomb = [(b":status", b"200"), (b"x", b"y" * 1000)] + [(b"x", b"y" * 1000)] * 10
    connection.receive(peer.headers(stream.id, bomb))
    assert goaway_code(peer, connection) is ErrorCode.ENHANCE_YOUR_CALM


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b"content-type", b"x")],
        [(b":status", b"ok")],
        [(b":status", b"20")],
        [(b":status", b"101")],
        [(b":status", b"200"), (b":status", b"200")],
        [(b":status", b"200"), (b":path", b"/")],
        [(b":status", b"200"), (b"Upper", b"x")],
        [(b":status", b"200"), (b"", b"x")],
        [(b":status", b"200"), (b"connection", b"close")],
        [(b":status", b"200"), (b"transfer-encoding", b"chunked")],
        [(b":status", b"200"), (b"x", b"a\r\nset-cookie: b")],
        [(b":status", b"200"), (b"x", b"a\0")],
    ],
)
def test_malformed_head_resets_the_stream_only(fields: list[tuple[bytes, bytes]]) -> None:
    connection, peer, stream = opened()
    connection.receive(peer.headers(stream.id, fields))
    assert isinstance(stream.error, StreamReset)
    assert connection.closed is None
    assert peer.read(connection)[0].kind == FrameType.RST_STREAM
    other = connection.open_stream(REQUEST)
    connection.receive(peer.answer(other.id))
    assert other.error is None


def test_stream_breaches_reset_the_stream_only() -> None:
    def after(*data: bytes, limits: Limits | None = None) -> StreamReset:
        connection, peer, stream = opened(limits)
        for piece in data:
            connection.receive(piece)
        assert connection.closed is None
        assert peer.read(connection)[-1].kind == FrameType.RST_STREAM
        assert isinstance(stream.error, StreamReset)
        return stream.error

    fresh = Peer()
    head = fresh.headers(1, RESPONSE)
    assert after(fresh.data(1, b"x")).code == ErrorCode.PROTOCOL_ERROR
    assert after(head, fresh.headers(1, TRAILERS)).code == ErrorCode.PROTOCOL_ERROR
    assert after(head, window_update(1, 0)).code == ErrorCode.PROTOCOL_ERROR
    assert after(head, window_update(1, MAX_WINDOW)).code == ErrorCode.FLOW_CONTROL_ERROR
    many = [fresh.data(1, bytes(60_000))] * 2
    assert after(head, *many, limits=Limits(stream_window=65_535)).code == ErrorCode.FLOW_CONTROL_ERROR


def test_interim_response_that_ends_the_stream_is_malformed() -> None:
    connection, peer, stream = opened()
    connection.receive(peer.headers(stream.id, [(b":status", b"100")], Flag.END_HEADERS | Flag.END_STREAM))
    assert isinstance(stream.error, StreamReset)


# -- any bytes at all

FRAMES = st.builds(
    frame,
    st.sampled_from(list(FrameType)) | st.integers(0, 255),
    st.integers(0, 255),
    st.sampled_from([0, 1, 1, 1, 3, 5, 2]),
    st.binary(max_size=40) | st.sampled_from([hpack.Encoder().encode(RESPONSE), bytes(8), bytes(4)]),
)


@hypothesis_settings(max_examples=2000)
@given(st.lists(FRAMES | st.binary(max_size=30), max_size=12), st.lists(st.integers(0, 400)), st.booleans())
def test_any_frames_end_in_documented_states(pieces: list[bytes], places: list[int], hello: bool) -> None:
    connection = ClientConnection(Limits(idle_frames=50))
    if hello:
        connection.receive(HELLO)
    streams = [connection.open_stream(REQUEST) for _ in range(3)] if connection.can_open else []
    for piece in cut(b"".join(pieces), places):
        touched = connection.receive(piece)
        assert touched <= set(streams)
    sent = b"".join(bytes(piece) for piece in connection.data_to_send())
    assert len(sent) < 20_000
    for stream in streams:
        assert sum(map(len, stream.chunks)) <= connection.limits.stream_window
        assert stream.state is StreamState.CLOSED or stream.id in connection.streams
        assert stream.error is None or isinstance(stream.error, (StreamReset, ConnectionClosed))
    if connection.closed is not None:
        assert all(stream.ended for stream in streams)
        assert connection.streams == {}


def test_headers_above_the_peers_limit_are_not_sent() -> None:
    size = sum(len(name) + len(value) + 32 for name, value in REQUEST)
    connection, peer = connected(values={Setting.MAX_HEADER_LIST_SIZE: size})
    running = connection.open_stream(REQUEST)
    peer.read(connection)
    with pytest.raises(HeaderListTooLarge) as caught:
        connection.open_stream([*REQUEST, (b"x", b"")])
    assert (caught.value.size, caught.value.limit) == (size + 33, size)
    assert peer.read(connection) == []
    assert not running.ended
    # a server may change its mind
    connection.receive(settings({Setting.MAX_HEADER_LIST_SIZE: size + 33}))
    assert connection.open_stream([*REQUEST, (b"x", b"")]).id == running.id + 2
