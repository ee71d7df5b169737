"""Attacks of another account on a local engine; a program of its own, for any Python 3.

python stranger_attacks.py NAME JSON_ARGUMENTS      prints {"uid": ..., "result": ...}
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"


def speak(port: int, text: str = "", times: int = 1) -> list[str]:
    """Say hello in HTTP/2 (or send hexadecimal `text`); returns each answer, empty when the connection was closed."""
    answers = []
    sockets = []
    for _ in range(times):
        with contextlib.suppress(OSError):
            sockets.append(socket.create_connection(("127.0.0.1", port), 10))
            sockets[-1].sendall(bytes.fromhex(text) or HTTP2)
    for one in sockets:
        one.settimeout(10)
        answer = b""
        with contextlib.suppress(OSError):
            while piece := one.recv(65536):
                answer += piece
                if not text:
                    break
                one.settimeout(1)
        answers.append(answer.decode("latin-1"))
        one.close()
    return answers


def speak_as_somebody_who_left(port: int) -> list[str]:
    """Send and close before the server has looked, so that the kernel knows no other end any more."""
    for _ in range(50):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 10) as one:
            one.sendall(HTTP2)
            one.shutdown(socket.SHUT_WR)
    return speak(port)


def _request(body: bytes) -> str:
    """A request of Spark's transport layer (`RpcRequest`) as hexadecimal text."""
    message = struct.pack(">bqi", 3, 7, len(body)) + body
    return (struct.pack(">q", 8 + len(message)) + message).hex()


def ask_for_a_block(port: int, block: str) -> str:
    """Ask a block manager to open a block (`OpenBlocks`); returns what it says."""

    def text(value: str) -> bytes:
        return struct.pack(">i", len(value)) + value.encode()

    body = b"\0" + text("app") + text("driver") + struct.pack(">i", 1) + text(block)
    return speak(port, _request(body))[0]


def call_endpoint(port: int) -> str:
    """Call an endpoint of the driver without a credential; returns what it says."""
    body = b"\0\1" + struct.pack(">H", 9) + b"127.0.0.1" + struct.pack(">i", port)
    name = b"endpoint-verifier"
    return speak(port, _request(body + struct.pack(">H", len(name)) + name + b"\xac\xed\0\5"))[0]


def read(paths: list[str]) -> dict[str, str]:
    """What can be seen of files and folders: their content, or the error."""
    seen = {}
    for path in paths:
        try:
            if os.path.isdir(path):
                seen[path] = " ".join(os.listdir(path))
            else:
                with open(path, "rb") as file:
                    seen[path] = file.read(1 << 20).decode("latin-1")
        except OSError as error:
            seen[path] = type(error).__name__
    return seen


def walk(folder: str, owner: int) -> list[str]:
    """Every file of `owner` below `folder` that can be opened."""
    found = []
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            with contextlib.suppress(OSError):
                if os.stat(path).st_uid == owner:
                    with open(path, "rb"):
                        found.append(path)
    return found


def command_lines() -> list[str]:
    """The command lines of all processes, as `ps` shows them."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as file:
                found.append(file.read().replace(b"\0", b" ").decode("utf-8", "replace"))
    return found


if __name__ == "__main__":
    attacks: dict[str, Callable[..., Any]] = {
        one.__name__: one
        for one in (
            speak,
            speak_as_somebody_who_left,
            ask_for_a_block,
            call_endpoint,
            read,
            walk,
            command_lines,
        )
    }
    result = attacks[sys.argv[1]](*json.loads(sys.argv[2]))
    print(json.dumps({"uid": os.getuid(), "result": result}))
