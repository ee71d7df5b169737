"""Tells PySpark, in Spark's words, that a plan never reached the engine, so that it sends the plan again.

A plan that meets a proxy without its server, or a connection that just closed, ends with UNAVAILABLE. PySpark then asks
for the answers of its operation (``ReattachExecute``). Spark says ``INVALID_HANDLE.OPERATION_NOT_FOUND`` to that, by
which PySpark knows that the plan has to be sent (`ExecutePlanResponseReattachableIterator._call_iter`). Sail says
"operation not found" with INVALID_ARGUMENT, which ended the cell with an error about an id that nobody had seen; or,
when the answer was under way on a connection that broke, "task context not found" with INTERNAL.

Spark remembers operations that have ended; of Sail that is not known, so a plan that ran while its connection was down
could look like one that never came. Only plans that read are sent again; a command may have written, and a query of
which a part has come cannot begin anew. Sail also forgets what somebody interrupted. These end with an error that says
what to do.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from google.rpc import status_pb2  # type: ignore[import-untyped]  # generated, without annotations

from pyspark_connect_web import wire
from pyspark_connect_web.rpc.call import Explain
from pyspark_connect_web.rpc.error import GrpcWebError

__all__ = ["UnansweredPlans"]

_SAIL: Final = (
    (wire.StatusCode.INVALID_ARGUMENT, "operation not found"),
    (wire.StatusCode.INTERNAL, "task context not found for operation"),
)
"""How Sail says that it has no answer of an operation to give."""
_MOST: Final = 256
"""Operations that are remembered: more never run at a time in one notebook."""


class UnansweredPlans:
    """Operations that only read and whose ``ExecutePlan`` ended with UNAVAILABLE before it had given an answer."""

    def __init__(self) -> None:
        self._operations: OrderedDict[str, None] = OrderedDict()

    def explaining(self, method: str, request: Any) -> Explain | None:
        """What keeps, or explains, the error that the answers to `request` may end with."""
        operation = getattr(request, "operation_id", "")
        if operation and method.endswith("/ExecutePlan") and request.plan.HasField("root"):
            return lambda error, begun: self._kept(operation, error, begun)
        if operation and method.endswith("/ReattachExecute"):
            return lambda error, _: self._explained(operation, error)
        return None

    def _kept(self, operation: str, error: GrpcWebError, begun: bool) -> GrpcWebError:
        if error.status.code is wire.StatusCode.UNAVAILABLE and not begun:
            self._operations[operation] = None
            while len(self._operations) > _MOST:
                self._operations.popitem(last=False)
        return error

    def _explained(self, operation: str, error: GrpcWebError) -> GrpcWebError:
        code, text = error.status.code, error.status.message
        if not any(code is known and words in text for known, words in _SAIL):
            return error
        if operation in self._operations:
            del self._operations[operation]
            text = f"[INVALID_HANDLE.OPERATION_NOT_FOUND] {text}"
        else:
            text = (
                "Spark no longer knows of this operation: it was interrupted elsewhere, or its connection broke while"
                f" it ran. Run it again; if it writes, look first whether it has written. ({text})"
            )
        details = status_pb2.Status(code=int(code), message=text).SerializeToString()
        return GrpcWebError(
            wire.Status(code, text, details), error.initial_metadata(), error.trailing_metadata()
        )
