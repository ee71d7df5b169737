"""Run a command where every connection but loopback's is refused: `python -m tests.support.offline COMMAND ...`.

A network namespace of its own has no interface but loopback, so neither the server nor the browser can reach
anything else, whatever they try. Where the system does not allow namespaces, the command runs as it is and says so.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
IFF_UP = 0x1
MARKER = "PCW_TEST_OFFLINE"


def isolate() -> bool:
    """Move this process into an empty network namespace with loopback up; False where that is not allowed."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET) != 0:
            return False
    except (OSError, AttributeError):
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))
    return True


def main(command: list[str]) -> None:
    """Replace this process by `command`, offline if the system allows it."""
    if isolate():
        os.environ[MARKER] = "1"
    else:
        print(
            "No network namespace may be made here (root can): the tests run with the network.",
            file=sys.stderr,
        )
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
