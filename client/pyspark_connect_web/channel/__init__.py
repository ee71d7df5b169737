"""The transports, one file each, and which one is taken.

sab    SharedArrayBuffer and a network worker: the default in a browser kernel
xhr    synchronous XMLHttpRequest: in a browser, only when chosen
http   sockets: on CPython
"""

from __future__ import annotations

import sys

from pyspark_connect_web.channel.api import Call, Channel, Head, Headers
from pyspark_connect_web.errors import ConnectionStringError

__all__ = ["TRANSPORTS", "Call", "Channel", "Head", "Headers", "default_transport", "open_channel"]

TRANSPORTS = ("sab", "xhr", "http")


def default_transport() -> str:
    """The transport of this process: ``sab`` in a browser, ``http`` elsewhere. ``xhr`` is never a default."""
    return "sab" if sys.platform == "emscripten" else "http"


def open_channel(transport: str | None = None) -> Channel:
    """A new channel.

    Args:
        transport: one of `TRANSPORTS`, ``kernel`` (another name of ``sab``), or None for the default.

    Raises:
        ConnectionStringError: the name is unknown.
        BridgeError: this process is not the kernel that the transport needs.
    """
    name = transport or default_transport()
    if name in ("sab", "kernel"):
        from pyspark_connect_web.channel.sab import SabSyncChannel

        return SabSyncChannel(transport="kernel")
    if name == "xhr":
        from pyspark_connect_web.channel.xhr import XhrChannel

        return XhrChannel()
    if name == "http":
        from pyspark_connect_web.channel.http import HttpChannel

        return HttpChannel()
    raise ConnectionStringError(f"There is no channel {name[:32]!r}; choose one of: {', '.join(TRANSPORTS)}.")
