"""A session whose engine was started again begins anew, once the crash has been told."""

from __future__ import annotations

import warnings
from typing import Any

import grpc
import pytest
from pyspark.errors import PySparkException
from pyspark_connect_web.patches.restarts import SESSION_LOST, patch_restarts

from pcw_server_ext.proxy.call import exchange

with warnings.catch_warnings():
    # PySpark says on import that it does not know this version of pandas yet
    warnings.simplefilter("ignore", FutureWarning)
    from pyspark.sql.connect.client.core import SparkConnectClient


class Lost(grpc.RpcError):
    """What a call raises whose status is ABORTED."""

    def __init__(self, *metadata: tuple[str, str]) -> None:
        super().__init__("The Spark engine stopped.")
        self._metadata = metadata

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.ABORTED

    def details(self) -> str:
        return "The Spark engine stopped."

    def trailing_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(SparkConnectClient, "_handle_rpc_error", SparkConnectClient._handle_rpc_error)
    patch_restarts()
    patch_restarts()
    made: Any = SparkConnectClient.__new__(SparkConnectClient)
    made._server_session_id = "before"
    return made


@pytest.mark.parametrize(
    ("metadata", "after"),
    [((), "before"), ((("x-other", "lost"),), "before"), ((SESSION_LOST,), None)],
    ids=["none", "other", "lost"],
)
def test_session_is_begun_anew_only_when_the_server_says_it_is_lost(
    client: Any, metadata: tuple[tuple[str, str], ...], after: str | None
) -> None:
    with pytest.raises(PySparkException, match="The Spark engine stopped"):
        client._handle_rpc_error(Lost(*metadata))
    assert client._server_session_id == after


def test_client_and_server_name_it_alike() -> None:
    assert exchange.SESSION_LOST == SESSION_LOST
