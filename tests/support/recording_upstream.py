"""A gRPC server that serves every service and method, and remembers what reached it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc


@dataclass(frozen=True)
class Received:
    """One call: the HTTP/2 path, the metadata, the messages."""

    path: str
    metadata: dict[str, str | bytes]
    messages: list[bytes] = field(repr=False)


class _Everything(grpc.GenericRpcHandler):
    def __init__(self, received: list[Received]) -> None:
        self._received = received
        self.begun = 0

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        self.begun += 1
        metadata = dict(details.invocation_metadata)

        def answer(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            self._received.append(Received(details.method, metadata, list(requests)))
            yield b""

        return grpc.stream_stream_rpc_method_handler(answer)


class RecordingUpstream:
    """grpcio on a free loopback port; `received` holds every call that reached it, the oldest first."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self._everything = _Everything(self.received)
        self._server = grpc.server(
            ThreadPoolExecutor(8),
            handlers=[self._everything],
            options=[("grpc.max_metadata_size", 1 << 20), ("grpc.absolute_max_metadata_size", 1 << 20)],
        )
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    @property
    def begun(self) -> int:
        """How many calls began, those that never ended included."""
        return self._everything.begun

    @property
    def address(self) -> str:
        """The connection string."""
        return f"sc://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End the server at once."""
        self._server.stop(None).wait()
