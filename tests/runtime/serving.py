"""A small server for a bundle: isolation headers, MIME types, compressed files, and faults on demand."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".json": "application/json",
    ".html": "text/html",
}

#: Path -> content, or None for a missing file. Looked up before the bundle.
Overrides = dict[str, bytes | None]


@dataclass
class BundleServer:
    """Where the bundle is served, what was asked for, and which paths answer differently."""

    url: str
    requests: list[str] = field(default_factory=list)
    overrides: Overrides = field(default_factory=dict)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A closed page drops its connections; anything else is worth a traceback."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serve(bundle: Path, pages: Path) -> Iterator[BundleServer]:
    """Serve `bundle` at `/runtime/` and `pages` at `/`."""
    server = BundleServer("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            server.requests.append(path)
            inside = path.removeprefix("/runtime/")
            file = bundle / inside if path.startswith("/runtime/") else pages / path.lstrip("/")
            content: bytes | None
            encoding = None
            if path in server.overrides:
                content = server.overrides[path]
            else:
                compressed = file.with_name(file.name + ".br")
                if compressed.is_file():
                    # Chromium takes it from this machine; everything else here is read as it is.
                    encoding, file = "br", compressed
                content = file.read_bytes() if file.is_file() else None
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", _TYPES.get(Path(path).suffix, "application/octet-stream"))
            self.send_header("Content-Length", str(len(content or b"")))
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
            if path.startswith("/runtime/"):
                self.send_header("Cache-Control", "public, max-age=31536000, immutable")
            if encoding:
                self.send_header("Content-Encoding", encoding)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are recorded, not printed."""

    http = _Server(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_address[1]}/"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join(5)
        http.server_close()
