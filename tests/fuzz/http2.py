"""The HTTP/2 core. Whatever a server sends, nothing is raised, what we answer and keep is bounded, and the pieces in
which it arrives do not change how the streams end.
"""

from __future__ import annotations

from random import Random

from pcw_server_ext.proxy.upstream.http2 import (
    ClientConnection,
    ConnectionClosed,
    Limits,
    Stream,
    StreamReset,
)
from pcw_server_ext.proxy.upstream.http2.frames import (
    Flag,
    FrameType,
    Setting,
    frame,
    goaway,
    rst_stream,
    settings,
    window_update,
)
from tests.fuzz.mutate import blob, cut, damage
from tests.support.h2peer import REQUEST, RESPONSE, TRAILERS, Peer

_LIMITS = Limits(stream_window=65_535, shared_window=1 << 18, idle_frames=60)
_STREAMS = (1, 3, 5)
_END = Flag.END_HEADERS | Flag.END_STREAM


def _conversation(random: Random) -> bytes:
    """What a server might send on three streams, and things that it must not."""
    peer = Peer()
    parts = [settings({})] if random.random() < 0.95 else []
    parts += [peer.headers(stream, RESPONSE) for stream in _STREAMS if random.random() < 0.7]
    for _ in range(random.randrange(14)):
        stream = random.choice((*_STREAMS, *_STREAMS, 0, 2, 9, 2**31 - 1))
        kind = random.randrange(14)
        if kind < 5:
            flags = random.choice((0, 0, 0, Flag.END_STREAM, Flag.PADDED, random.randrange(256)))
            size = random.choice(
                (0, 1, 7, 50, 50, 300, 300, 1000, random.choice((16_384, 40_000, 65_536, 70_000)))
            )
            parts.append(frame(FrameType.DATA, flags, stream, ((blob(random) + b"-") * size)[:size]))
        elif kind < 8:
            fields = random.choice((RESPONSE, RESPONSE, TRAILERS, [(b":status", b"100")], [(b"A", b"\r\n")]))
            flags = random.choice((Flag.END_HEADERS, Flag.END_HEADERS, _END, 0, random.randrange(256)))
            parts.append(peer.headers(stream, fields, flags))
        elif kind == 8:
            parts.append(
                frame(FrameType.CONTINUATION, random.choice((0, Flag.END_HEADERS)), stream, blob(random))
            )
        elif kind == 9:
            parts.append(window_update(stream, random.choice((0, 1, 1000, 2**31 - 1))))
        elif kind == 10:
            parts.append(rst_stream(stream, random.choice((0, 7, 8, 99))))
        elif kind == 11:
            parts.append(
                settings({random.choice(list(Setting)): random.choice((0, 1, 16_384, 2**31, 2**32 - 1))})
            )
        elif kind == 12:
            parts.append(goaway(random.choice((0, 1, 3, 2**31 - 1)), random.choice((0, 2, 11))))
        else:
            parts.append(frame(random.randrange(256), random.randrange(256), stream, blob(random, 300)))
    return b"".join(parts)


def _feed(
    pieces: list[bytes], reader: Random | None = None, *, reuse: bool = True
) -> tuple[ClientConnection, list[Stream], list[bytes]]:
    """A connection with three open calls that was fed.

    ``reader`` decides who reads and gives credit meanwhile; ``reuse`` feeds a buffer that is overwritten, as a
    transport's is.
    """
    connection = ClientConnection(_LIMITS)
    streams = [connection.open_stream(REQUEST) for _ in _STREAMS]
    read = [b"" for _ in streams]
    connection.send_data(streams[0], memoryview(b"request"), end=True)
    for piece in pieces:
        buffer = bytearray(piece)
        touched = connection.receive(memoryview(buffer) if reuse else piece)
        assert touched <= set(streams)
        for number, stream in enumerate(streams):
            if reader is not None and reader.random() < 0.5:
                data = b"".join(stream.take())
                read[number] += data
                connection.consume(stream, len(data))
            stream.keep()
        # a caller's buffer is used again: nothing may refer to it any more
        buffer[:] = bytes(len(buffer))
    for number, stream in enumerate(streams):
        read[number] += b"".join(stream.take())
    return connection, streams, read


def _ends(streams: list[Stream]) -> list[object]:
    return [
        (s.ended, type(s.error).__name__, s.headers, s.trailers, getattr(s.error, "code", None))
        for s in streams
    ]


def case(random: Random) -> None:
    """One case."""
    data = _conversation(random)
    if random.random() < 0.5:
        data = damage(random, data)
    connection, streams, read = _feed([data], reuse=False)
    answer = sum(map(len, connection.data_to_send()))
    assert answer < 20_000 + 30 * len(data), "the answer is out of proportion"
    for stream, body in zip(streams, read, strict=True):
        assert len(body) <= _LIMITS.stream_window, "more was kept than the window allows"
        assert stream.error is None or isinstance(stream.error, (StreamReset, ConnectionClosed))
        assert stream.ended or stream.id in connection.streams
    if connection.closed is not None:
        assert connection.streams == {}
    other, others, read_again = _feed(cut(random, data))
    assert (connection.closed is None) == (other.closed is None), "the pieces decide whether it is an error"
    assert _ends(streams) == _ends(others), "the pieces decide how the streams end"
    assert read == read_again, "the pieces decide what is read"
    _feed(cut(random, data), random)
