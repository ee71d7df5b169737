"""A gRPC server that does what the request says: a Spark Connect server without Spark."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from pcw_server_ext.proxy.access.identity import encode_field

SERVICE = "spark.connect.SparkConnectService"
_ORDER = 15


def order(**what: Any) -> bytes:
    """A request for `SyntheticUpstream`: messages, size, status, details, initial, trailing, wait, forever.

    It is a protobuf message as Spark's requests are, with one field: what the server puts behind it stays apart.
    """
    return encode_field(_ORDER, json.dumps(what).encode())


def _asked(request: bytes) -> dict[str, Any]:
    """The order, without the user that the server may have put behind it. Raises ValueError for another message."""
    if not request.startswith(b"\x7a"):
        raise ValueError("this is no order")
    begin = request.index(b"{", 2)
    while request[begin - 1] & 128:  # the length before it may have an octet like this
        begin = request.index(b"{", begin + 1)
    asked: dict[str, Any] = json.JSONDecoder().raw_decode(request[begin:].decode("utf-8", "replace"))[0]
    return asked


def pattern(size: int, seed: int = 0) -> bytes:
    """Bytes in which a lost, doubled or moved piece shows."""
    block = bytes((seed + i * 7) & 255 for i in range(251))
    return (block * (size // 251 + 1))[:size]


class SyntheticUpstream:
    """grpcio on a free loopback port.

    `calls` counts started calls, `cancelled` is set when a call was cancelled, `produced` counts messages that were
    taken from the handler.
    """

    def __init__(self, credentials: grpc.ServerCredentials | None = None, **options: Any) -> None:
        self.calls = 0
        self.produced = 0
        self.cancelled = threading.Event()
        self.requests: list[bytes] = []
        self.metadata: list[tuple[str, str | bytes]] = []
        settings = {"grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1, **options}
        self._server = grpc.server(ThreadPoolExecutor(40), options=list(settings.items()))
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    SERVICE,
                    {
                        "AnalyzePlan": grpc.unary_unary_rpc_method_handler(self._unary),
                        "ExecutePlan": grpc.unary_stream_rpc_method_handler(self._stream),
                        "AddArtifacts": grpc.stream_unary_rpc_method_handler(self._upload),
                    },
                ),
            )
        )
        if credentials is None:
            self.port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self._server.add_secure_port("localhost:0", credentials)
        self._server.start()

    @property
    def address(self) -> str:
        """The connection string."""
        return f"sc://127.0.0.1:{self.port}"

    def _begin(self, context: grpc.ServicerContext) -> None:
        self.calls += 1
        self.metadata = [(k, v) for k, v in context.invocation_metadata()]
        self.cancelled.clear()

    def _finish(self, asked: dict[str, Any], context: grpc.ServicerContext) -> None:
        if asked.get("trailing"):
            context.set_trailing_metadata([tuple(pair) for pair in asked["trailing"]])
        if asked.get("status"):
            context.abort(list(grpc.StatusCode)[asked["status"]], asked.get("details", ""))

    def _unary(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self._begin(context)
        asked = _asked(request) if request.startswith(b"\x7a") else {}
        if asked.get("initial"):
            context.send_initial_metadata([tuple(pair) for pair in asked["initial"]])
        time.sleep(asked.get("wait", 0))
        self._finish(asked, context)
        seen = {k: v.hex() if isinstance(v, bytes) else v for k, v in self.metadata}
        remaining = context.time_remaining()
        return json.dumps({"metadata": seen, "deadline": remaining}).encode()

    def _stream(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        self._begin(context)
        asked = _asked(request)
        context.add_callback(self._ended(context))
        if asked.get("initial"):
            context.send_initial_metadata([tuple(pair) for pair in asked["initial"]])
        size = asked.get("size", 10)
        for number in range(asked.get("messages", 0)):
            self.produced += 1
            yield pattern(size, number)
        if asked.get("forever"):
            while context.is_active():
                time.sleep(0.02)
        time.sleep(asked.get("wait", 0))
        self._finish(asked, context)

    def _ended(self, context: grpc.ServicerContext) -> Any:
        def callback() -> None:
            if context.code() is None or context.code() is grpc.StatusCode.CANCELLED:
                self.cancelled.set()

        return callback

    def _upload(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        self._begin(context)
        sizes, digest = [], 0
        self.requests = []
        for request in requests:
            self.requests.append(request)
            sizes.append(len(request))
            digest = (digest * 31 + sum(request[:1000]) + len(request)) % (1 << 32)
        return json.dumps(
            {"sizes": sizes[:100], "count": len(sizes), "total": sum(sizes), "digest": digest}
        ).encode()

    def stop(self) -> None:
        """End the server at once."""
        self._server.stop(None).wait()
