"""The program that runs Sail; started by ``sail.launch`` and told nothing but its environment."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time

# This file's own directory must not shadow modules that Sail's Python workers import.
sys.path.pop(0)

from pysail.spark import SparkConnectServer  # type: ignore[import-untyped]  # ships no types


def await_listener(address: tuple[str, int], seconds: float = 30.0) -> None:
    """Return when the port takes connections: Sail names it before it listens."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(address, 1.0).close()
        except OSError:
            if time.monotonic() > deadline:
                raise SystemExit(f"Sail does not take connections on port {address[1]}") from None
            time.sleep(0.01)
        else:
            return


def main() -> None:
    """Serve on a free loopback port until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    address = server.listening_address
    if address is None:
        raise SystemExit("Sail does not listen")
    await_listener((address[0], address[1]))
    print(f"Sail is ready on {address[0]}:{address[1]}", flush=True)
    while not stop.wait(1.0):
        if not server.running:
            raise SystemExit("Sail has stopped")
    server.stop()


if __name__ == "__main__":
    main()
