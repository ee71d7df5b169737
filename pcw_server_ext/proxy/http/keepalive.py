"""Notices a browser that vanished without closing its connection: asleep, out of reach, switched off."""

from __future__ import annotations

import socket
from typing import Final

# A connection on which nothing moves is probed after 30 s, and lost when three probes 10 s apart find nobody (tcp(7)).
# Bytes that are on their way are repeated instead, for as long as the system's own settings say.
_OPTIONS: Final = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 30),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 10),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
)


def probe(connection: socket.socket) -> None:
    """Let the system probe the peer; sockets that know no such thing are left alone."""
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    for level, name, value in _OPTIONS:
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(level, option, value)
