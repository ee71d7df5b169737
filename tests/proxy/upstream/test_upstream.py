"""Connections to upstreams of every manner: refused, silent, closing, limited, TLS."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from pcw_server_ext.errors import ConfigurationError, UpstreamError
from pcw_server_ext.proxy.upstream import connections as upstream_module
from pcw_server_ext.proxy.upstream.configuration import remote_endpoint
from pcw_server_ext.proxy.upstream.connections import Address, Call, Upstream
from pcw_server_ext.proxy.upstream.http2 import Limits
from pcw_server_ext.proxy.upstream.http2.frames import Setting, goaway, rst_stream, window_update
from tests.support import certificates
from tests.support.h2peer import REQUEST
from tests.support.jupyter import free_port
from tests.support.raw_h2 import RawServer, RawStream
from tests.support.upstream import SERVICE, SyntheticUpstream

LOG = logging.getLogger("test")
MADE: list[Upstream] = []


def made(upstream: Upstream) -> Upstream:
    """Have the upstream closed at the end of the test."""
    MADE.append(upstream)
    return upstream


def to(port: int, **options: Any) -> Upstream:
    return made(Upstream(Address("127.0.0.1", port, f"127.0.0.1:{port}"), LOG, **options))


async def complete(call: Call) -> bytes:
    """The body of a whole answer."""
    await call.send(b"", end=True)
    await call.head()
    body = b""
    while True:
        body += b"".join(call.stream.take())
        if call.stream.ended and not call.stream.chunks:
            call.check()
            return body
        if not call.stream.chunks:
            await call.changed()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        try:
            await test()
        finally:
            while MADE:
                upstream = MADE.pop()
                upstream.close("end of the test")
                await upstream.wait_closed()

    asyncio.run(asyncio.wait_for(whole(), 20))


async def answering(stream: RawStream) -> None:
    await stream.hello()
    while True:
        stream.write(stream.peer.answer(await stream.request(), b"hello"))


async def unavailable(upstream: Upstream, says: str) -> None:
    with pytest.raises(UpstreamError, match=says) as caught:
        await upstream.open(REQUEST)
    assert caught.value.code == 14
    assert "127.0.0.1" not in caught.value.message


def test_calls_share_one_connection() -> None:
    async def test() -> None:
        async with RawServer(answering) as server:
            upstream = to(server.port)
            answers = await asyncio.gather(*[complete(await upstream.open(REQUEST)) for _ in range(5)])
            assert answers == [b"hello"] * 5
            assert server.connections == 1
            assert upstream.connected

    run(test)


def test_nobody_listens() -> None:
    run(lambda: unavailable(to(free_port()), "connection refused"))


def test_host_name_that_does_not_exist() -> None:
    run(
        lambda: unavailable(Upstream(Address("none.invalid", 1, "none.invalid:1"), LOG), "cannot be resolved")
    )


def test_silent_server_is_given_up() -> None:
    async def test() -> None:
        async with RawServer(RawStream.closed) as server:
            upstream = to(server.port, connect_timeout=0.3)
            began = time.monotonic()
            for _ in range(5):
                await unavailable(upstream, "no answer within 0.3 s")
            # a client's retries do not wait again
            assert server.connections == 1
            assert time.monotonic() - began < 30

    run(test)


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_server_that_speaks_something_else(data: bytes) -> None:
    async def script(stream: RawStream) -> None:
        stream.write(data)

    async def test() -> None:
        async with RawServer(script) as server:
            await unavailable(to(server.port), "before it was ready")

    run(test)


def test_goaway_leads_to_a_new_connection() -> None:
    async def script(stream: RawStream) -> None:
        await stream.hello()
        number = await stream.request()
        stream.write(goaway(number, 0) + stream.peer.answer(number, b"last"))
        await stream.closed()

    async def test() -> None:
        async with RawServer(script) as server:
            upstream = to(server.port)
            for expected in (1, 2, 3):
                assert await complete(await upstream.open(REQUEST)) == b"last"
                assert server.connections == expected

    run(test)


def test_closed_connection_leads_to_a_new_one() -> None:
    async def script(stream: RawStream) -> None:
        await stream.hello()
        stream.write(stream.peer.answer(await stream.request(), b"once"))

    async def test() -> None:
        async with RawServer(script) as server:
            upstream = to(server.port)
            for _ in range(3):
                assert await complete(await upstream.open(REQUEST)) == b"once"
                await upstream.wait_closed()
            assert server.connections == 3

    run(test)


def test_stream_limit_opens_more_connections_and_then_waits() -> None:
    gate = asyncio.Event()

    async def script(stream: RawStream) -> None:
        await stream.hello({Setting.MAX_CONCURRENT_STREAMS: 1})
        while True:
            number = await stream.request()
            await gate.wait()
            stream.write(stream.peer.answer(number, b"x"))

    async def test() -> None:
        async with RawServer(script) as server:
            upstream = to(server.port, max_connections=2)

            async def one() -> bytes:
                return await complete(await upstream.open(REQUEST))

            running = [asyncio.create_task(one()) for _ in range(5)]
            await asyncio.wait(running, timeout=0.3)
            assert not any(task.done() for task in running)
            gate.set()
            assert await asyncio.gather(*running) == [b"x"] * 5
            assert server.connections == 2

    run(test)


@pytest.mark.parametrize(
    ("reset", "code"), [(0x0, 13), (0x2, 13), (0x7, 14), (0x8, 1), (0xB, 8), (0xC, 7), (0x5, 2), (0x99, 2)]
)
def test_reset_becomes_the_code_of_the_grpc_document(reset: int, code: int) -> None:
    async def script(stream: RawStream) -> None:
        await stream.hello()
        stream.write(rst_stream(await stream.request(), reset))
        await stream.closed()

    async def test() -> None:
        async with RawServer(script) as server:
            upstream = to(server.port)
            with pytest.raises(UpstreamError) as caught:
                await complete(await upstream.open(REQUEST))
            assert caught.value.code == code

    run(test)


def test_silence_with_a_running_call_is_found_by_a_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_module, "_PONG_TIMEOUT", 0.3)

    async def script(stream: RawStream) -> None:
        await stream.hello()
        await stream.closed()

    async def test() -> None:
        async with RawServer(script) as server:
            call = await to(server.port, keepalive=0.3).open(REQUEST)
            with pytest.raises(UpstreamError, match="did not answer a ping"):
                await call.head()

    run(test)


def test_close_fails_what_runs_and_what_comes() -> None:
    async def script(stream: RawStream) -> None:
        await stream.hello()
        await stream.closed()

    async def test() -> None:
        async with RawServer(script) as server:
            upstream = to(server.port)
            call = await upstream.open(REQUEST)
            upstream.close("the server is shutting down")
            with pytest.raises(UpstreamError, match="shutting down"):
                await call.head()
            await unavailable(upstream, "shutting down")

    run(test)


def test_upload_waits_for_the_servers_window() -> None:
    go = asyncio.Event()

    async def script(stream: RawStream) -> None:
        await stream.hello({Setting.INITIAL_WINDOW_SIZE: 1000})
        await go.wait()
        stream.write(window_update(1, 10_000_000) + window_update(0, 10_000_000))
        stream.write(stream.peer.answer(await stream.request(), b"got it"))

    async def test() -> None:
        async with RawServer(script) as server:
            upstream = to(server.port, limits=Limits())
            call = await upstream.open(REQUEST)
            sending = asyncio.create_task(call.send(bytes(3_000_000)))
            await asyncio.sleep(0.2)
            assert not sending.done()
            go.set()
            await sending
            assert await complete(call) == b"got it"

    run(test)


# -- TLS


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> certificates.Pair:
    return certificates.make(tmp_path_factory.mktemp("own"), "own")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> certificates.Pair:
    return certificates.make(tmp_path_factory.mktemp("other"), "other")


def secured(own: certificates.Pair, *, client: certificates.Pair | None = None) -> SyntheticUpstream:
    credentials = grpc.ssl_server_credentials(
        [(own.key.read_bytes(), own.certificate.read_bytes())],
        root_certificates=client.certificate.read_bytes() if client else None,
        require_client_auth=client is not None,
    )
    return SyntheticUpstream(credentials)


def tls_upstream(port: int, **options: str) -> Upstream:
    endpoint = remote_endpoint(
        "x",
        {"url": f"sc://localhost:{port}/;use_ssl=true", **options},
        LOG,
        limits=Limits(),
        keepalive=0,
        where="here",
    )
    return made(endpoint.upstream)


CALL = [
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":path", f"/{SERVICE}/AnalyzePlan".encode()),
    (b":authority", b"localhost"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc+proto"),
]


def test_own_ca_is_trusted_and_alpn_is_h2(own: certificates.Pair) -> None:
    server = secured(own)

    async def test() -> None:
        upstream = tls_upstream(server.port, ca_file=str(own.certificate))
        call = await upstream.open(CALL)
        await call.send(b"\0\0\0\0\0")
        assert b"metadata" in await complete(call)

    run(test)
    server.stop()


def test_unknown_certificate_is_refused(own: certificates.Pair, other: certificates.Pair) -> None:
    server = secured(own)
    run(lambda: unavailable(tls_upstream(server.port, ca_file=str(other.certificate)), "TLS failed"))
    run(lambda: unavailable(tls_upstream(server.port), "TLS failed"))
    server.stop()


def test_certificate_of_another_host_is_refused(tmp_path: Path) -> None:
    wrong = certificates.make(tmp_path, "wrong", "elsewhere.example")
    server = secured(wrong)
    run(lambda: unavailable(tls_upstream(server.port, ca_file=str(wrong.certificate)), "TLS failed"))
    server.stop()


def test_client_certificate_is_shown(own: certificates.Pair, other: certificates.Pair) -> None:
    server = secured(own, client=other)

    async def test() -> None:
        upstream = tls_upstream(
            server.port,
            ca_file=str(own.certificate),
            client_cert=str(other.certificate),
            client_key=str(other.key),
        )
        call = await upstream.open(CALL)
        await call.send(b"\0\0\0\0\0")
        assert b"metadata" in await complete(call)

    run(test)
    run(
        lambda: unavailable(tls_upstream(server.port, ca_file=str(own.certificate)), "TLS failed|lost|closed")
    )
    server.stop()


def test_tls_without_http2_is_refused(own: certificates.Pair) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)

    async def test() -> None:
        async with RawServer(RawStream.closed, context) as server:
            await unavailable(tls_upstream(server.port, ca_file=str(own.certificate)), "ALPN h2")

    run(test)


@pytest.mark.parametrize(
    "config",
    [
        5,
        {"url": 5},
        {"url": "sc://h", "surprise": 1},
        {"url": "sc://h/;use_ssl=true", "ca_file": "/none"},
        {"url": "sc://h/;use_ssl=true", "client_cert": "/none"},
        {"url": "sc://h", "token_env": "PCW_TEST_NOT_SET"},
        {"url": "sc://h", "token_file": "/none"},
        {"url": "sc://h", "services": "a.B"},
        {"url": "sc://h", "services": 5},
        {"url": "sc://h", "services": [5]},
        {"url": "sc://h", "services": ["a/B"]},
        {"url": "sc://h", "services": ["a.B\r\nx"]},
        {"url": "sc://h", "services": {"a.B": "Get"}},
        {"url": "sc://h", "services": {"a.B": ["Get/x"]}},
        {"url": "sc://h", "services": {"a.B": {"Get": "yes"}}},
    ],
)
def test_wrong_endpoint_is_refused_with_its_place(config: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^here: "):
        remote_endpoint("x", config, LOG, limits=Limits(), keepalive=0, where="here")


@pytest.mark.parametrize(
    ("services", "streams"),
    [
        ((), [None, None]),
        (["a.B"], [True, True]),
        ({"a.B": ["Many"]}, [True, None]),
        ({"a.B": {"Many": True, "One": False}}, [True, False]),
        ({"a.B": None}, [True, True]),
        ({"a.C": []}, [None, None]),
    ],
)
def test_services_that_an_endpoint_lets_through(services: Any, streams: list[bool | None]) -> None:
    async def test() -> None:
        config = {"url": "sc://localhost", "services": services}
        endpoint = remote_endpoint("x", config, LOG, limits=Limits(), keepalive=0, where="here")
        assert [endpoint.client_streams("a.B", method) for method in ("Many", "One")] == streams
        assert endpoint.client_streams("spark.connect.SparkConnectService", "AddArtifacts") is True

    run(test)


def test_token_comes_from_environment_or_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PCW_TEST_TOKEN", "from-env")
    (tmp_path / "token").write_text("from-file\n")

    async def test() -> None:
        for config, token in (
            ({"url": "sc://localhost", "token_env": "PCW_TEST_TOKEN"}, b"from-env"),
            ({"url": "sc://localhost", "token_file": str(tmp_path / "token")}, b"from-file"),
        ):
            endpoint = remote_endpoint("x", config, LOG, limits=Limits(), keepalive=0, where="here")
            _, headers = await endpoint.connect()
            assert (b"authorization", b"Bearer " + token) in headers

    run(test)
