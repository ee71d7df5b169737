"""On Apache Spark the native client and ours show the same for every operation, results and errors alike.

A grpc-web server that is not ours (Envoy) stands between. `make test` runs the lean client here, `make nightly` the
other one as well.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.clients import Clients, clients
from tests.client.comparing import compare
from tests.client.operations import OPERATIONS
from tests.support.spark import SharedSpark


@pytest.fixture(scope="module")
def on_spark(run_spark: SharedSpark, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    with clients(run_spark.port, tmp_path_factory.mktemp("spark")) as seen:
        yield seen


@pytest.mark.spark
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", ["lean", pytest.param("full", marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_on_spark_shows_what_the_native_client_shows(
    on_spark: Clients, mode: str, name: str
) -> None:
    compare(on_spark, mode, name)


@pytest.mark.spark
@pytest.mark.timeout(1800)
def test_spark_s_errors_carry_class_state_and_context(on_spark: Clients) -> None:
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


@pytest.mark.spark
@pytest.mark.timeout(1800)
def test_spark_reports_progress(on_spark: Clients) -> None:
    """Otherwise that both clients show none would say nothing."""
    assert on_spark["lean"]["progress_of_a_query"]["value"] == (
        "([Row(count(waited)=4)], True, ['bool', 'int'], {4}, True, 1, True)"
    )
