"""The transport of a browser kernel: blocking calls over SharedArrayBuffers, fetched by a network worker.

Everything that blocks is JavaScript: the object that Python knows as the module ``pcw_channel``. Our own
kernel registers it before Python runs; in a stock Pyodide kernel it is made here from ``kernel_channel.js``,
which the build of ``client/js`` puts beside this file. This file gives it the shape of a `Channel` and its
errors our names.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from importlib import import_module, resources
from typing import Any, TypeVar

from pyspark_connect_web.channel.api import Head, Headers
from pyspark_connect_web.errors import (
    BridgeError,
    ChannelCancelled,
    ChannelError,
    ChannelTimeout,
    NetworkError,
    NotIsolatedError,
)

__all__ = ["SabCall", "SabSyncChannel", "load_kernel_channel"]

T = TypeVar("T")

_MODULE = "pcw_channel"

# More than a ring holds: one read takes all that lies together.
_PIECE = 1 << 30

# Names of client/js/src/errors.js. A dropped idle stream is a cut connection: PySpark reattaches.
ERRORS: dict[str, type[ChannelError]] = {
    "PcwNetworkError": NetworkError,
    "PcwStreamEvicted": NetworkError,
    "PcwTimeout": ChannelTimeout,
    "PcwProtocolError": BridgeError,
    "PcwBridgeMissing": BridgeError,
    "PcwNotIsolated": NotIsolatedError,
}


class SabSyncChannel:
    """Calls through the page's bridge.

    Args:
        transport: ``kernel``, the way through the page's bridge; ``auto`` finds it.

    Raises:
        BridgeError: another transport was asked for, or this process is no kernel worker.
    """

    def __init__(self, transport: str = "auto") -> None:
        if transport not in ("auto", "kernel"):
            raise BridgeError(f"There is no transport {transport[:32]!r}; the only one is 'kernel'.")
        self.transport = "kernel"
        self._module = load_kernel_channel()
        self._running: dict[int, SabCall] = {}

    def call(self, url: str, headers: Headers, parts: Iterable[bytes], timeout: float | None) -> SabCall:
        """See `Channel.call`; returns as soon as the request was handed to the network worker.

        The first call of a kernel waits for the page's bridge. Each part is copied once, out of
        Python's memory, before the next one is made. A URL may be relative to the page.

        Raises:
            NotIsolatedError: no shared memory in this page; the message holds the remedy.
            BridgeError: the page has no bridge, or one of another version.
            NetworkError: the network worker does not start.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        body = (part for part in parts if part)
        call_id = _translate(lambda: self._module.open(url, json.dumps(list(headers)), body))
        call = SabCall(self, self._module, call_id, deadline)
        self._running[call_id] = call
        return call

    def forget(self, call_id: int) -> None:
        """Drop a call that is over."""
        self._running.pop(call_id, None)

    def close(self) -> None:
        """Cancel what runs."""
        for call in list(self._running.values()):
            call.cancel()


class SabCall:
    """One call; see `Call`. An interrupt of the kernel ends a wait within 50 ms and the call with it."""

    def __init__(self, channel: SabSyncChannel, module: Any, call_id: int, deadline: float | None) -> None:
        self._channel = channel
        self._module = module
        self._id = call_id
        self._deadline = deadline
        self._head: Head | None = None
        self._over = False
        self._cancelled = False

    def head(self) -> Head:
        """See `Call.head`.

        Raises:
            NetworkError: no response, or a redirect, which a POST does not follow.
            ChannelTimeout, ChannelCancelled, BridgeError
        """
        if self._head is None:
            text = self._do(lambda: self._module.head(self._id, self._left()))
            value = json.loads(text)
            self._head = Head(value["status"], [(name, content) for name, content in value["headers"]])
        return self._head

    def ready(self) -> bool:
        """See `Call.ready`."""
        if self._head is not None or self._over:
            return True
        try:
            _translate(lambda: self._module.head(self._id, 0))
        except ChannelTimeout:
            return False
        except ChannelError:
            return True  # `head` raises it again, to whoever asks
        return True

    def readable(self, seconds: float = 0.0) -> bool:
        """See `Call.readable`; an interrupt of the kernel ends the wait."""
        if self._over:
            return True
        try:
            # Reading no bytes waits for some, and takes none.
            _translate(lambda: self._module.read(self._id, 0, seconds * 1000))
        except ChannelTimeout:
            return False
        except ChannelError:
            return True  # `read` raises it again, to whoever asks
        return True

    def read(self) -> bytes:
        """See `Call.read`; one copy, out of the ring.

        Raises:
            NetworkError: the stream was cut, or was idle and gave its connection to another call.
            ChannelTimeout, ChannelCancelled, BridgeError
        """
        if self._over and not self._cancelled:
            return b""
        view = self._do(lambda: self._module.read(self._id, _PIECE, self._left()))
        # JavaScript's null is the end; Pyodide shows it as None or as a falsy JsNull.
        if not view:
            self._finish()
            return b""
        data: bytes = view.to_bytes()
        return data

    def cancel(self) -> None:
        """See `Call.cancel`."""
        if not self._over:
            self._cancelled = True
            self._finish()

    def _left(self) -> float | None:
        """Milliseconds; JavaScript takes None for no limit."""
        if self._deadline is None:
            return None
        return max(0.0, (self._deadline - time.monotonic()) * 1000)

    def _do(self, action: Callable[[], T]) -> T:
        if self._cancelled:
            raise ChannelCancelled("The call was cancelled.")
        try:
            return _translate(action)
        except ChannelError:
            self._finish()
            raise
        except BaseException:  # a KeyboardInterrupt most of all: nobody will read on
            self.cancel()
            raise

    def _finish(self) -> None:
        self._over = True
        self._channel.forget(self._id)
        self._module.close(self._id)


def load_kernel_channel() -> Any:
    """The module ``pcw_channel`` of this kernel; in a stock kernel it is made and registered now.

    Making it says hello to the page's bridge and does not block. The sooner it is made, the less the first
    call waits.

    Raises:
        BridgeError: this process is no browser kernel.
    """
    if _MODULE in sys.modules:
        return sys.modules[_MODULE]
    try:
        import pyodide_js
        from pyodide.code import run_js
    except ImportError:
        raise BridgeError(
            "The 'sab' channel works in a browser kernel only. In an ordinary Python process use the 'http'"
            " channel."
        ) from None
    try:
        return import_module(_MODULE)
    except ModuleNotFoundError:
        source = resources.files(__package__).joinpath("kernel_channel.js").read_text("utf-8")
        options = run_js("(checkInterrupt) => ({ checkInterrupt })")(pyodide_js.checkInterrupt)
        pyodide_js.registerJsModule(_MODULE, run_js(source).createKernelChannel(options))
        return import_module(_MODULE)


def _translate(action: Callable[[], T]) -> T:
    """Run a call into JavaScript and give its errors our classes; foreign ones are the bridge's fault."""
    from pyodide.ffi import JsException

    try:
        return action()
    except JsException as error:
        kind = ERRORS.get(getattr(error, "name", ""), BridgeError)
        raise kind(str(getattr(error, "message", "") or error)) from None
