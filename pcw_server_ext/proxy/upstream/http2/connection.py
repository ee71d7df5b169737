"""The client's side of one HTTP/2 connection (RFC 9113), without I/O.

Feed received bytes to ``receive`` and write what ``data_to_send`` returns. DATA payloads are handed out as
views of what was received, also in the middle of a frame, and never joined: whoever relays them at once pays for
no copy and no reassembly, and whoever does not calls ``Stream.keep``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pcw_server_ext.proxy.upstream.http2.errors import (
    ConnectionClosed,
    ErrorCode,
    HeaderListTooLarge,
    ProtocolViolation,
    StreamReset,
    code_name,
)
from pcw_server_ext.proxy.upstream.http2.frames import (
    DEFAULT_WINDOW,
    MAX_FRAME_SIZE,
    MAX_STREAM_ID,
    MAX_WINDOW,
    MIN_FRAME_SIZE,
    PREFACE,
    Flag,
    FrameType,
    Setting,
    goaway,
    head,
    parse_settings,
    rst_stream,
    settings,
    uint32,
    window_update,
)
from pcw_server_ext.proxy.upstream.http2.frames import frame as write_frame
from pcw_server_ext.proxy.upstream.http2.header_block import (
    NO_DYNAMIC_TABLE,
    Header,
    HeaderAssembler,
    encode,
    field_size,
)
from pcw_server_ext.proxy.upstream.http2.messages import response_head, response_trailers
from pcw_server_ext.proxy.upstream.http2.reader import FrameReader
from pcw_server_ext.proxy.upstream.http2.stream import Stream, StreamInput, StreamState

# The connection's window is credited in steps of this size: the streams' windows bound the memory.
_CONNECTION_CREDIT: Final = 1 << 24


@dataclass(frozen=True)
class Limits:
    """What we allow the peer; all sizes in octets.

    ``stream_window`` bounds what a stream may hold that nobody reads; when there are so many streams that all
    together could hold more than ``shared_window``, each gets less once it has read its first. ``idle_frames``
    bounds frames that make us work without any progress of a request or response (all but DATA with octets, and the
    head and trailers of a response), and answers to such frames that the peer does not read, as RFC 9113 section 10.5
    asks.
    """

    stream_window: int = 1 << 20
    shared_window: int = 1 << 26
    frame_size: int = 1 << 16
    header_list: int = 1 << 16
    header_block: int = 1 << 17
    idle_frames: int = 10_000


class ClientConnection:
    """State of a connection: streams, both flow-control levels, settings, and the bytes to write."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.streams: dict[int, Stream] = {}
        self.closed: ConnectionClosed | None = None
        self.draining: ConnectionClosed | None = None
        self.max_streams = MAX_STREAM_ID
        self._out: list[bytes | memoryview] = []
        self._touched: set[Stream] = set()
        self._next_id = 1
        self._send_window = DEFAULT_WINDOW
        self._peer_window = DEFAULT_WINDOW
        self._peer_frame_size = MIN_FRAME_SIZE
        self._peer_header_list: int | None = None
        self._recv_window = MAX_WINDOW
        self._assembler = HeaderAssembler(
            max_list_bytes=self.limits.header_list, max_block_bytes=self.limits.header_block
        )
        self._reader = FrameReader(self, self.limits.frame_size)
        self._data: Stream | None = None
        self._idle = 0
        self._replies = 0
        self._abandoned = 0
        self.settled = False
        self._out += (
            PREFACE,
            settings(
                {
                    Setting.HEADER_TABLE_SIZE: 0,
                    Setting.ENABLE_PUSH: 0,
                    Setting.INITIAL_WINDOW_SIZE: self.limits.stream_window,
                    Setting.MAX_FRAME_SIZE: self.limits.frame_size,
                    Setting.MAX_HEADER_LIST_SIZE: self.limits.header_list,
                }
            ),
            window_update(0, MAX_WINDOW - DEFAULT_WINDOW),
        )

    # -- what we send

    @property
    def wants_to_send(self) -> bool:
        """Whether ``data_to_send`` would return anything."""
        return bool(self._out)

    def data_to_send(self) -> list[bytes | memoryview]:
        """Everything queued, in order; the queue is empty afterwards."""
        out, self._out = self._out, []
        return out

    @property
    def replies(self) -> int:
        """Answers to PING and SETTINGS since ``all_sent``."""
        return self._replies

    def all_sent(self) -> None:
        """Say that the transport has taken everything that ``data_to_send`` returned."""
        self._replies = 0

    @property
    def can_open(self) -> bool:
        """Whether ``open_stream`` would work now."""
        return (
            self.closed is None
            and self.draining is None
            and len(self.streams) < self.max_streams
            and self._next_id <= MAX_STREAM_ID
        )

    @property
    def exhausted(self) -> bool:
        """Whether no stream can ever be opened again, so that a new connection is needed."""
        return self.closed is not None or self.draining is not None or self._next_id > MAX_STREAM_ID

    def open_stream(self, headers: Sequence[Header]) -> Stream:
        """Queue HEADERS for a new stream.

        Raises:
            ConnectionClosed: `can_open` is false.
            HeaderListTooLarge: the peer has said that it takes less. Servers answer such a request with more than
                its own end: they close the connection, and with it every other call on it.
        """
        if not self.can_open:
            raise self.closed or self.draining or ConnectionClosed("no stream is free on this connection")
        limit = self._peer_header_list
        if limit is not None:
            size = sum(field_size(name, value) for name, value in headers)
            if size > limit:
                raise HeaderListTooLarge(size, limit)
        stream = Stream(self._next_id, self._peer_window, self.limits.stream_window)
        block = encode(headers)
        if self._next_id == 1:
            block = NO_DYNAMIC_TABLE + block
        self._next_id += 2
        self._idle = 0
        self.streams[stream.id] = stream
        size = self._peer_frame_size
        flags = Flag.END_HEADERS if len(block) <= size else 0
        self._out.append(write_frame(FrameType.HEADERS, flags, stream.id, block[:size]))
        for at in range(size, len(block), size):
            flags = Flag.END_HEADERS if at + size >= len(block) else 0
            self._out.append(write_frame(FrameType.CONTINUATION, flags, stream.id, block[at : at + size]))
        return stream

    def send_data(self, stream: Stream, data: memoryview, *, end: bool = False) -> int:
        """Queue as much of ``data`` as both windows allow; returns that size in octets.

        ``end`` puts END_STREAM on the frame that takes the last octet. ``data`` must not change until it is
        written.
        """
        if not stream.can_send:
            raise stream.error or ConnectionClosed("the stream takes no more data")
        sent, size = 0, len(data)
        while sent < size:
            room = min(size - sent, stream.send_window, self._send_window, self._peer_frame_size)
            if room <= 0:
                return sent
            last = end and sent + room == size
            self._out += (
                head(room, FrameType.DATA, Flag.END_STREAM if last else 0, stream.id),
                data[sent : sent + room],
            )
            stream.send_window -= room
            self._send_window -= room
            sent += room
            self._idle = 0
        if end:
            if not size:
                self._out.append(write_frame(FrameType.DATA, Flag.END_STREAM, stream.id))
            self._step(stream, StreamInput.SEND_END)
        return sent

    def consume(self, stream: Stream, size: int) -> None:
        """Tell the peer that ``size`` octets of a stream's body were used up: it may send as many again."""
        if stream.ended:
            return
        stream.uncredited += size
        target = self._window_target()
        credit = min(stream.uncredited, target - stream.recv_window)
        if credit * 2 >= target:
            self._out.append(window_update(stream.id, credit))
            stream.recv_window += credit
            stream.uncredited -= credit

    def _window_target(self) -> int:
        """What a stream may be sent ahead: its own limit, or less when many streams share the connection's."""
        limits = self.limits
        share = limits.shared_window // max(1, len(self.streams))
        return min(limits.stream_window, max(share, DEFAULT_WINDOW))

    def reset(self, stream: Stream, code: ErrorCode = ErrorCode.CANCEL, reason: str = "cancelled") -> None:
        """End a stream from our side; nothing more of it is delivered."""
        if stream.state is not StreamState.CLOSED:
            if self.closed is None:
                self._out.append(rst_stream(stream.id, code))
            stream.fail(StreamReset(code, reason))
            self._abandon(stream)
        if stream is self._data:
            self._data = None

    def ping(self) -> None:
        """Queue a PING; its answer needs no action, since any octet shows that the peer is alive."""
        self._out.append(write_frame(FrameType.PING, 0, 0, b"pcw-ping"))

    def close(self, reason: str = "closed by us", code: ErrorCode = ErrorCode.NO_ERROR) -> set[Stream]:
        """Queue GOAWAY and fail what is still running; returns the streams that this ended."""
        if self.closed is None:
            self._out.append(goaway(0, code))
            self._fail_all(ConnectionClosed(reason))
        return self._take_touched()

    def lost(self, reason: str) -> set[Stream]:
        """The transport has ended; returns the streams that this cut."""
        if self.closed is None:
            self._fail_all(self.draining or ConnectionClosed(reason))
        return self._take_touched()

    # -- what we receive

    def receive(self, data: bytes | bytearray | memoryview) -> set[Stream]:
        """Take received octets, in pieces of any size; returns the streams whose state changed.

        Body pieces of these streams are views of ``data``: before that is changed, take them or ``keep`` them.

        A breach of the protocol never raises: GOAWAY is queued, every stream fails and ``closed`` says why.
        """
        if self.closed is None:
            try:
                self._reader.feed(memoryview(data))
            except ProtocolViolation as error:
                self._out.append(goaway(0, error.code, str(error).encode()))
                self._fail_all(ConnectionClosed(str(error)))
        return self._take_touched()

    def _take_touched(self) -> set[Stream]:
        touched, self._touched = self._touched, set()
        return touched

    def frame_begins(self, kind: int, flags: int, stream_id: int) -> None:
        """Check that such a frame may come now (sections 3.4 and 6.10)."""
        if not self.settled and (kind != FrameType.SETTINGS or flags & Flag.ACK):
            raise ProtocolViolation(
                ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS: not an HTTP/2 server"
            )
        open_block = self._assembler.stream_id
        if open_block is not None and (kind != FrameType.CONTINUATION or stream_id != open_block):
            raise ProtocolViolation(ErrorCode.PROTOCOL_ERROR, "a header block was interrupted")

    # -- DATA (section 6.1)

    def plain_data(self, stream_id: int, length: int, piece: memoryview) -> bool:
        """See FrameReceiver; what breaks a rule, or may, is left to ``data_begins``."""
        stream = self.streams.get(stream_id)
        if (
            stream is None
            or stream.headers is None
            or stream.ended
            or not 0 < length <= stream.recv_window
            or length > self._recv_window
            or self._assembler.stream_id is not None
        ):
            return False
        stream.recv_window -= length
        self._recv_window -= length
        self._credit_connection()
        self._idle = 0
        self._data = stream
        if piece:
            stream.chunks.append(piece)
            self._touched.add(stream)
        return True

    def _credit_connection(self) -> None:
        if self._recv_window <= MAX_WINDOW - _CONNECTION_CREDIT:
            self._out.append(window_update(0, MAX_WINDOW - self._recv_window))
            self._recv_window = MAX_WINDOW

    def data_begins(self, stream_id: int, length: int) -> None:
        """Account for a DATA frame in both windows."""
        stream = self._known(stream_id, "DATA")
        self._recv_window -= length
        if self._recv_window < 0:
            raise ProtocolViolation(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window was exceeded")
        self._credit_connection()
        if not length:
            self._count_idle()
        elif stream is not None:
            self._idle = 0
        if stream is None:
            # what was under way when we gave streams up may still come, and no more
            self._abandoned -= length
            if self._abandoned < 0:
                raise ProtocolViolation(ErrorCode.STREAM_CLOSED, "body on streams that have ended")
        else:
            stream.recv_window -= length
            if stream.headers is None:
                self._malformed(stream, "body before the response's headers")
            elif stream.ended:
                self._malformed(stream, "body after the end", ErrorCode.STREAM_CLOSED)
            elif stream.recv_window < 0:
                self._malformed(stream, "the window was exceeded", ErrorCode.FLOW_CONTROL_ERROR)
            if stream.state is StreamState.CLOSED:
                stream = None
        self._data = stream

    def data_padding(self, size: int) -> None:
        """Nobody will ever use padding up, so it is credited at once."""
        if self._data is not None:
            self.consume(self._data, size)

    def data_piece(self, piece: memoryview) -> None:
        """Queue body octets for whoever reads the stream."""
        stream = self._data
        if stream is not None:
            stream.chunks.append(piece)
            self._touched.add(stream)

    def data_ends(self, flags: int) -> None:
        """End the stream if the frame said so."""
        if flags & Flag.END_STREAM and self._data is not None:
            self._remote_end(self._data)

    # -- everything else

    def frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        """Act on a whole frame other than DATA."""
        if kind == FrameType.HEADERS:
            self._on_headers(flags, stream_id, payload)
        elif kind == FrameType.CONTINUATION:
            self._on_continuation(flags, stream_id, payload)
        elif kind == FrameType.WINDOW_UPDATE:
            self._on_window_update(stream_id, payload)
        elif kind == FrameType.RST_STREAM:
            self._on_rst_stream(stream_id, payload)
        elif kind == FrameType.SETTINGS:
            self._on_settings(flags, stream_id, payload)
        elif kind == FrameType.PING:
            self._on_ping(flags, stream_id, payload)
        elif kind == FrameType.GOAWAY:
            self._on_goaway(stream_id, payload)
        elif kind == FrameType.PUSH_PROMISE:
            raise ProtocolViolation(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE although push is switched off")
        else:
            # PRIORITY is obsolete and unknown types must be ignored (section 5.5)
            self._count_idle()

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._known(stream_id, "HEADERS")
        self._assembler.headers(flags, stream_id, payload)
        if flags & Flag.END_HEADERS:
            self._block_done(stream_id)

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._count_idle()
        self._assembler.continuation(payload)
        if flags & Flag.END_HEADERS:
            self._block_done(stream_id)

    def _block_done(self, stream_id: int) -> None:
        # also for a stream that is gone: the table that decodes the next block depends on this one
        fields, end = self._assembler.done()
        self._count_idle()
        stream = self.streams.get(stream_id)
        if stream is None:
            return
        if stream.ended:
            self._malformed(stream, "headers after the end", ErrorCode.STREAM_CLOSED)
            return
        try:
            if stream.headers is None:
                if response_head(fields, end):
                    stream.headers = fields
                    self._idle = 0
            else:
                stream.trailers = response_trailers(fields, end)
                self._idle = 0
        except ValueError as error:
            self._malformed(stream, str(error))
            return
        self._touched.add(stream)
        if end:
            self._remote_end(stream)

    def _on_window_update(self, stream_id: int, payload: bytes) -> None:
        self._exactly(payload, 4, "WINDOW_UPDATE")
        self._count_idle()
        increment = uint32(payload) & MAX_WINDOW
        if not stream_id:
            self._send_window += increment
            if not increment or self._send_window > MAX_WINDOW:
                code = ErrorCode.FLOW_CONTROL_ERROR if increment else ErrorCode.PROTOCOL_ERROR
                raise ProtocolViolation(code, "a window update of the connection is out of range")
            self._touched.update(self.streams.values())
            return
        stream = self._known(stream_id, "WINDOW_UPDATE")
        if stream is None:
            return
        stream.send_window += increment
        if not increment:
            self._malformed(stream, "a window update of zero")
        elif stream.send_window > MAX_WINDOW:
            self._malformed(stream, "a window update is out of range", ErrorCode.FLOW_CONTROL_ERROR)
        self._touched.add(stream)

    def _on_rst_stream(self, stream_id: int, payload: bytes) -> None:
        self._exactly(payload, 4, "RST_STREAM")
        self._count_idle()
        stream = self._known(stream_id, "RST_STREAM")
        if stream is not None:
            code = uint32(payload)
            stream.fail(StreamReset(code, "the server reset the stream"))
            self.streams.pop(stream_id, None)
            self._touched.add(stream)

    def _on_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            raise ProtocolViolation(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream")
        if len(payload) % 6 or (flags & Flag.ACK and payload):
            raise ProtocolViolation(ErrorCode.FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} octets")
        if flags & Flag.ACK:
            return
        self._count_idle()
        self.settled = True
        for name, value in parse_settings(payload):
            self._apply(name, value)
        self._reply(write_frame(FrameType.SETTINGS, Flag.ACK, 0))
        self._touched.update(self.streams.values())

    def _apply(self, name: int, value: int) -> None:
        if name == Setting.INITIAL_WINDOW_SIZE:
            if value > MAX_WINDOW:
                raise ProtocolViolation(ErrorCode.FLOW_CONTROL_ERROR, "initial window out of range")
            for stream in self.streams.values():
                stream.send_window += value - self._peer_window
                if stream.send_window > MAX_WINDOW:
                    raise ProtocolViolation(ErrorCode.FLOW_CONTROL_ERROR, "initial window overflows a stream")
            self._peer_window = value
        elif name == Setting.MAX_FRAME_SIZE:
            if not MIN_FRAME_SIZE <= value <= MAX_FRAME_SIZE:
                raise ProtocolViolation(ErrorCode.PROTOCOL_ERROR, "frame size setting out of range")
            self._peer_frame_size = value
        elif name == Setting.MAX_HEADER_LIST_SIZE:
            self._peer_header_list = value
        elif name == Setting.MAX_CONCURRENT_STREAMS:
            self.max_streams = value
        elif name == Setting.ENABLE_PUSH and value:
            raise ProtocolViolation(ErrorCode.PROTOCOL_ERROR, "a server may not switch push on")

    def _on_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._exactly(payload, 8, "PING")
        if stream_id:
            raise ProtocolViolation(ErrorCode.PROTOCOL_ERROR, "PING on a stream")
        self._count_idle()
        if not flags & Flag.ACK:
            self._reply(write_frame(FrameType.PING, Flag.ACK, 0, payload))

    def _on_goaway(self, stream_id: int, payload: bytes) -> None:
        if stream_id or len(payload) < 8:
            raise ProtocolViolation(ErrorCode.PROTOCOL_ERROR, "malformed GOAWAY")
        self._count_idle()
        last, code = uint32(payload) & MAX_STREAM_ID, uint32(payload, 4)
        self.draining = ConnectionClosed(f"the server closes the connection ({code_name(code)})")
        for stream in [s for s in self.streams.values() if s.id > last]:
            stream.fail(StreamReset(ErrorCode.REFUSED_STREAM, "the server closes the connection"))
            self._abandon(stream)
            self._touched.add(stream)

    # -- helpers

    def _known(self, stream_id: int, what: str) -> Stream | None:
        """The stream, or None when it has ended; a frame on a stream that never was breaks the connection."""
        if not stream_id & 1 or stream_id >= self._next_id:
            raise ProtocolViolation(ErrorCode.PROTOCOL_ERROR, f"{what} on a stream that we never opened")
        return self.streams.get(stream_id)

    def _exactly(self, payload: bytes, size: int, what: str) -> None:
        if len(payload) != size:
            raise ProtocolViolation(ErrorCode.FRAME_SIZE_ERROR, f"{what} of {len(payload)} octets")

    def _count_idle(self) -> None:
        self._idle += 1
        if self._idle > self.limits.idle_frames:
            raise ProtocolViolation(ErrorCode.ENHANCE_YOUR_CALM, "too many frames without progress")

    def _reply(self, data: bytes) -> None:
        """Queue what the peer made us write; a peer that reads none of it would make the queue grow without end."""
        self._replies += 1
        if self._replies > self.limits.idle_frames:
            raise ProtocolViolation(ErrorCode.ENHANCE_YOUR_CALM, "the server does not read our answers")
        self._out.append(data)

    def _abandon(self, stream: Stream) -> None:
        """Forget a stream that the peer may still be sending on."""
        if self.streams.pop(stream.id, None) is not None:
            self._abandoned += max(0, stream.recv_window)

    def _malformed(self, stream: Stream, why: str, code: ErrorCode = ErrorCode.PROTOCOL_ERROR) -> None:
        """A stream error (section 5.4.2): this stream fails, the connection lives on."""
        self._out.append(rst_stream(stream.id, code))
        stream.fail(StreamReset(code, f"the server's answer is malformed: {why}"))
        self._abandon(stream)
        self._touched.add(stream)

    def _step(self, stream: Stream, event: StreamInput) -> None:
        stream.step(event)
        if stream.state is StreamState.CLOSED:
            self.streams.pop(stream.id, None)

    def _remote_end(self, stream: Stream) -> None:
        if not stream.ended:
            stream.ended = True
            self._step(stream, StreamInput.RECV_END)
            self._touched.add(stream)

    def _fail_all(self, error: ConnectionClosed) -> None:
        self.closed = error
        for stream in self.streams.values():
            stream.fail(error)
            self._touched.add(stream)
        self.streams.clear()
        self._data = None
