"""Trailers, header values, metadata, timeouts, text bodies, content types."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark_connect_web import wire
from pyspark_connect_web.wire import MetadataError, ProtocolError, TextDecoder

from tests.client.vectors import load, pieces

TRAILERS = load("trailers")
VALUES = load("values")
TIMEOUTS = load("timeouts")
TEXT = load("text")


@pytest.mark.parametrize("case", TRAILERS["canonical"], ids=lambda case: repr(case["text"]))
def test_trailers_are_written_and_read_back(case: dict[str, Any]) -> None:
    pairs = [(key, value) for key, value in case["pairs"]]
    payload = case["text"].encode()
    assert wire.serialize_trailers(pairs) == payload
    assert wire.parse_trailers(payload) == pairs
    assert wire.encode_trailers(pairs) == b"\x80" + len(payload).to_bytes(4, "big") + payload


@pytest.mark.parametrize("case", TRAILERS["tolerated"], ids=lambda case: str(case["name"]))
def test_trailers_parser_accepts_what_peers_send(case: dict[str, Any]) -> None:
    assert wire.parse_trailers(case["text"].encode()) == [(key, value) for key, value in case["pairs"]]


@pytest.mark.parametrize("text", TRAILERS["refused"])
def test_trailers_parser_refuses_lines_that_are_no_headers(text: str) -> None:
    with pytest.raises(ProtocolError, match="no header"):
        wire.parse_trailers(text.encode())


@pytest.mark.parametrize(
    "pair",
    [
        ("a\r\nb", "c"),
        ("a", "b\r\nc: d"),
        ("a", "b\nc"),
        ("a", "\0"),
        ("a b", "c"),
        ("", "c"),
        ("a", "\u00e4"),
    ],
)
def test_trailers_writer_refuses_header_injection(pair: tuple[str, str]) -> None:
    with pytest.raises(MetadataError):
        wire.serialize_trailers([pair])


@given(st.binary(max_size=300))
def test_trailers_parser_raises_nothing_but_protocol_errors(payload: bytes) -> None:
    try:
        pairs = wire.parse_trailers(payload)
    except ProtocolError:
        return
    assert all(key == key.lower() for key, _ in pairs)


@pytest.mark.parametrize("case", VALUES["percent"], ids=lambda case: repr(case["encoded"]))
def test_message_is_percent_encoded_and_decoded(case: dict[str, str]) -> None:
    assert wire.percent_encode(case["text"]) == case["encoded"]
    assert wire.percent_decode(case["encoded"]) == case["text"]


@pytest.mark.parametrize("case", VALUES["percentTolerated"], ids=lambda case: repr(case["encoded"]))
def test_broken_percent_encoding_never_fails(case: dict[str, str]) -> None:
    assert wire.percent_decode(case["encoded"]) == case["text"]


@given(st.text())
def test_any_message_travels(text: str) -> None:
    encoded = wire.percent_encode(text)
    assert all(" " <= character <= "~" for character in encoded)
    expected = "".join("?" if 0xD800 <= ord(character) < 0xE000 else character for character in text)
    assert wire.percent_decode(encoded) == expected


@pytest.mark.parametrize("case", VALUES["bin"], ids=lambda case: repr(case["padded"]))
def test_binary_value_is_base64_with_or_without_padding(case: dict[str, str]) -> None:
    data = bytes.fromhex(case["bytes"])
    assert wire.encode_bin(data) == case["encoded"]
    assert wire.decode_bin(case["encoded"]) == wire.decode_bin(case["padded"]) == data


@pytest.mark.parametrize("value", VALUES["binRefused"])
def test_binary_value_that_is_no_base64_is_refused(value: str) -> None:
    with pytest.raises(ProtocolError):
        wire.decode_bin(value)


@pytest.mark.parametrize(("value", "seconds"), TIMEOUTS["parse"])
def test_timeout_is_parsed(value: str, seconds: float) -> None:
    assert wire.parse_timeout(value) == pytest.approx(seconds)


@pytest.mark.parametrize("value", TIMEOUTS["refused"])
def test_malformed_timeout_is_refused(value: str) -> None:
    with pytest.raises(ProtocolError, match="grpc-timeout"):
        wire.parse_timeout(value)


@pytest.mark.parametrize(("seconds", "value"), TIMEOUTS["format"])
def test_timeout_is_formatted(seconds: float, value: str) -> None:
    assert wire.format_timeout(seconds) == value


def test_timeout_that_is_no_number_is_refused() -> None:
    with pytest.raises(MetadataError, match="not a number"):
        wire.format_timeout(float("nan"))


@given(st.floats(min_value=1e-6, max_value=1e11))
def test_timeout_survives_the_wire_and_never_shrinks(seconds: float) -> None:
    back = wire.parse_timeout(wire.format_timeout(seconds))
    assert seconds * (1 - 1e-9) <= back <= seconds * 1.001 + 2e-6


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize("case", TEXT["valid"], ids=lambda case: str(case["name"]))
def test_text_body_is_decoded_in_any_pieces(case: dict[str, str], size: int) -> None:
    decoder = TextDecoder()
    found = b"".join(decoder.feed(piece) for piece in pieces(case["text"].encode(), size))
    decoder.finish()
    assert found.hex() == case["bytes"]


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("text", TEXT["refused"])
def test_text_body_that_is_no_base64_is_refused(text: str, size: int) -> None:
    decoder = TextDecoder()

    def read() -> None:
        for piece in pieces(text.encode(), size):
            decoder.feed(piece)
        decoder.finish()

    with pytest.raises(ProtocolError):
        read()


@given(st.lists(st.binary(max_size=20), max_size=6), st.integers(1, 9))
def test_text_pieces_with_their_own_padding_join(chunks: list[bytes], size: int) -> None:
    text = b"".join(wire.encode_text(chunk) for chunk in chunks)
    decoder = TextDecoder()
    assert b"".join(decoder.feed(piece) for piece in pieces(text, size)) == b"".join(chunks)
    decoder.finish()


def test_metadata_becomes_headers() -> None:
    assert wire.encode_metadata([("X-Plain", "a b"), ("x-data-bin", b"\0\1")]) == [
        ("x-plain", "a b"),
        ("x-data-bin", "AAE"),
    ]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("grpc-timeout", "1S", "reserved"),
        ("Content-Type", "text/html", "reserved"),
        ("cookie", "a=b", "reserved"),
        ("host", "elsewhere", "reserved"),
        (":path", "/", "not valid"),
        ("sec-fetch-site", "none", "reserved"),
        ("x\r\nevil", "1", "not valid"),
        ("x y", "1", "not valid"),
        ("", "1", "not valid"),
        ("x", "a\r\nevil: 1", "line break"),
        ("x", "\u4e16", "outside ASCII"),
        ("x", b"raw", "must end in -bin"),
        ("x-bin", "text", "must be bytes"),
    ],
)
def test_metadata_that_cannot_travel_is_refused(key: str, value: str | bytes, reason: str) -> None:
    with pytest.raises(MetadataError, match=reason) as caught:
        wire.encode_metadata([(key, value)])
    assert "evil: 1" not in str(caught.value)


def test_response_headers_become_metadata_without_the_transport_s_own() -> None:
    headers = [
        ("Content-Type", "application/grpc-web+proto"),
        ("Date", "today"),
        ("grpc-status", "0"),
        ("Access-Control-Expose-Headers", "x"),
        ("X-Trace", "7"),
        ("x-trace", "8"),
        ("x-data-bin", "AAE=,AAE"),
        ("x-broken-bin", "*"),
    ]
    assert wire.decode_metadata(headers) == [
        ("x-trace", "7"),
        ("x-trace", "8"),
        ("x-data-bin", b"\0\1"),
        ("x-data-bin", b"\0\1"),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("application/grpc-web", (False, "proto")),
        ("application/grpc-web+proto", (False, "proto")),
        ("Application/gRPC-Web+Proto; charset=utf-8", (False, "proto")),
        ("application/grpc-web-text", (True, "proto")),
        ("application/grpc-web-text+proto", (True, "proto")),
        ("application/grpc-web+json", (False, "json")),
        ("application/grpc-web+", None),
        ("application/grpc", None),
        ("application/grpc-webby", None),
        ("text/html", None),
        ("", None),
    ],
)
def test_content_type_is_recognised(value: str, expected: tuple[bool, str] | None) -> None:
    kind = wire.parse_content_type(value)
    assert (kind and (kind.text, kind.codec)) == expected


def test_status_codes_are_grpcio_s_own() -> None:
    import grpc

    assert {code.name: int(code) for code in wire.StatusCode} == {
        code.name: code.value[0] for code in grpc.StatusCode
    }
