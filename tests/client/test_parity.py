"""The native client and ours, full and lean, show the same for every operation, results and errors alike.

A grpc-web server that is not ours (Envoy) stands between, in front of embedded Sail and of Apache Spark.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.operations import OPERATIONS
from tests.client.support import run_operations, running_envoy, running_sail
from tests.support.spark import SparkServer, spark_missing

Seen = dict[str, dict[str, dict[str, object]]]

VENV = Path(os.environ.get("PCW_TEST_SPARK_VENV", Path(__file__).parents[2] / ".venv")).absolute()


def see(native: str, port: int, folder: Path) -> Seen:
    with running_envoy(port, folder) as web:
        return {
            mode: run_operations(mode, remote, folder / mode)
            for mode, remote in (
                ("native", native),
                ("full", web),
                ("lean", f"sc://{web.removeprefix('http://')}/;transport=grpcweb"),
            )
        }


@pytest.fixture(scope="module")
def on_sail(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("sail")
    with running_sail(folder) as port:
        return see(f"sc://127.0.0.1:{port}", port, folder)


@pytest.fixture(scope="module")
def on_spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    missing = spark_missing(VENV)
    if missing is not None:
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("spark")
    with SparkServer(VENV, folder, folder / "state", timeout=150) as spark:
        yield see(spark.remote, spark.port, folder)


def compare(seen: Seen, mode: str, name: str) -> None:
    def shown(result: dict[str, object]) -> dict[str, object]:
        return {key: value for key, value in result.items() if key != "trace"}

    assert shown(seen[mode][name]) == shown(seen["native"][name]), seen[mode][name].get("trace")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["full", "lean"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_on_sail_shows_what_the_native_client_shows(on_sail: Seen, mode: str, name: str) -> None:
    compare(on_sail, mode, name)


@pytest.mark.spark
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["full", "lean"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_on_spark_shows_what_the_native_client_shows(on_spark: Seen, mode: str, name: str) -> None:
    compare(on_spark, mode, name)


@pytest.mark.spark
@pytest.mark.timeout(900)
def test_spark_s_errors_carry_class_state_and_context(on_spark: Seen) -> None:
    error = on_spark["lean"]["error_unknown_column"]["error"]
    assert isinstance(error, dict)
    assert error["class"] == "pyspark.errors.exceptions.connect.AnalysisException"
    assert error["getCondition"] == "UNRESOLVED_COLUMN.WITH_SUGGESTION"
    assert error["getSqlState"] == "42703"
    divided = on_spark["lean"]["error_division_by_zero"]["error"]
    assert isinstance(divided, dict)
    [context] = divided["context"]
    assert (context["contextType"], context["fragment"]) == ("QueryContextType.SQL", "1/0")
    assert (context["startIndex"], context["stopIndex"]) == ("7", "9")
