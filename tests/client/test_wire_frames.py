"""Frames: every decoder is fed whole, byte by byte, and in pieces of any size."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark_connect_web import wire
from pyspark_connect_web.wire import Frame, FrameDecoder, MessageTooLarge, ProtocolError

from tests.client.vectors import load, pieces, unhex

VECTORS = load("frames")
SIZES = (1, 2, 5, 7, 1 << 20)


def decode(body: bytes, size: int, limit: int = 1 << 20) -> list[Frame]:
    decoder = FrameDecoder(limit, limit)
    frames = [frame for piece in pieces(body, size) for frame in decoder.feed(piece)]
    decoder.finish()
    return frames


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", VECTORS["valid"], ids=lambda case: str(case["name"]))
def test_decoder_reads_a_valid_body(case: dict[str, Any], size: int) -> None:
    expected = [(frame["flags"], unhex(frame["payload"])) for frame in case["frames"]]
    assert [tuple(frame) for frame in decode(unhex(case["body"]), size)] == expected


@pytest.mark.parametrize("case", VECTORS["valid"], ids=lambda case: str(case["name"]))
def test_encoder_writes_the_same_bytes(case: dict[str, Any]) -> None:
    frames = [wire.encode_frame(unhex(frame["payload"]), frame["flags"]) for frame in case["frames"]]
    assert b"".join(frames) == unhex(case["body"])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", VECTORS["invalid"], ids=lambda case: str(case["name"]))
def test_decoder_refuses_an_invalid_body(case: dict[str, Any], size: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(unhex(case["body"]), size, case["limit"])
    assert isinstance(caught.value, MessageTooLarge) == (case["reason"] == "size")
    assert {"flag": "flag byte", "size": "limit is 1000", "cut": "cut off"}[case["reason"]] in str(
        caught.value
    )


def test_decoder_returns_the_frames_before_a_fault_and_then_raises_it() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(wire.encode_frame(b"a") + b"\x20\0\0\0\0") == [Frame(0, b"a")]
    for call in (lambda: decoder.feed(b"more"), decoder.finish):
        with pytest.raises(ProtocolError, match="flag byte 0x20"):
            call()


def test_trailers_have_a_limit_of_their_own() -> None:
    decoder = FrameDecoder(max_message=1 << 30, max_trailers=10)
    with pytest.raises(MessageTooLarge) as caught:
        decoder.feed(bytes.fromhex("800000000b"))
    assert (caught.value.size, caught.value.limit) == (11, 10)


def test_frame_says_what_its_flags_mean() -> None:
    assert [(Frame(flags, b"").is_trailers, Frame(flags, b"").compressed) for flags in (0, 1, 128, 129)] == [
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    ]


def test_header_refuses_a_length_above_four_bytes() -> None:
    assert wire.frame_header(0xFFFFFFFF) == b"\0\xff\xff\xff\xff"
    with pytest.raises(MessageTooLarge):
        wire.frame_header(1 << 32)


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 60), min_size=1, max_size=10))
def test_any_cutting_gives_the_same_frames(payloads: list[bytes], cuts: list[int]) -> None:
    body = b"".join(wire.encode_frame(payload) for payload in payloads)
    decoder = FrameDecoder()
    found = []
    position = turn = 0
    while position < len(body):
        size = cuts[turn % len(cuts)]
        found += decoder.feed(body[position : position + size])
        position += size
        turn += 1
    decoder.finish()
    assert [frame.payload for frame in found] == payloads


@given(st.binary(max_size=200), st.integers(1, 50))
def test_garbage_raises_nothing_but_protocol_errors(body: bytes, size: int) -> None:
    def outcome(step: int) -> object:
        decoder = FrameDecoder(1000, 1000)
        found: list[Frame] = []
        try:
            for piece in pieces(body, step):
                found += decoder.feed(piece)
            decoder.finish()
        except ProtocolError as error:
            return found, str(error)
        return found

    assert outcome(size) == outcome(len(body) + 1) == outcome(1)


def test_large_message_is_copied_once() -> None:
    payload = bytes(64 << 20)
    body = pieces(wire.encode_frame(payload), 1 << 16)
    decoder = FrameDecoder()
    tracemalloc.start()
    frames = [frame for piece in body for frame in decoder.feed(piece)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert frames == [Frame(0, payload)]
    assert peak < 1.1 * len(payload)


def test_many_small_frames_cost_no_work_per_byte() -> None:
    body = wire.encode_frame(b"x" * 1000) * 50_000
    started = time.process_time()
    frames = FrameDecoder().feed(body)
    elapsed = time.process_time() - started
    assert len(frames) == 50_000
    # A loop over the 50 million bytes would take seconds; this takes some 50 ms.
    assert elapsed < 2


def test_dribbled_bytes_cost_the_size_of_the_message() -> None:
    size = 200_000
    decoder = FrameDecoder()
    decoder.feed(wire.frame_header(size))
    tracemalloc.start()
    for _ in range(size - 1):
        decoder.feed(b"x")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert decoder.feed(b"x") == [Frame(0, b"x" * size)]
    assert held < 2 * size
