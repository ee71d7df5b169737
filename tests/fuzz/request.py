"""Request framing and connection strings: UpstreamError and ConfigurationError are all that they raise."""

from __future__ import annotations

from random import Random

from pyspark_connect_web import wire

from pcw_server_ext.errors import ConfigurationError, UpstreamError
from pcw_server_ext.proxy.connection_string import parse
from pcw_server_ext.proxy.request_body import RequestBody
from pcw_server_ext.proxy.request_fields import RequestFields

from .codec import body
from .mutate import cut, damage

_STRINGS = (
    b"sc://host:15002/;use_ssl=true;token=SECRET",
    b"sc://[::1]:1/;x-header=a%20b",
    b"sc://user@host/path;q?x#y",
    b"http://host",
)


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
    random.choice((_framing, _framing, _fields, _connection_string))(random)
