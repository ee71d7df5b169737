"""A grpc-web front for a native gRPC server, in this process: what the lean client talks to in these tests.

Bytes pass through unparsed. The product's own proxy has its own tests; this one keeps the lean layer's
tests apart from it.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import grpc


def _frame(flag: int, payload: bytes) -> bytes:
    return bytes([flag]) + len(payload).to_bytes(4, "big") + payload


def _trailers(code: int, message: str, metadata: Any) -> bytes:
    lines = [f"grpc-status: {code}", f"grpc-message: {quote(message, safe=' ')}"]
    for key, value in metadata or ():
        if key == "grpc-status-details-bin":
            import base64

            lines.append(f"{key}: {base64.b64encode(value).decode()}")
    return _frame(0x80, "".join(f"{line}\r\n" for line in lines).encode())


def _messages(body: bytes) -> list[bytes]:
    found = []
    while body:
        size = int.from_bytes(body[1:5], "big")
        found.append(body[5 : 5 + size])
        body = body[5 + size :]
    return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    channel: grpc.Channel

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self._chunks()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        method = "/" + "/".join(self.path.rsplit("/", 2)[-2:])
        call = self.channel.stream_stream(method)(iter(_messages(body)))
        self.send_response(200)
        self.send_header("Content-Type", "application/grpc-web+proto")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for message in call:
                self._send(_frame(0, message))
            code, details = 0, ""
        except grpc.RpcError:
            code, details = call.code().value[0], call.details() or ""
        except BrokenPipeError:  # the client has left
            call.cancel()
            self.close_connection = True
            return
        self._send(_trailers(code, details, call.trailing_metadata()))
        self.wfile.write(b"0\r\n\r\n")

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n" % len(piece) + piece + b"\r\n")


class Bridge:
    """Listens on a free loopback port; ``remote`` is the connection string for it."""

    def __init__(self, target: str) -> None:
        self._channel = grpc.insecure_channel(
            target,
            options=[("grpc.max_receive_message_length", 1 << 28), ("grpc.max_send_message_length", 1 << 28)],
        )
        handler = type("Handler", (_Handler,), {"channel": self._channel})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.remote = f"http://127.0.0.1:{self._server.server_address[1]}/grpc"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
        self._channel.close()
