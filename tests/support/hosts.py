"""Servers that host sites in processes of their own, and requests to them."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

ENVOY = Path(sys.executable).with_name("envoy")


@contextlib.contextmanager
def running(
    command: list[str | Path], port: int, log: Path, trusted: ssl.SSLContext | None = None
) -> Iterator[None]:
    """Run a server until it answers, by TLS with a context that trusts it; end it afterwards."""
    scheme = "http" if trusted is None else "https"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 120
            while True:
                assert process.poll() is None, log.read_text(errors="replace")
                assert time.monotonic() < deadline, log.read_text(errors="replace")
                try:
                    urllib.request.urlopen(
                        f"{scheme}://localhost:{port}/", timeout=30, context=trusted
                    ).close()
                    break
                except urllib.error.HTTPError:
                    break
                except OSError:
                    time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(60)


def ask(
    port: int,
    path: str,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, headers=headers or {}, body=body)
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()
