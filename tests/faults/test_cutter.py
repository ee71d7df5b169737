"""The relay that cuts: which connection it cuts, when, and that it leaves the others alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.support.cutter import Cutter


class Echo:
    """Answers each byte with a thousand of it."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(1 << 16):
                    for byte in data:
                        connection.sendall(bytes([byte]) * 1000)
            except OSError:
                return

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def cutter() -> Iterator[Cutter]:
    server = Echo()
    relay = Cutter(server.port)
    yield relay
    relay.close()
    server.close()


def dial(cutter: Cutter) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", cutter.port), 20)
    connection.settimeout(20)
    return connection


def read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (piece := connection.recv(count - len(data))):
        data += piece
    return data


def test_only_the_connection_with_the_mark_is_cut(cutter: Cutter) -> None:
    with dial(cutter) as mine, dial(cutter) as other:
        cutter.arm(b"mine", 1500, reset=False)
        # more than the cut's number of bytes passes on the other connection, before and after the mark
        other.sendall(b"xyz")
        assert len(read(other, 3000)) == 3000
        mine.sendall(b"mine")
        assert read(mine, 4000) == b"m" * 1000 + b"i" * 500
        other.sendall(b"xyz")
        assert len(read(other, 3000)) == 3000
    assert cutter.cuts == 1


def test_mark_is_found_in_pieces_and_not_before_it_is_whole(cutter: Cutter) -> None:
    with dial(cutter) as connection:
        cutter.arm(b"mark", 10, reset=False)
        connection.sendall(b"ma")
        assert len(read(connection, 2000)) == 2000
        connection.sendall(b"rk")
        assert len(read(connection, 2000)) == 10
    assert cutter.cuts == 1


def test_reset_is_a_reset(cutter: Cutter) -> None:
    with dial(cutter) as connection:
        cutter.arm(b"m", 1, reset=True)
        connection.sendall(b"m")
        with pytest.raises(ConnectionResetError):
            read(connection, 1000)
    assert cutter.cuts == 1


def test_cuts_once_and_not_when_disarmed(cutter: Cutter) -> None:
    cutter.arm(b"m", 1, reset=False)
    with dial(cutter) as connection:
        connection.sendall(b"m")
        assert read(connection, 1000) == b"m"
    with dial(cutter) as connection:
        connection.sendall(b"m")
        assert len(read(connection, 1000)) == 1000
        cutter.arm(b"m", 1, reset=False)
        cutter.disarm()
        connection.sendall(b"m")
        assert len(read(connection, 1000)) == 1000
    assert cutter.cuts == 1
