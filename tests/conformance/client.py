"""The client-mode program: calls described on stdin, made with the client's stub over its HTTP channel."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from google.rpc import status_pb2
from pyspark_connect_web import wire
from pyspark_connect_web.connection import Target
from pyspark_connect_web.rpc import stub

from tests.conformance.service import to_headers, to_metadata
from tests.conformance.suite import load, read_message, write_message

_SERVICE = "connectrpc.conformance.v1.ConformanceService"
# Most of the cases' time is spent in delays that they ask for.
_PARALLEL = 8


class Runner:
    """Makes one call after another; the results are complete once `finish` has returned."""

    def __init__(self, output: IO[bytes]) -> None:
        self._output = output
        self._lock = threading.Lock()
        self.compat: Any = load("client_compat_pb2")
        self.service: Any = load("service_pb2")

    def answer(self, request: Any) -> None:
        """Make the call that ``request`` describes and write its result."""
        response = self.compat.ClientCompatResponse(test_name=request.test_name)
        try:
            response.response.CopyFrom(self.call(request))
        except Exception as error:  # noqa: BLE001 - the runner wants to be told of any failure to make the call
            response.ClearField("result")
            response.error.message = f"{type(error).__name__}: {error}"
        with self._lock:
            write_message(self._output, response.SerializeToString())

    def call(self, request: Any) -> Any:
        """One call; returns a ClientResponseResult."""
        target = Target(f"http://{request.host}:{request.port}", request.host, transport="http")
        with stub.GrpcWebChannel(target) as channel:
            return Call(self, channel, request).run()


class Call:
    """One call of the suite on a channel of its own."""

    def __init__(self, runner: Runner, channel: stub.GrpcWebChannel, request: Any) -> None:
        self.service = runner.service
        self.request = request
        self.channel = channel
        self.result = runner.compat.ClientResponseResult()
        self.method = f"/{request.service or _SERVICE}/{request.method}"
        self.request_type = getattr(self.service, f"{request.method}Request")
        self.response_type = getattr(self.service, f"{request.method}Response")
        self.metadata = to_metadata(request.request_headers)
        self.timeout = request.timeout_ms / 1000 if request.HasField("timeout_ms") else None

    def messages(self) -> list[Any]:
        """The request messages."""
        found = []
        for packed in self.request.request_messages:
            message = self.request_type()
            packed.Unpack(message)
            found.append(message)
        return found

    def run(self) -> Any:
        """Make the call by the stub's own calling convention."""
        streaming = self.request.method == "ServerStream"
        try:
            if streaming:
                self._stream()
            elif self.request.HasField("cancel"):
                self._cancelled_unary()
            else:
                self._unary()
        except stub.GrpcWebError as error:
            self._fail(error)
        return self.result

    def _unary(self) -> None:
        many = self.request.method == "ClientStream"
        make = self.channel.stream_unary if many else self.channel.unary_unary
        call = make(self.method, self.request_type.SerializeToString, self.response_type.FromString)
        messages = self.messages()
        argument = iter(messages) if many else messages[0]
        response, finished = call.with_call(argument, self.timeout, self.metadata)
        if self.request.method != "Unimplemented":
            self.result.payloads.append(response.payload)
        self._metadata(finished)

    def _cancelled_unary(self) -> None:
        parts = []
        for message in self.messages():
            payload = message.SerializeToString()
            parts += [wire.frame_header(len(payload)), payload]
        rpc = self.channel.start(self.method, parts, self.timeout, self.metadata, False)
        with self._timer(rpc):
            payload = rpc.next_message()
        self.result.payloads.append(self.response_type.FromString(payload).payload)

    def _stream(self) -> None:
        call = self.channel.unary_stream(
            self.method, self.request_type.SerializeToString, self.response_type.FromString
        )
        (message,) = self.messages()
        stream = call(message, self.timeout, self.metadata)
        cancel = self.request.cancel
        after = (
            cancel.after_num_responses if cancel.WhichOneof("cancel_timing") == "after_num_responses" else 0
        )
        try:
            with self._timer(stream):
                for response in stream:
                    self.result.payloads.append(response.payload)
                    if after and len(self.result.payloads) == after:
                        stream.cancel()
        finally:
            self._metadata(stream)

    def _timer(self, call: Any) -> Any:
        """Cancel ``call`` at the time that the case asks for, from another thread."""
        cancel = self.request.cancel
        timing = cancel.WhichOneof("cancel_timing")
        if not self.request.HasField("cancel") or timing == "after_num_responses":
            return _Timer(None)
        delay = cancel.after_close_send_ms if timing == "after_close_send_ms" else 0
        return _Timer(threading.Timer(delay / 1000, call.cancel))

    def _metadata(self, call: Any) -> None:
        del self.result.response_headers[:], self.result.response_trailers[:]
        self.result.response_headers.extend(to_headers(call.initial_metadata()))
        self.result.response_trailers.extend(to_headers(call.trailing_metadata()))

    def _fail(self, error: stub.GrpcWebError) -> None:
        self._metadata(error)
        self.result.error.code = error.code().value[0]
        self.result.error.message = error.details()
        for key, value in error.trailing_metadata():
            if key == "grpc-status-details-bin":
                assert isinstance(value, bytes)
                self.result.error.details.extend(status_pb2.Status.FromString(value).details)


class _Timer:
    def __init__(self, timer: threading.Timer | None) -> None:
        self._timer = timer

    def __enter__(self) -> None:
        if self._timer is not None:
            self._timer.start()

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()


def main() -> None:
    """Serve the runner until it closes stdin."""
    runner = Runner(sys.stdout.buffer)
    request_type = runner.compat.ClientCompatRequest
    with ThreadPoolExecutor(_PARALLEL) as pool:
        while (data := read_message(sys.stdin.buffer)) is not None:
            pool.submit(runner.answer, request_type.FromString(data))


if __name__ == "__main__":
    main()
