"""Request framing that passes through: whole, byte by byte, with a suffix, and broken."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from pyspark_connect_web.wire import FrameDecoder, encode_frame, encode_text

from pcw_server_ext.errors import UpstreamError
from pcw_server_ext.proxy.access.identity import encode_field, user_context
from pcw_server_ext.proxy.call.request_body import RequestBody
from tests.support.plans import base_pb2

MESSAGES = st.lists(st.binary(max_size=300), max_size=5)


def body(**options: Any) -> RequestBody:
    settings = {"text": False, "compressed": False, "streaming": True, "max_message": 1000, **options}
    return RequestBody(**settings)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(place, len(data)) for place in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)]


@given(MESSAGES, st.lists(st.integers(0, 1500)))
def test_bytes_pass_unchanged_in_any_pieces(messages: list[bytes], cuts: list[int]) -> None:
    data = b"".join(map(encode_frame, messages))
    reader = body()
    assert b"".join(reader.feed(piece) for piece in cut(data, cuts)) == data
    reader.finish()
    assert reader.messages == len(messages)


@given(MESSAGES, st.lists(st.integers(0, 1500)))
def test_text_is_decoded_in_any_pieces(messages: list[bytes], cuts: list[int]) -> None:
    data = b"".join(map(encode_frame, messages))
    text = b"".join(encode_text(encode_frame(message)) for message in messages)
    reader = body(text=True)
    assert b"".join(reader.feed(piece) for piece in cut(text, cuts)) == data
    reader.finish()


@given(
    st.lists(st.binary(max_size=300).map(lambda payload: encode_field(3, payload)), max_size=5),
    st.lists(st.integers(0, 1500)),
    st.binary(min_size=1, max_size=20),
)
def test_suffix_is_put_behind_every_message(messages: list[bytes], cuts: list[int], suffix: bytes) -> None:
    data = b"".join(map(encode_frame, messages))
    reader = body(suffix=suffix)
    out = b"".join(reader.feed(piece) for piece in cut(data, cuts))
    reader.finish()
    assert [frame.payload for frame in FrameDecoder().feed(out)] == [m + suffix for m in messages]


@given(st.binary(max_size=200), st.lists(st.integers(0, 250)), st.booleans())
def test_suffix_counts_or_the_message_is_refused(message: bytes, cuts: list[int], second: bool) -> None:
    request = base_pb2.ConfigRequest()
    request.user_context.user_id = request.user_context.user_name = "mallory"
    sent = request.SerializeToString() + message
    data = encode_frame(b"") * second + encode_frame(sent)
    reader = body(suffix=user_context("ann", "ann"))
    try:
        out = b"".join(reader.feed(piece) for piece in cut(data, cuts))
        read = base_pb2.ConfigRequest.FromString(FrameDecoder().feed(out)[-1].payload)
    except (UpstreamError, DecodeError):
        return
    assert (read.user_context.user_id, read.user_context.user_name) == ("ann", "ann")


@pytest.mark.parametrize("missing", [1, 16, 3000])
@pytest.mark.parametrize("step", [1, 5, 10_000])
def test_message_that_leaves_a_field_open_takes_no_suffix(missing: int, step: int) -> None:
    reader = body(suffix=bytes(16), max_message=10_000)
    data = encode_frame(encode_field(3, bytes(5000)) + encode_field(15, bytes(3000))[:-missing])
    *pieces, last = [data[at : at + step] for at in range(0, len(data), step)]
    for piece in pieces:
        reader.feed(piece)
    with pytest.raises(UpstreamError) as caught:
        reader.feed(last)
    assert caught.value.code == 13


def test_limit_is_checked_from_the_head() -> None:
    reader = body()
    with pytest.raises(UpstreamError) as caught:
        reader.feed(b"\0\0\0\x03\xe9")
    assert caught.value.code == 8


def test_compressed_message_needs_an_encoding() -> None:
    with pytest.raises(UpstreamError) as caught:
        body().feed(encode_frame(b"x", 1))
    assert caught.value.code == 13
    assert body(compressed=True).feed(encode_frame(b"x", 1)) == encode_frame(b"x", 1)


def test_compressed_message_cannot_take_a_suffix() -> None:
    with pytest.raises(UpstreamError) as caught:
        body(compressed=True, suffix=b"s").feed(encode_frame(b"x", 1))
    assert caught.value.code == 12


@pytest.mark.parametrize("count", [0, 2])
def test_unary_call_takes_exactly_one_message(count: int) -> None:
    def read() -> None:
        reader = body(streaming=False)
        reader.feed(encode_frame(b"x") * count)
        reader.finish()

    with pytest.raises(UpstreamError) as caught:
        read()
    assert caught.value.code == 12


@given(st.lists(st.binary(max_size=50)), st.booleans(), st.booleans())
def test_any_bytes_are_passed_or_refused(pieces: list[bytes], text: bool, streaming: bool) -> None:
    reader = body(text=text, streaming=streaming)
    refused = None
    try:
        for piece in pieces:
            reader.feed(piece)
        reader.finish()
    except UpstreamError as error:
        refused = error
    assert refused is None or (refused.code in (8, 12, 13) and refused.message)
