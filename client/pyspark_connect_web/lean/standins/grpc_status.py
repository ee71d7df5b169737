"""A stand-in for `grpc_status.rpc_status` where grpcio-status is not installed."""

from __future__ import annotations

from typing import Any

DETAILS_KEY = "grpc-status-details-bin"


def from_call(call: Any) -> Any:
    """The ``google.rpc.status_pb2.Status`` in a failed call's trailers, or None when there is none.

    Raises ``ValueError`` when it contradicts the call's own code or message.
    """
    from google.rpc import status_pb2  # type: ignore[import-untyped]  # generated, without annotations

    for key, value in call.trailing_metadata() or ():
        if key != DETAILS_KEY:
            continue
        status = status_pb2.Status.FromString(value)
        if call.code().value[0] != status.code:
            raise ValueError(
                f"Code in Status proto ({status.code}) doesn't match status code ({call.code()})"
            )
        if call.details() != status.message:
            raise ValueError(
                f"Message in Status proto ({status.message}) doesn't match status details ({call.details()})"
            )
        return status
    return None
