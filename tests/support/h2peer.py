"""The server's side of an HTTP/2 connection, written by hand, so that it can break every rule."""

from __future__ import annotations

from dataclasses import dataclass

import hpack

from pcw_server_ext.proxy.upstream.http2 import ClientConnection, Limits, Stream
from pcw_server_ext.proxy.upstream.http2.frames import PREFACE, Flag, FrameType, Setting, frame, settings

REQUEST = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/s/m"), (b":authority", b"h")]
RESPONSE = [(b":status", b"200"), (b"content-type", b"application/grpc")]
TRAILERS = [(b"grpc-status", b"0")]
HELLO = settings({})


@dataclass(frozen=True)
class Frame:
    """A frame that the client wrote."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes


class Peer:
    """Writes frames as a server and reads the client's."""

    def __init__(self) -> None:
        self.encoder = hpack.Encoder()
        self._seen = False

    def headers(
        self, stream_id: int, fields: list[tuple[bytes, bytes]], flags: int = Flag.END_HEADERS
    ) -> bytes:
        """A HEADERS frame."""
        return frame(FrameType.HEADERS, flags, stream_id, self.encoder.encode(fields))

    def data(self, stream_id: int, payload: bytes, flags: int = 0) -> bytes:
        """A DATA frame."""
        return frame(FrameType.DATA, flags, stream_id, payload)

    def answer(self, stream_id: int, *pieces: bytes) -> bytes:
        """A whole response: head, DATA, trailers."""
        return b"".join(
            [
                self.headers(stream_id, RESPONSE),
                *(self.data(stream_id, piece) for piece in pieces),
                self.headers(stream_id, TRAILERS, Flag.END_HEADERS | Flag.END_STREAM),
            ]
        )

    def read(self, connection: ClientConnection) -> list[Frame]:
        """Everything that the client wants to send, as frames."""
        data = b"".join(bytes(piece) for piece in connection.data_to_send())
        if not self._seen and data:
            assert data.startswith(PREFACE)
            data = data[len(PREFACE) :]
            self._seen = True
        frames = []
        while data:
            size = int.from_bytes(data[:3], "big")
            stream_id = int.from_bytes(data[5:9], "big")
            frames.append(Frame(data[3], data[4], stream_id, data[9 : 9 + size]))
            assert len(data) >= 9 + size
            data = data[9 + size :]
        return frames


def connected(
    limits: Limits | None = None, values: dict[Setting, int] | None = None
) -> tuple[ClientConnection, Peer]:
    """A connection on which both sides have exchanged settings."""
    connection, peer = ClientConnection(limits), Peer()
    peer.read(connection)
    connection.receive(settings(values or {}))
    peer.read(connection)
    return connection, peer


def opened(
    limits: Limits | None = None, values: dict[Setting, int] | None = None
) -> tuple[ClientConnection, Peer, Stream]:
    """A connection with one stream whose request is complete."""
    connection, peer = connected(limits, values)
    stream = connection.open_stream(REQUEST)
    connection.send_data(stream, memoryview(b""), end=True)
    peer.read(connection)
    return connection, peer, stream
