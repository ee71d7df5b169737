"""A small distribution of packages: a bundle with its lock, and a web server with the files and faults on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.server import make_bundle

ALPHA = "alpha-1.0-cp314-cp314-pyemscripten_2026_0_wasm32.whl"
BETA = "beta-2.0+x-py3-none-any.whl"
BUNDLED = "some_package-1.0-py3-none-any.whl"
FILES = {ALPHA: b"PK alpha" + bytes(range(256)) * 2000, BETA: b"PK beta"}


def _entry(name: str, file: str, content: bytes, *depends: str) -> dict[str, Any]:
    return {
        "name": name,
        "version": file.split("-")[1],
        "file_name": file,
        "sha256": hashlib.sha256(content).hexdigest(),
        "depends": list(depends),
        "imports": [name],
        "install_dir": "site",
        "package_type": "package",
        "unvendored_tests": False,
    }


def make_distribution(folder: Path) -> Path:
    """A bundle whose full lock has two packages that it does not hold, and one that it does."""
    bundle = make_bundle(folder)
    packages = {
        "alpha": _entry("alpha", ALPHA, FILES[ALPHA], "beta", "some-package"),
        "beta": _entry("beta", BETA, FILES[BETA]),
        "some-package": _entry("some-package", BUNDLED, (bundle / "pyodide" / BUNDLED).read_bytes()),
    }
    lock = json.dumps({"info": {"python": "3.14.2"}, "packages": packages}).encode()
    (bundle / "pyodide" / "pyodide-lock.full.json").write_bytes(lock)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"]["pyodide/pyodide-lock.full.json"] = {
        "size": len(lock),
        "sha256": hashlib.sha256(lock).hexdigest(),
    }
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    return bundle


class PackageServer:
    """`url` has the files of `FILES`. `seen`: the requests; `fault`: what goes wrong, see the handler.

    A request sets `asked`, and waits while `gate` is clear.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.fault: str | None = None
        self.pages: dict[str, tuple[str, bytes]] = {}
        self.asked = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    @property
    def paths(self) -> list[str]:
        """The paths asked for."""
        return [path for path, _ in self.seen]

    def reset(self) -> None:
        """Forget requests and faults."""
        self.seen.clear()
        self.asked.clear()
        self.pages.clear()
        self.fault = None
        self.gate.set()


@contextmanager
def package_server() -> Iterator[PackageServer]:
    """Serve the files on loopback."""
    server = PackageServer("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.seen.append((self.path, dict(self.headers.items())))
            server.asked.set()
            server.gate.wait(20)
            if self.path in server.pages:
                kind, content = server.pages[self.path]
            else:
                kind, content = (
                    "application/zip",
                    FILES.get(self.path.rpartition("/")[2].replace("%2B", "+"), b""),
                )
            if server.fault is not None and server.fault.startswith("redirect "):
                self.send_response(302)
                self.send_header("Location", server.fault.removeprefix("redirect "))
                self.end_headers()
                return
            if not content or server.fault == "absent":
                self.send_error(404)
                return
            if server.fault == "other":
                content = bytes(len(content))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if server.fault == "cut" else content)

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are recorded, not printed."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_address[1]}/"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.gate.set()
        http.shutdown()
        thread.join(5)
        http.server_close()
