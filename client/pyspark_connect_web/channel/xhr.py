"""The transport for pages that are not isolated: synchronous XMLHttpRequest, in a worker, when chosen.

It holds the whole response in memory, cannot be interrupted and takes one call at a time: that is why it
is never a default.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from pyspark_connect_web.channel.api import Head, Headers
from pyspark_connect_web.errors import BridgeError, ChannelCancelled, ChannelTimeout, NetworkError

__all__ = ["XhrCall", "XhrChannel"]


class XhrChannel:
    """Calls by synchronous XMLHttpRequest.

    Raises:
        BridgeError: not in a browser.
    """

    whole_answers = True
    """An answer can be read when it has ended, and no sooner."""

    def __init__(self) -> None:
        try:
            from js import XMLHttpRequest
        except ImportError:
            raise BridgeError(
                "The 'xhr' channel works in a browser only; in an ordinary Python process use 'http'."
            ) from None
        self._request_class = XMLHttpRequest

    def call(self, url: str, headers: Headers, parts: Iterable[bytes], timeout: float | None) -> XhrCall:
        """See `Channel.call`; blocks until the whole response is there.

        Raises:
            NetworkError: no answer, or the browser refused it (cross-origin rules); it does not say which.
                Also when the answer is a redirect's.
            BridgeError: the URL or a header is not valid.
            ChannelTimeout
        """
        from pyodide.ffi import JsException, to_js

        request = self._request_class.new()
        body = to_js(b"".join(parts))
        try:
            request.open("POST", url, False)
            request.responseType = "arraybuffer"
            if timeout is not None:
                request.timeout = max(1, int(timeout * 1000))
            for name, value in headers:
                request.setRequestHeader(name, value)
            asked = self._absolute(url)
            # Nothing runs while the worker waits: what was printed before is shown before.
            sys.stdout.flush()
            sys.stderr.flush()
            request.send(body)
        except JsException as error:
            name = getattr(error, "name", "")
            if name == "TimeoutError":
                raise ChannelTimeout(
                    "The server did not answer within the time given for the call."
                ) from None
            if name in ("SyntaxError", "TypeError"):
                raise BridgeError(
                    "The browser cannot send this request: its URL or a header is not valid."
                ) from None
            raise NetworkError(
                "The browser could not carry the request: the server is not reachable, or the connection was"
                f" cut.{self._foreign(url)} See the browser's console."
            ) from None
        if not request.status:
            raise NetworkError("The request ended without an answer: the server is not reachable.")
        # XMLHttpRequest follows redirects and cannot be told not to; the POST has become a GET by then.
        if request.responseURL != asked:
            raise NetworkError(
                "The request was answered with a redirect, most often to a login page. Sign in again in"
                " another tab or reload this page, then run the cell again."
            )
        return XhrCall(_head(request), request.response.to_bytes())

    def close(self) -> None:
        """Nothing is held between calls."""

    def _foreign(self, url: str) -> str:
        """What else may be the reason for a URL of another origin; the browser does not tell which it is."""
        from js import URL, location

        page = str(location.origin)
        if str(URL.new(url, location.href).origin) == page:
            return ""
        return (
            f" Most likely it runs and does not allow pages of {page} (CORS): allow them, on a Jupyter"
            f" server with the setting PcwExtension.allowed_origins={page}."
        )

    def _absolute(self, url: str) -> str:
        """The URL as `responseURL` shows it: without a fragment, relative ones resolved."""
        from js import URL, location

        resolved = URL.new(url, location.href)
        resolved.hash = ""
        return str(resolved.href)


class XhrCall:
    """A response that is already complete."""

    def __init__(self, head: Head, body: bytes) -> None:
        self._head = head
        self._body: bytes | None = body

    def head(self) -> Head:
        """See `Call.head`."""
        return self._head

    def ready(self) -> bool:
        """Always true."""
        return True

    def readable(self, seconds: float = 0.0) -> bool:
        """Always true."""
        return True

    def read(self) -> bytes:
        """The whole body, then ``b""``."""
        if self._body is None:
            raise ChannelCancelled("The call was cancelled.")
        body, self._body = self._body, b""
        return body

    def cancel(self) -> None:
        """Drop the response."""
        self._body = None


def _head(request: Any) -> Head:
    headers = []
    for line in str(request.getAllResponseHeaders() or "").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            headers.append((name.strip().lower(), value.strip()))
    return Head(int(request.status), headers)
