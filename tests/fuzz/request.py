"""Requests and connection strings: UpstreamError and ConfigurationError are all that they raise.

What is passed on where the server sets the user is read with PySpark's own messages: it names that user, or nobody.
"""

from __future__ import annotations

from random import Random
from typing import Any

from google.protobuf.message import DecodeError
from pyspark_connect_web import wire

from pcw_server_ext.errors import ConfigurationError, UpstreamError
from pcw_server_ext.proxy.access.identity import encode_varint, user_context
from pcw_server_ext.proxy.call.request_body import RequestBody
from pcw_server_ext.proxy.call.request_fields import RequestFields
from pcw_server_ext.proxy.upstream.connection_string import parse
from tests.fuzz.codec import body
from tests.fuzz.mutate import cut, damage
from tests.support.plans import base_pb2

_STRINGS = (
    b"sc://host:15002/;use_ssl=true;token=SECRET",
    b"sc://[::1]:1/;x-header=a%20b",
    b"sc://user@host/path;q?x#y",
    b"http://host",
)


_USER = user_context("server", "the server's")


def _feed(pieces: list[bytes], *, text: bool, streaming: bool, suffix: bytes) -> bytes | None:
    reader = RequestBody(text=text, compressed=False, streaming=streaming, max_message=1 << 16, suffix=suffix)
    try:
        out = b"".join(reader.feed(piece) for piece in pieces)
        reader.finish()
    except UpstreamError:
        return None
    return out


def _framing(random: Random) -> None:
    text, streaming = random.random() < 0.3, random.random() < 0.5
    suffix = random.choice((b"", b"suffix"))
    data = body(random)
    data = damage(random, wire.encode_text(data) if text else data)
    whole = _feed([data], text=text, streaming=streaming, suffix=suffix)
    pieces = _feed(cut(random, data), text=text, streaming=streaming, suffix=suffix)
    assert whole == pieces, "the pieces decide what is passed on"
    if whole is not None and not text and not suffix:
        assert whole == data, "what is passed on is not what came"


def _fields(random: Random) -> None:
    method = random.choice(("ExecutePlan", "ReattachExecute", "ReleaseExecute", "ReleaseSession"))
    message = b"\x0a\x07session\x12\x05\x0a\x03ann\x1a\x02op\x2a\x00\x32\x05query\x10\x01"
    data = damage(random, message * random.randrange(1, 4))
    whole, pieces = RequestFields(method), RequestFields(method)
    whole.feed(data, 0, len(data))
    for piece in cut(random, data):
        pieces.feed(piece, 0, len(piece))
    assert whole.readable == pieces.readable, "the pieces decide whether a request can be read"
    if whole.readable:
        for name in ("session_id", "operation_id", "user_context", "releases_all", "reattachable"):
            assert getattr(whole, name) == getattr(pieces, name), f"the pieces decide the {name}"


def _user(random: Random) -> None:
    kind: Any = random.choice(
        (base_pb2.ExecutePlanRequest, base_pb2.ConfigRequest, base_pb2.AddArtifactsRequest)
    )
    sent = kind(session_id="s" * random.choice((1, 200)), client_type="c")
    sent.user_context.user_id = "mallory"
    message = damage(random, sent.SerializeToString())
    if random.random() < 0.5:  # an open last field, as long as what follows or not
        size = random.choice((len(_USER), random.randrange(1 << 14)))
        field = random.randrange(1, 40) << 3 | random.choice((0, 2, 2, 2, 3, 4))
        message += encode_varint(field) + encode_varint(size)
    data = wire.encode_frame(message)
    passed = _feed(cut(random, data), text=False, streaming=True, suffix=_USER)
    if passed is None:
        return
    try:
        read = kind.FromString(passed[wire.HEADER_SIZE :])
    except DecodeError:
        return
    assert read.user_context.user_id == "server", "Spark sees another user"
    assert read.user_context.user_name == "the server's", "Spark sees another name"


def _connection_string(random: Random) -> None:
    text = damage(random, random.choice(_STRINGS)).decode("latin-1")
    try:
        target = parse(text, "here")
    except ConfigurationError as error:
        shown = str(error)
    else:
        assert target.host
        shown = repr(target)
    # damage may move the token to where the host stands, and a host may be shown
    assert "SECRET" not in shown or "token=SECRET" not in text, "a secret is shown"


def case(random: Random) -> None:
    """One case."""
    random.choice((_framing, _framing, _fields, _user, _connection_string))(random)
