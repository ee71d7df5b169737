"""Runs `spark.range(N)` with a tag for each line `N TAG` of stdin, and prints what came as a JSON line.

    {"rows", "sum", "distinct", "seconds", "error", "reattached"}

The argument is the connection string of the endpoint; PySpark's own retries and reattach are at work, unchanged.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

warnings.simplefilter("ignore")

import pyspark_connect_web as pcw  # noqa: E402 - PySpark warns about pandas while it is imported

pcw.install()

import pyarrow.compute as pc  # noqa: E402
from pyspark.errors import PySparkException  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402
from pyspark.sql.connect.client import reattach  # noqa: E402

calls = 0


def _count_reattach() -> None:
    """Count how often PySpark asks for the rest of a result."""
    kind = reattach.ExecutePlanResponseReattachableIterator
    original = kind._create_reattach_execute_request

    def counted(self: object) -> object:
        global calls
        calls += 1
        return original(self)

    kind._create_reattach_execute_request = counted


def main() -> None:
    """Serve stdin to its end."""
    global calls
    _count_reattach()
    spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
    print(json.dumps({"ready": spark.version}), flush=True)
    for line in sys.stdin:
        number, tag = line.split()
        rows, calls = int(number), 0
        spark.clearTags()
        spark.addTag(tag)
        result: dict[str, object] = {"error": None}
        began = time.monotonic()
        try:
            ids = spark.range(rows).toArrow().column("id")
            result |= {
                "rows": len(ids),
                "sum": pc.sum(ids).as_py(),
                "distinct": pc.count_distinct(ids).as_py(),
            }
        except PySparkException as error:
            result["error"] = f"{type(error).__name__}: {str(error)[:300]}"
        result |= {"seconds": round(time.monotonic() - began, 2), "reattached": calls}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
