"""The Apache Spark that tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.spark import SharedSpark, shared_spark, spark_missing


@pytest.fixture(scope="session")
def run_spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedSpark]:
    """The run's Apache Spark: see `tests.lanes`."""
    missing = spark_missing(Path(sys.prefix))
    if missing is not None:
        pytest.fail(f"{missing} (make build installs pyspark)")
    with shared_spark(Path(sys.prefix), tmp_path_factory.mktemp("spark")) as spark:
        yield spark
