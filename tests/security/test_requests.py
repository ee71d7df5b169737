"""Requests that are malformed, creep, or hide their user: refused in time, with a status that says so."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark_connect_web.wire import encode_frame

from pcw_server_ext.proxy.access.identity import encode_field
from tests.support.paths import CLIENT, REPOSITORY
from tests.support.plans import base_pb2
from tests.support.recording_upstream import RecordingUpstream
from tests.support.server import StartServer, start
from tests.support.upstream import SyntheticUpstream, order
from tests.support.web import SERVICE, Site, decode

INVALID_ARGUMENT, INTERNAL = 3, 13
PROVIDER = """
from jupyter_server.auth import IdentityProvider, User

class Bob(IdentityProvider):
    async def get_user(self, handler):
        user = await super().get_user(handler)
        return user and User("bob", "Bob")
"""


@pytest.fixture(scope="module")
def site(recorder: RecordingUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that sets bob as the user of every request."""
    folder: Path = tmp_path_factory.mktemp("requests")
    (folder / "bobs.py").write_text(PROVIDER)
    with start(
        folder,
        f"--PcwExtension.endpoints={{'synthetic': '{recorder.address}'}}",
        "--PcwExtension.identity=on",
        "--ServerApp.identity_provider_class=bobs.Bob",
        f"--Bob.token={'t' * 20}",
        token="t" * 20,
        environment={"PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY, CLIENT, folder)))},
    ) as process:
        yield Site(process)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b"{",
        b"[]",
        b"5",
        b'"x"',
        b"null",
        b"[" * 100_000,
        b'{"note": ' * 100_000,
        b'{"endpoint": "\xff"}',
        b'{"surprise": 1}',
        b'{"ttl": 1e999}',
        b'{"ttl": "8h"}',
        b'{"ttl": true}',
        b'{"ttl": NaN}',
        b'{"ttl": ' + b"9" * 5000 + b"}",
        b'{"ttl": ' + b"9" * 400 + b"}",
        b'{"ttl": -1}',
        b'{"endpoint": ["synthetic"]}',
        b'{"note": {}}',
    ],
    ids=lambda body: body[:16].decode("latin-1"),
)
def test_body_that_is_no_order_for_a_token_is_a_400(site: Site, body: bytes) -> None:
    answer = site.request("POST", "pcw/api/tokens", body=body)
    assert answer.status == 400
    assert answer.json()["message"]


ANN = base_pb2.UserContext(user_id="ann", user_name="ann").SerializeToString()
HIDDEN_USERS = {
    "not a message": encode_field(2, b"\xff\xff\xff"),
    "cut off inside": encode_field(2, ANN + b"\x12\x7fx"),
    "open field at its end": encode_field(2, ANN + b"\x7a\x20"),
    "number in place of a name": encode_field(2, b"\x08\x05"),
    "bytes in place of a name": encode_field(2, encode_field(1, b"\xff\xfe")),
    "a group": encode_field(2, b"\x0b" + ANN + b"\x0c"),
    "field zero inside": encode_field(2, b"\x02\x00"),
    "number in place of a user": b"\x10\x05",
    "fixed in place of a user": b"\x15\0\0\0\0",
    "larger than any client's": encode_field(2, encode_field(999, b"x" * 70_000) + ANN),
    "one good and one broken": encode_field(2, ANN) + encode_field(2, b"\x0a\x7f"),
}


@pytest.mark.parametrize("user", HIDDEN_USERS.values(), ids=list(HIDDEN_USERS))
def test_user_that_cannot_be_read_is_refused(site: Site, recorder: RecordingUpstream, user: bytes) -> None:
    for method in ("Config", "ExecutePlan", "AddArtifacts"):
        before = len(recorder.received)
        answer = site.grpc(method, encode_field(1, b"session") + user)
        assert answer.status == INVALID_ARGUMENT
        assert "user_context cannot be read" in answer.message.replace("%20", " ")
        assert [call.messages for call in recorder.received[before:]] in ([], [[]])


@pytest.mark.parametrize("message", [b"\x02\x00", b"\x0b\x0c", b"\xff" * 12, b"\x0a\x05abc"])
def test_message_that_is_not_sparks_is_refused(site: Site, message: bytes) -> None:
    answer = site.grpc("Config", message)
    assert answer.status == INTERNAL
    assert "cut off or is not a Spark Connect message" in answer.message.replace("%20", " ")


