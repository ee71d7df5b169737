"""HTTP/2 servers with a script instead of manners."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from pcw_server_ext.proxy.upstream.http2.frames import PREFACE, Flag, FrameType, Setting, frame, settings
from tests.support.h2peer import Frame, Peer

Script = Callable[["RawStream"], Awaitable[None]]


class RawStream:
    """One accepted connection: reads frames, writes anything."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.peer = Peer()
        self._reader, self._writer = reader, writer

    async def hello(self, values: dict[Setting, int] | None = None) -> None:
        """Read the preface, exchange settings."""
        assert await self._reader.readexactly(len(PREFACE)) == PREFACE
        self.write(settings(values or {}))

    async def request(self) -> int:
        """Wait for the end of the next request; returns its stream id."""
        while True:
            found = await self.frame()
            if found.kind in (FrameType.DATA, FrameType.HEADERS) and found.flags & Flag.END_STREAM:
                return found.stream_id

    async def frame(self) -> Frame:
        """Wait for the client's next frame; its settings are acknowledged."""
        head = await self._reader.readexactly(9)
        payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
        if head[3] == FrameType.SETTINGS and not head[4] & Flag.ACK:
            self.write(frame(FrameType.SETTINGS, Flag.ACK, 0))
        return Frame(head[3], head[4], int.from_bytes(head[5:9], "big"), payload)

    def write(self, data: bytes) -> None:
        """Send anything."""
        self._writer.write(data)

    async def written(self) -> None:
        """Wait until most of it is out. Raises ConnectionError when the client has closed the connection."""
        await self._writer.drain()

    async def closed(self) -> None:
        """Wait until the client has closed the connection."""
        while await self._reader.read(65536):
            continue


class RawServer:
    """Runs a script for every connection; `connections` counts them."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self._script, self._tls = script, tls
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._idle = asyncio.Event()

    async def __aenter__(self) -> RawServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            await self._script(RawStream(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            # the client left, which is what some scripts are for
            pass
        finally:
            writer.close()
            self._writers.discard(writer)
            self._idle.set()

    async def __aexit__(self, *_: Any) -> None:
        self._server.close()
        while self._writers:
            self._idle.clear()
            for writer in self._writers:
                writer.close()
            await self._idle.wait()
        await self._server.wait_closed()
