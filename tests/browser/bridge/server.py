"""An HTTP server to test the bridge against: isolated pages, endless streams, refusals, cut connections.

It runs in a thread with an event loop of its own. What it saw is in `BridgeServer.streams` and
`BridgeServer.requests`.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.iostream
import tornado.netutil
import tornado.web

REPOSITORY = Path(__file__).parents[3]
JS = REPOSITORY / "client" / "js"
PAGES = Path(__file__).parent / "pages"

#: One MiB in which no two 4 KiB blocks are alike, so that lost, doubled or swapped blocks change the hash.
PATTERN = b"".join(hashlib.sha256(number.to_bytes(4, "big")).digest() * 4 for number in range(8192))

#: The protocol version of the scripts below `/another-version/`.
OTHER_VERSION = 99

MIME = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".html": "text/html",
}


@dataclass
class Stream:
    """What the server knows of one streamed response."""

    name: str
    flushed: int = 0
    finished: bool = False
    closed: threading.Event = field(default_factory=threading.Event)


@dataclass
class Request:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body_bytes: int = 0
    body_sha256: str = ""


def pattern_hash(total: int) -> str:
    """SHA-256 (hex) of the first `total` bytes of the repeated pattern."""
    digest = hashlib.sha256()
    for _ in range(total // len(PATTERN)):
        digest.update(PATTERN)
    digest.update(PATTERN[: total % len(PATTERN)])
    return digest.hexdigest()


def client_zip() -> bytes:
    """The Python package as it is, for `pyodide.unpackArchive`."""
    package = REPOSITORY / "client"
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path in sorted((package / "pyspark_connect_web").rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(package))
    return data.getvalue()


class Handler(tornado.web.RequestHandler):
    """Adds the isolation headers unless the server was told not to."""

    @property
    def lab(self) -> BridgeServer:
        return self.application.settings["lab"]  # type: ignore[no-any-return]

    def set_default_headers(self) -> None:
        if self.application.settings["lab"].isolated:
            self.set_header("Cross-Origin-Opener-Policy", "same-origin")
            self.set_header("Cross-Origin-Embedder-Policy", "credentialless")

    def check_xsrf_cookie(self) -> None:
        """These pages have no forms."""


class Files(Handler):
    """Pages, scripts and Pyodide, each from its folder."""

    def initialize(self, folder: Path, version: int | None = None) -> None:
        self.folder = folder
        self.version = version

    def get(self, name: str) -> None:
        path = self.folder / name
        if ".." in Path(name).parts or not path.is_file():
            raise tornado.web.HTTPError(404)
        self.set_header("Content-Type", MIME.get(path.suffix, "application/octet-stream"))
        if path.suffix == ".html":
            for name, value in self.lab.cookies.items():
                self.set_cookie(name, value)
        text = path.read_bytes()
        if self.version is not None:
            text = text.replace(b"PROTOCOL_VERSION = 2;", b"PROTOCOL_VERSION = %d;" % self.version)
        if path.suffix == ".html":
            text = text.replace(b"{{config}}", json.dumps(self.lab.page_config).encode())
        self.finish(text)


class ClientPackage(Handler):
    def get(self) -> None:
        self.finish(client_zip())


class StreamBytes(Handler):
    """`bytes` of the pattern, `piece` at a time, `gap` seconds apart; cut after `cut` bytes when given."""

    async def post(self) -> None:
        total = int(self.get_query_argument("bytes"))
        piece = int(self.get_query_argument("piece", str(len(PATTERN))))
        gap = float(self.get_query_argument("gap", "0"))
        cut = int(self.get_query_argument("cut", "-1"))
        self.stream = stream = self.lab.new_stream(self.get_query_argument("name", ""))
        self.set_header("Content-Type", "application/octet-stream")
        # Without it Chromium reads about 64 MiB ahead of its reader, as if it might cache the response.
        self.set_header("Cache-Control", "no-store")
        try:
            while stream.flushed < total:
                if 0 <= cut <= stream.flushed:
                    self.detach().close()
                    return
                start = stream.flushed % len(PATTERN)
                data = PATTERN[start : start + min(piece, total - stream.flushed)]
                self.write(data)
                await self.flush()
                stream.flushed += len(data)
                if gap:
                    await asyncio.sleep(gap)
            stream.finished = True
        except tornado.iostream.StreamClosedError:
            stream.closed.set()

    def on_connection_close(self) -> None:
        self.stream.closed.set()


class Silence(Handler):
    """Answers nothing at all, or only the head (`head=1`), until the client leaves."""

    async def post(self) -> None:
        self.stream = self.lab.new_stream(self.get_query_argument("name", ""))
        if self.get_query_argument("head", "0") == "1":
            await self.flush()
        await self.lab.wait_for(self.stream)

    def on_connection_close(self) -> None:
        self.stream.closed.set()


class Freeze(Handler):
    """Holds a page's blocking request until its kernel sends another one; 504 when none comes for two minutes."""

    async def get(self) -> None:
        self.lab.frozen.set()
        waiting = asyncio.ensure_future(self.lab.thawed.wait())
        await asyncio.wait([waiting], timeout=120)
        self.set_status(200 if waiting.done() else 504)
        waiting.cancel()
        self.lab.frozen.clear()
        self.lab.thawed.clear()
        self.finish()

    async def post(self) -> None:
        """The kernel waits until its page is held, or lets it go (`thaw`)."""
        if self.get_query_argument("thaw", None) is None:
            await self.lab.frozen.wait()
        else:
            self.lab.thawed.set()
        self.finish()


