"""The errors of calls: ``grpc.RpcError`` and ``grpc.Call`` in one, of the grpc that PySpark itself sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from google.rpc import status_pb2  # type: ignore[import-untyped]  # generated, without annotations
from pyspark.sql.connect.client import core as _core

from pyspark_connect_web import wire
from pyspark_connect_web.errors import BridgeError, ChannelCancelled, ChannelError, ChannelTimeout

__all__ = ["GrpcWebError", "error_from_channel", "grpc", "local_error"]

# The module that PySpark's own code sees, real or a stand-in: its RpcError is the one that is caught.
grpc: Any = _core.grpc  # type: ignore[attr-defined]

Pairs = Sequence[tuple[str, "str | bytes"]]

_DETAILS = "grpc-status-details-bin"

_CallBase: Any = getattr(grpc, "Call", object)


class GrpcWebError(grpc.RpcError, _CallBase):  # type: ignore[misc]  # bases of an untyped module
    """A call that ended with another status than OK: an exception and the finished call in one."""

    def __init__(self, status: wire.Status, initial: Pairs = (), trailing: Pairs = ()) -> None:
        self.status = status
        """As it came."""
        self._code = grpc.StatusCode[status.code.name]
        self._details = status.message
        self._initial = tuple(initial)
        self._trailing = tuple(trailing)
        rich = _consistent_details(status)
        if rich is not None:
            self._details = rich.message
            self._trailing += ((_DETAILS, status.details or b""),)
        super().__init__(str(self))

    def code(self) -> Any:
        """The ``grpc.StatusCode``."""
        return self._code

    def details(self) -> str:
        """The message."""
        return self._details

    def initial_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """Metadata of the response head."""
        return self._initial

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """Metadata of the trailers; ``grpc-status-details-bin`` is a serialised ``google.rpc.Status``."""
        return self._trailing

    def debug_error_string(self) -> str:
        """As `str`; part of grpcio's interface."""
        return str(self)

    def is_active(self) -> bool:
        """False: the call is over."""
        return False

    def time_remaining(self) -> float | None:
        """None: the call is over."""
        return None

    def cancel(self) -> bool:
        """False: the call is over."""
        return False

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """False: the call is over and the callback is not kept."""
        return False

    def __str__(self) -> str:
        return f"[{self._code.name}] {self._details}"

    def __repr__(self) -> str:
        return f"<GrpcWebError {self}>"


def _consistent_details(status: wire.Status) -> status_pb2.Status | None:
    """The rich status, when it belongs to the plain one.

    `rpc_status.from_call` raises ValueError when the two differ. Proxies trim or re-encode
    ``grpc-message``, so the rich message counts; another code means that it is not this call's.
    """
    if status.details is None:
        return None
    try:
        rich = status_pb2.Status.FromString(status.details)
    except Exception:  # noqa: BLE001 - protobuf's DecodeError has another home in every implementation
        return None
    return rich if rich.code == int(status.code) else None


def local_error(code: wire.StatusCode, text: str) -> GrpcWebError:
    return GrpcWebError(wire.Status(code, text))


def error_from_channel(error: ChannelError) -> GrpcWebError:
    """The status of a call that the transport could not carry."""
    if isinstance(error, ChannelTimeout):
        code = wire.StatusCode.DEADLINE_EXCEEDED
    elif isinstance(error, ChannelCancelled):
        code = wire.StatusCode.CANCELLED
    elif isinstance(error, BridgeError):
        # Not UNAVAILABLE: PySpark would try again, and a page does not repair itself.
        code = wire.StatusCode.FAILED_PRECONDITION
    else:
        code = wire.StatusCode.UNAVAILABLE
    return local_error(code, str(error))
