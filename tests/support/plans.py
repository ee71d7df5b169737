"""Spark Connect requests and answers as messages, without a client."""

from __future__ import annotations

import uuid
import warnings
from dataclasses import dataclass, field
from typing import Any

import pyarrow.ipc

with warnings.catch_warnings():
    # PySpark says on import that it does not know this version of pandas yet
    warnings.simplefilter("ignore", FutureWarning)
    from pyspark.sql.connect.proto import base_pb2


@dataclass
class Session:
    """One Spark session."""

    user: str = "ann"
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def _fill(self, request: Any) -> Any:
        request.session_id = self.id
        request.user_context.user_id = self.user
        return request

    def version(self) -> bytes:
        """An AnalyzePlan that asks for Spark's version."""
        request = self._fill(base_pb2.AnalyzePlanRequest())
        request.spark_version.SetInParent()
        return bytes(request.SerializeToString())

    def query(self, text: str, operation: str | None = None) -> bytes:
        """An ExecutePlan that runs a SQL query; reattachable when the operation is named."""
        request = self._fill(base_pb2.ExecutePlanRequest())
        request.operation_id = operation or str(uuid.uuid4())
        if operation is not None:
            request.request_options.add().reattach_options.reattachable = True
        request.plan.root.sql.query = text
        return bytes(request.SerializeToString())

    def reattach(self, operation: str) -> bytes:
        """A ReattachExecute that asks for an answer from its start."""
        request = self._fill(base_pb2.ReattachExecuteRequest(operation_id=operation))
        return bytes(request.SerializeToString())


def spark_version(message: bytes) -> str:
    """The version in an AnalyzePlan's answer."""
    return str(base_pb2.AnalyzePlanResponse.FromString(message).spark_version.version)


def rows(messages: list[bytes]) -> list[dict[str, Any]]:
    """The rows in an ExecutePlan's answer."""
    found: list[dict[str, Any]] = []
    for message in messages:
        response = base_pb2.ExecutePlanResponse.FromString(message)
        if response.HasField("arrow_batch"):
            with pyarrow.ipc.open_stream(response.arrow_batch.data) as reader:
                found += reader.read_all().to_pylist()
    return found
