"""A scripted Spark Connect server for a peer of the client."""

from __future__ import annotations

from typing import Any

from pyspark_connect_web import wire

from tests.client.peer import OK_HEAD, OK_TRAILERS, Exchange


class Spark:
    """Answers as a Spark Connect server whose every query yields ``responses`` messages."""

    def __init__(self, responses: int = 1) -> None:
        from pyspark.sql.connect import proto

        self.proto: Any = proto
        self.responses = responses
        self.seen: list[Any] = []

    def response(self, request: Any, number: int) -> Any:
        response = self.proto.ExecutePlanResponse(
            session_id=request.session_id,
            server_side_session_id="server",
            operation_id=request.operation_id,
            response_id=f"r{number}",
        )
        if number == self.responses:
            response.result_complete.SetInParent()
        return response

    def parse(self, exchange: Exchange) -> Any:
        kind = getattr(self.proto, f"{exchange.request.rpc}Request", self.proto.ExecutePlanRequest)
        request = kind.FromString(wire.FrameDecoder().feed(exchange.request.body)[0].payload)
        self.seen.append(request)
        return request

    def stream(self, exchange: Exchange, request: Any, first: int, last: int) -> None:
        for number in range(first, last + 1):
            exchange.chunk(wire.encode_frame(self.response(request, number).SerializeToString()))

    def __call__(self, exchange: Exchange) -> None:
        request = self.parse(exchange)
        if exchange.request.rpc in ("ExecutePlan", "ReattachExecute"):
            exchange.send(OK_HEAD)
            self.stream(exchange, request, 1, self.responses)
            exchange.chunk(OK_TRAILERS)
            exchange.chunk(b"")
            return
        kind = getattr(self.proto, f"{exchange.request.rpc}Response")
        answer = kind(session_id=request.session_id, server_side_session_id="server")
        exchange.message(answer.SerializeToString())


def run_command(session: Any) -> None:
    """A command: one ExecutePlan. PySpark asks once for a setting before it, and copes with any answer."""
    session.range(1).createOrReplaceTempView("v")
