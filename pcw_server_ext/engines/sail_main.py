"""The program that runs Sail: `python sail_main.py required|wanted`, started by `sail.launch`.

`required` ends the program when connections of other accounts cannot be kept out, `wanted` says so and goes on.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time

import sail_guard  # type: ignore[import-not-found]  # the file beside this one

# This file's own directory must not shadow modules that Sail's Python workers import.
sys.path.pop(0)

from pysail.spark import SparkConnectServer  # type: ignore[import-untyped]  # ships no types

_LIBRARY = "/pysail/_native.abi3.so"
# where no SETTINGS frame came from: the beginning of HTTP/2 on a new connection (RFC 9113, 3.4)
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"


def install_guard(*, required: bool) -> sail_guard.PeerFilter | None:
    """Let only this account connect from now on; None where that cannot be and is not `required`."""
    try:
        return sail_guard.install(_LIBRARY)
    except sail_guard.GuardError as error:
        if required:
            raise SystemExit(
                f"Sail is not started, because every account of this machine could use it: {error}. Set"
                ' PcwExtension.engine = "sail" to start it all the same.'
            ) from error
        print(f"Sail is open to every account of this machine: {error}", flush=True)
        return None


def await_service(address: tuple[str, int], seconds: float = 30.0) -> None:
    """Return when Sail answers: it names its port before it listens."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection(address, 1.0) as probe:
                probe.settimeout(max(deadline - time.monotonic(), 1.0))
                probe.sendall(_PREFACE)
                if probe.recv(9):
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise SystemExit(f"Sail does not answer on port {address[1]}")
        time.sleep(0.01)


def main(lock: str) -> None:
    """Serve on a free loopback port until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    guard = install_guard(required=lock == "required")
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    address = server.listening_address
    if address is None:
        raise SystemExit("Sail does not listen")
    await_service((address[0], address[1]))
    if guard is not None and not guard.seen:
        # it has taken our connection in another way
        raise SystemExit("Sail is not started: it takes connections without asking who they are from")
    print(f"Sail is ready on {address[0]}:{address[1]}", flush=True)
    while not stop.wait(1.0):
        if not server.running:
            raise SystemExit("Sail has stopped")
    server.stop()


if __name__ == "__main__":
    main(sys.argv[1])
