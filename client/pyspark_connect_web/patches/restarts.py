"""Lets a session go on when Spark was started again behind it, and says what an error of Spark 3 means.

Spark tells its clients the id of the server's side of a session, and PySpark refuses to work with another one. When the
Jupyter server has told a query that the local engine crashed, which ends that query with an error, it adds the trailer
``x-pcw-session: lost``; then the next query begins the session anew, instead of failing a second time.
"""

from __future__ import annotations

from typing import Any, Final

from pyspark_connect_web.patches.apply import replace
from pyspark_connect_web.patches.extensions import explain_extension
from pyspark_connect_web.patches.older_servers import refusal_of_spark_3
from pyspark_connect_web.patches.pyspark_types import ConnectClient

__all__ = ["SESSION_LOST", "patch_restarts"]

SESSION_LOST: Final = ("x-pcw-session", "lost")


def patch_restarts() -> None:
    """Change ``SparkConnectClient._handle_rpc_error``; idempotent."""
    from pyspark.errors import PySparkException

    def handler(original: Any) -> Any:
        def handle(self: ConnectClient, rpc_error: Any) -> None:
            metadata = rpc_error.trailing_metadata() if hasattr(rpc_error, "trailing_metadata") else None
            if SESSION_LOST in (tuple(pair) for pair in metadata or ()):
                self._server_session_id = None
            try:
                original(self, rpc_error)
            except PySparkException as error:
                explain_extension(error)
                refusal = refusal_of_spark_3(self, error)
                if refusal is None:
                    raise
                raise refusal from None

        return handle

    replace("pyspark.sql.connect.client.core:SparkConnectClient._handle_rpc_error", handler)