@tornado.web.stream_request_body
class Echo(Handler):
    """Says what arrived: length, hash, headers."""

    def prepare(self) -> None:
        self.request.connection.set_max_body_size(1 << 30)  # type: ignore[union-attr]
        self.digest = hashlib.sha256()
        self.count = 0

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self.digest.update(chunk)
        self.count += len(chunk)
        return None

    def options(self) -> None:
        self.allow_any_origin()
        self.set_status(204)

    def allow_any_origin(self) -> None:
        """CORS without credentials, as a remote hub allows it."""
        self.set_header("Access-Control-Allow-Origin", "*")
        self.set_header("Access-Control-Allow-Headers", "x-one, authorization, x-xsrftoken")

    def post(self) -> None:
        self.allow_any_origin()
        request = Request(
            self.request.path,
            {name.lower(): value for name, value in self.request.headers.get_all()},
            self.count,
            self.digest.hexdigest(),
        )
        self.lab.requests.append(request)
        self.set_header("X-Extra", "yes")
        self.finish({"bytes": self.count, "sha256": request.body_sha256, "headers": request.headers})


class Private(Echo):
    """Refuses whoever does not send the token of the moment."""

    def post(self) -> None:
        if self.request.headers.get("Authorization") != f"token {self.lab.token}":
            self.lab.requests.append(Request("refused", dict(self.request.headers.get_all())))
            self.set_status(int(self.get_query_argument("refusal", "403")))
            self.finish({"message": "no", "reason": "token"})
            return
        super().post()


class Elsewhere(Handler):
    def post(self) -> None:
        self.redirect("/login")

    def get(self) -> None:
        raise AssertionError("a redirect was followed")


class Moved(Handler):
    """A redirect that leads somewhere, as to a login page."""

    def post(self) -> None:
        self.redirect("/login-page")

    def get(self) -> None:
        self.finish("<form>")


class BridgeServer:
    """The server, running from construction to `close`.

    Args:
        isolated: whether every response carries COOP and COEP
    """

    def __init__(self, *, isolated: bool = True) -> None:
        self.isolated = isolated
        self.token = "first"
        self.cookies: dict[str, str] = {}
        self.page_config: dict[str, Any] = {"baseUrl": "/"}
        self.streams: dict[str, Stream] = {}
        self.requests: list[Request] = []
        self.port = 0
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        if not started.wait(60):
            raise RuntimeError("the test server did not start")

    @property
    def url(self) -> str:
        """Base URL without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop serving and drop every connection."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)

    def new_stream(self, name: str) -> Stream:
        """The record of a response that begins, kept when it has a name."""
        stream = Stream(name)
        if name:
            self.streams[name] = stream
        return stream

    async def wait_for(self, stream: Stream) -> None:
        """Until the client of `stream` has left or the server stops."""
        # The test waits for the same event in another thread, so it is not one of asyncio's.
        while not (stream.closed.is_set() or self._stop.is_set()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def _run(self, started: threading.Event) -> None:
        asyncio.run(self._serve(started))

    async def _serve(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.frozen, self.thawed = asyncio.Event(), asyncio.Event()
        application = tornado.web.Application(
            [
                (r"/js/(.*)", Files, {"folder": JS}),
                (r"/another-version/js/(.*)", Files, {"folder": JS, "version": OTHER_VERSION}),
                (r"/pyodide/(.*)", Files, {"folder": JS / "node_modules" / "pyodide"}),
                (r"/pages/(.*)", Files, {"folder": PAGES}),
                (r"/client.zip", ClientPackage),
                (r"/stream", StreamBytes),
                (r"/silence", Silence),
                (r"/freeze", Freeze),
                (r"/echo", Echo),
                (r"/private", Private),
                # where a page's own server has its endpoints: credentials go nowhere else
                (r"/pcw/grpc/default/test.Service/Echo", Echo),
                (r"/pcw/grpc/default/test.Service/Private", Private),
                (r"/elsewhere", Elsewhere),
                (r"/login", Elsewhere),
                (r"/moved", Moved),
                (r"/login-page", Moved),
            ],
            lab=self,
            log_function=lambda handler: None,
        )
        server = tornado.httpserver.HTTPServer(application)
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        self.port = sockets[0].getsockname()[1]
        started.set()
        await self._stop.wait()
        server.stop()
        await server.close_all_connections()
