"""The grpc-web codec. Whatever comes, a decoder raises WireError or nothing, a response has a status at its end,
and the pieces in which a body arrives do not change what is read from it.
"""

from __future__ import annotations

from base64 import b64encode
from random import Random

from pyspark_connect_web import wire

from pcw_server_ext.proxy.call.message_boundary import MessageBoundary
from tests.fuzz.mutate import blob, cut, damage

_LIMIT = 1 << 16
_TYPES = (
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web+json",
    "text/html; charset=utf-8",
    "application/json",
    "",
)


def body(random: Random) -> bytes:
    """A body of frames, often a valid one."""
    frames = [
        wire.encode_frame(blob(random, 400), random.choice((0, 0, 0, 0, 1, 2, random.randrange(256))))
        for _ in range(random.randrange(5))
    ]
    if random.random() < 0.8:
        pairs = [("grpc-status", str(random.choice((0, 0, 0, 5, 99, -1)))), ("x-key", "value")]
        frames.append(wire.encode_trailers(pairs[: random.randrange(3)]))
    return b"".join(frames)


def _read(data: list[bytes], text: bool) -> tuple[list[wire.Frame], str | None]:
    decoder, base64 = wire.FrameDecoder(_LIMIT, _LIMIT), wire.TextDecoder()
    frames: list[wire.Frame] = []
    try:
        for piece in data:
            frames += decoder.feed(base64.feed(piece) if text else piece)
        if text:
            base64.finish()
        decoder.finish()
    except wire.ProtocolError as error:
        return frames, type(error).__name__
    return frames, None


def _decode(random: Random) -> None:
    text = random.random() < 0.3
    data = body(random)
    data = damage(random, b64encode(data) if text else data)
    frames, error = _read([data], text)
    pieces, piecewise_error = _read(cut(random, data), text)
    assert (error is None) == (piecewise_error is None), "the pieces decide whether a body is valid"
    if error is None or not text:
        # a fault in base64 may come before frames of the same piece are handed out
        assert frames == pieces, "the pieces decide which frames are read"


def _follow(random: Random) -> None:
    data = damage(random, body(random))
    boundary, decoder = MessageBoundary(), wire.FrameDecoder(2**32, 2**32)
    for piece in cut(random, data):
        try:
            decoder.feed(piece)
        except wire.ProtocolError:
            return
        if decoder.fault is not None:
            return
        boundary.follow(b"12" + piece + b"3", 2, 2 + len(piece))
        assert boundary.between is not decoder.partial, "the relay misjudges where a message ends"


def _respond(random: Random) -> None:
    response = wire.Response(streaming=random.random() < 0.5, max_message=_LIMIT)
    headers = [("content-type", random.choice(_TYPES))]
    if random.random() < 0.2:
        headers.append(("Grpc-Status", random.choice(("0", "3", "x", "", "00016"))))
    if random.random() < 0.2:
        headers.append(
            (damage(random, b"x-meta-bin").decode("latin-1"), damage(random, b"AAEC").decode("latin-1"))
        )
    response.receive_head(random.choice((200, 200, 200, 200, 302, 401, 404, 500, 502)), headers)
    count = 0
    for piece in cut(random, damage(random, body(random))):
        messages = response.receive_data(piece)
        assert all(len(message) <= _LIMIT for message in messages)
        count += len(messages)
    status = response.receive_end()
    assert response.status == status
    assert response.done
    if status.code is wire.StatusCode.OK:
        assert response.streaming or count == 1


def _values(random: Random) -> None:
    raw = damage(
        random, random.choice((b"grpc-status:0\r\ngrpc-message:a%20b\r\n", b"10S", b"AQI=", b"a%C3%BCb", b""))
    )
    text = raw.decode("latin-1")
    for function in (wire.parse_timeout, wire.decode_bin, wire.percent_decode, wire.parse_content_type):
        try:
            function(text)  # type: ignore[operator]  # each takes a str
        except wire.WireError:
            continue
    try:
        pairs = wire.parse_trailers(raw)
    except wire.ProtocolError:
        return
    wire.Status.from_pairs(pairs)
    wire.decode_metadata(pairs)
    try:
        written = wire.serialize_trailers(pairs)
    except wire.MetadataError:
        return
    assert wire.parse_trailers(written) == pairs, "what was written is read as something else"


def _round_trip(random: Random) -> None:
    message = "".join(
        chr(random.choice((37, 10, 13, 65, 233, 8364, 0x1F600))) for _ in range(random.randrange(8))
    )
    details = blob(random) or None
    status = wire.Status(random.choice(list(wire.StatusCode)), message, details)
    frames, error = _read(cut(random, wire.encode_trailers(status.to_pairs())), False)
    assert error is None
    assert wire.Status.from_pairs(wire.parse_trailers(frames[0].payload)) == status


def case(random: Random) -> None:
    """One case."""
    random.choice((_decode, _decode, _respond, _respond, _values, _round_trip, _follow))(random)
