"""Lets a session go on when Spark was started again behind it.

Spark tells its clients the id of the server's side of a session, and PySpark refuses to work with another one. When the
Jupyter server has told a query that the local engine crashed, which ends that query with an error, it adds the trailer
``x-pcw-session: lost``; then the next query begins the session anew, instead of failing a second time.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any, Final

__all__ = ["SESSION_LOST", "patch_restarts"]

SESSION_LOST: Final = ("x-pcw-session", "lost")
_MARK: Final = "_pcw_restarts"


def patch_restarts() -> None:
    """Change ``SparkConnectClient._handle_rpc_error``; idempotent. PySpark is imported."""
    client: Any = importlib.import_module("pyspark.sql.connect.client.core").SparkConnectClient
    original = client._handle_rpc_error
    if getattr(original, _MARK, False):
        return

    @functools.wraps(original)
    def handle(self: Any, rpc_error: Any) -> None:
        metadata = rpc_error.trailing_metadata() if hasattr(rpc_error, "trailing_metadata") else None
        if SESSION_LOST in (tuple(pair) for pair in metadata or ()):
            self._server_session_id = None
        original(self, rpc_error)

    setattr(handle, _MARK, True)
    client._handle_rpc_error = handle
