"""ConformanceService on grpcio, as service.proto of the suite describes it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import status_pb2
from grpc_status import rpc_status
from pyspark_connect_web.wire import decode_bin, encode_bin

from tests.conformance.suite import load


def to_metadata(headers: Iterable[Any]) -> list[tuple[str, str | bytes]]:
    """Convert the suite's headers, in which ``-bin`` values are base64, to grpcio's metadata."""
    pairs: list[tuple[str, str | bytes]] = []
    for header in headers:
        key = header.name.lower()
        for value in header.value:
            pairs.append((key, decode_bin(value) if key.endswith("-bin") else value))
    return pairs


def to_headers(pairs: Iterable[tuple[str, str | bytes]]) -> list[Any]:
    """Convert grpcio's metadata to the suite's headers: one a key, its values in order."""
    service_pb2: Any = load("service_pb2")
    values: dict[str, list[str]] = {}
    for key, value in pairs:
        values.setdefault(key, []).append(encode_bin(value) if isinstance(value, bytes) else value)
    return [service_pb2.Header(name=key, value=found) for key, found in values.items()]


def serve(port: int, max_message: int) -> grpc.Server:
    """Start the service on a loopback port; ``max_message`` is in bytes, 0 for no limit."""
    service_pb2: Any = load("service_pb2")
    service_pb2_grpc: Any = load("service_pb2_grpc")
    payload_type = service_pb2.ConformancePayload

    def info(requests: list[Any], context: grpc.ServicerContext) -> Any:
        found = payload_type.RequestInfo(request_headers=to_headers(context.invocation_metadata()))
        remaining = context.time_remaining()
        # grpcio reports "no deadline" as a number of seconds beyond all deadlines
        if remaining is not None and remaining < 10**8:
            found.timeout_ms = int(remaining * 1000)
        for request in requests:
            packed = any_pb2.Any()
            packed.Pack(request)
            found.requests.append(packed)
        return found

    def begin(definition: Any, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata(to_metadata(definition.response_trailers))
        context.send_initial_metadata(to_metadata(definition.response_headers))

    def fail(error: Any, request_info: Any | None, context: grpc.ServicerContext, trailers: Any) -> None:
        status = status_pb2.Status(code=error.code, message=error.message, details=error.details)
        if request_info is not None:
            status.details.add().Pack(request_info)
        if status.details:
            rich = rpc_status.to_status(status)
            context.set_trailing_metadata((*to_metadata(trailers), *rich.trailing_metadata))
        code = next(code for code in grpc.StatusCode if code.value[0] == error.code)
        context.abort(code, error.message)

    def one(definition: Any, requests: list[Any], context: grpc.ServicerContext) -> Any:
        begin(definition, context)
        time.sleep(definition.response_delay_ms / 1000)
        if definition.WhichOneof("response") == "error":
            fail(definition.error, info(requests, context), context, definition.response_trailers)
        return payload_type(data=definition.response_data, request_info=info(requests, context))

    def many(
        definition: Any, requests: list[Any], context: grpc.ServicerContext, response: Any
    ) -> Iterator[Any]:
        begin(definition, context)
        for number, data in enumerate(definition.response_data):
            payload = payload_type(data=data)
            if number == 0:
                payload.request_info.CopyFrom(info(requests, context))
            time.sleep(definition.response_delay_ms / 1000)
            yield response(payload=payload)
        if definition.HasField("error"):
            request_info = None if definition.response_data else info(requests, context)
            fail(definition.error, request_info, context, definition.response_trailers)

    class Service(service_pb2_grpc.ConformanceServiceServicer):  # type: ignore[misc]  # generated at run time
        def Unary(self, request: Any, context: grpc.ServicerContext) -> Any:
            return service_pb2.UnaryResponse(payload=one(request.response_definition, [request], context))

        def IdempotentUnary(self, request: Any, context: grpc.ServicerContext) -> Any:
            payload = one(request.response_definition, [request], context)
            return service_pb2.IdempotentUnaryResponse(payload=payload)

        def ClientStream(self, request_iterator: Iterable[Any], context: grpc.ServicerContext) -> Any:
            requests = list(request_iterator)
            definition = (
                requests[0].response_definition if requests else service_pb2.UnaryResponseDefinition()
            )
            return service_pb2.ClientStreamResponse(payload=one(definition, requests, context))

        def ServerStream(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            return many(request.response_definition, [request], context, service_pb2.ServerStreamResponse)

        def BidiStream(self, request_iterator: Iterable[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            # grpc-web over HTTP/1.1 is half-duplex at most: all requests, then all responses
            requests = list(request_iterator)
            definition = (
                requests[0].response_definition if requests else service_pb2.StreamResponseDefinition()
            )
            return many(definition, requests, context, service_pb2.BidiStreamResponse)

    options = [("grpc.max_receive_message_length", max_message or -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(32), options=options)
    service_pb2_grpc.add_ConformanceServiceServicer_to_server(Service(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server
