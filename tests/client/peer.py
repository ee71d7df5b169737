"""A scriptable HTTP/1.1 server on loopback, for answers that no well-behaved server gives."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from pyspark_connect_web import wire

OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web+proto\r\nTransfer-Encoding: chunked\r\n\r\n"
OK_TRAILERS = wire.encode_trailers([("grpc-status", "0")])


@dataclass(frozen=True)
class Request:
    """A request as it came: ``connection`` counts the connections from 0."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def rpc(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


class Exchange:
    """One request and the socket to answer it on."""

    def __init__(self, request: Request, sock: socket.socket, stop: threading.Event) -> None:
        self.request = request
        self.sock = sock
        self.stop = stop
        self.over = False

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def chunk(self, data: bytes) -> None:
        """One chunk of a chunked body; ``b""`` ends it."""
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def whole(self, body: bytes, status: str = "200 OK", kind: str = "application/grpc-web+proto") -> None:
        """A whole answer with a Content-Length."""
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.send(head.encode() + body)

    def message(self, *payloads: bytes) -> None:
        """A whole OK answer that holds these messages."""
        self.whole(b"".join(map(wire.encode_frame, payloads)) + OK_TRAILERS)

    def hang_up(self) -> None:
        """End the connection once the handler returns."""
        self.over = True

    def reset(self) -> None:
        """End the connection with a TCP reset once the handler returns."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.over = True

    def wait_for_close(self, seconds: float = 10) -> bool:
        """True when the client closes its end in time."""
        self.sock.settimeout(seconds)
        try:
            return self.sock.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True


Handler = Callable[[Exchange], None]


class Peer:
    """Runs ``handler`` for every request; keeps what was asked in ``requests``."""

    def __init__(self, handler: Handler, context: ssl.SSLContext | None = None) -> None:
        self.handler = handler
        self.requests: list[Request] = []
        self.stop = threading.Event()
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'http' if context is None else 'https'}://127.0.0.1:{self.port}"
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def rpcs(self) -> list[str]:
        """Names of the methods that were called."""
        return [request.rpc for request in self.requests]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock, len(self._sockets)))
            self._sockets.append(sock)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
                self._sockets.append(sock)
            with sock, sock.makefile("rb") as stream:
                while (request := _read(stream, number)) is not None:
                    self.requests.append(request)
                    exchange = Exchange(request, sock, self.stop)
                    self.handler(exchange)
                    if exchange.over:
                        return

    def close(self) -> None:
        self.stop.set()
        # shutdown() wakes accept(); close() alone does not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        # A connection accepted just now is in the list below only after this.
        self._threads[0].join(10)
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read(stream: object, number: int) -> Request | None:
    readline, read = stream.readline, stream.read  # type: ignore[attr-defined]  # a BufferedReader
    line = readline().decode()
    if not line:
        return None
    method, path, _ = line.split(" ", 2)
    headers = {}
    while (line := readline().decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", 0))
    if headers.get("x-test-body") == "unread":
        return Request(method, path, headers, b"", number)
    body = read(length)
    # Shorter: the client was closed while it sent.
    return Request(method, path, headers, body, number) if len(body) == length else None


def html_page(status: str, title: str) -> Handler:
    body = f"<html><title>{title}</title></html>".encode()
    return lambda exchange: exchange.whole(body, status, "text/html")


def json_page(status: str, message: str) -> Handler:
    body = json.dumps({"message": message, "reason": None}).encode()
    return lambda exchange: exchange.whole(body, status, "application/json")