def test_users_that_clients_send_are_replaced(site: Site, recorder: RecordingUpstream) -> None:
    context = base_pb2.UserContext(user_id="ann", user_name="Ännchen")
    context.extensions.add(type_url="type/x", value=b"\xff\0" * 5000)
    for sent in (b"", encode_field(2, b""), encode_field(2, context.SerializeToString())):
        assert site.grpc("Config", encode_field(1, b"session") + sent).status == 0
        [message] = recorder.received[-1].messages
        seen = base_pb2.ConfigRequest.FromString(message)
        assert (seen.session_id, seen.user_context.user_id, seen.user_context.user_name) == (
            "session",
            "bob",
            "Bob",
        )
    assert seen.user_context.extensions[0].value == b"\xff\0" * 5000


def creep(site: Site, body: bytes, pause: float) -> tuple[float, int, bytes]:
    """Send a request octet by octet; returns how long it took, how many went out, and the answer."""
    head = f"POST {site.base_url}pcw/grpc/synthetic/{SERVICE}/AnalyzePlan HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    head += f"Authorization: token {site.token}\r\nContent-Type: application/grpc-web+proto\r\n"
    head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    begin = time.monotonic()
    sent, answer = 0, b""
    with socket.create_connection(("127.0.0.1", site.process.port), 30) as connection:
        connection.sendall(head.encode())
        connection.settimeout(pause)
        while sent < len(body):
            try:
                connection.sendall(body[sent : sent + 1])
                sent += 1
                if not connection.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            connection.settimeout(30)
            while piece := connection.recv(65536):
                answer += piece
    return time.monotonic() - begin, sent, answer


def test_request_that_creeps_is_cut_off(start_server: StartServer, upstream: SyntheticUpstream) -> None:
    site = start_server(
        f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}'}}",
        "--PcwExtension.request_idle_timeout=2",
    )
    # an octet each fifth of a second never stands still for two
    seconds, sent, answer = creep(site, encode_frame(order(pad="x" * 500)), 0.2)
    assert answer == b""
    assert sent < 200
    assert seconds >= 1.9
    assert "stood still and is cut off" in site.process.printed()


def test_request_that_creeps_is_served_where_the_minimum_is_off(
    start_server: StartServer, upstream: SyntheticUpstream
) -> None:
    site = start_server(
        f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}'}}",
        "--PcwExtension.request_idle_timeout=2",
        "--PcwExtension.request_minimum_rate=0",
    )
    seconds, _, answer = creep(site, encode_frame(order(pad="x")), 0.2)
    assert seconds > 3
    assert b"grpc-status:0" in answer


def test_time_that_spark_takes_does_not_count(start_server: StartServer, upstream: SyntheticUpstream) -> None:
    site = start_server(
        f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}'}}",
        "--PcwExtension.request_idle_timeout=1",
    )
    answer = site.grpc("AnalyzePlan", order(wait=3))
    assert decode(answer.http).status == 0


@pytest.mark.parametrize("piece", [b"", b"x"])
def test_upload_of_a_site_that_stands_still_or_creeps_is_cut_off(
    start_server: StartServer, upstream: SyntheticUpstream, piece: bytes
) -> None:
    site = start_server(
        f"--PcwExtension.endpoints={{'default': '{upstream.address}'}}",
        "--PcwExtension.request_idle_timeout=1.0",
    )
    head = f"PUT {site.base_url}pcw/api/sites/slow HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    head += f"Authorization: token {site.token}\r\nContent-Length: 5000\r\n\r\n"
    answer = b""
    with (
        socket.create_connection(("127.0.0.1", site.process.port), 30) as connection,
        contextlib.suppress(ConnectionError),
    ):
        connection.sendall(head.encode() + b"PK")
        connection.settimeout(0.2 if piece else 60)
        while True:
            try:
                answer = connection.recv(100)
                break
            except TimeoutError:
                # an octet each fifth of a second never stands still
                connection.sendall(piece)
    assert answer == b""
    assert "An upload to pcw/api/sites stood still and is cut off." in site.process.printed()
    assert site.request("GET", "pcw/api/sites").json() == {"sites": []}
