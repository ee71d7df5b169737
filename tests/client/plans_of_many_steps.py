"""Makes deep and large plans without a server and prints a digest of each: {name: digest}.

python -m tests.client.plans_of_many_steps shared|copied|compiled [STEPS]
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

STEPS = 500


def session() -> Any:
    """A session that asks nobody: no plan is compressed, and nothing is cleaned up at the end."""
    from pyspark.sql.connect.client import SparkConnectClient
    from pyspark.sql.connect.session import SparkSession

    client: Any = SparkConnectClient("sc://127.0.0.1:1")
    client._set_relation_in_plan = lambda plan, relation: plan.root.CopyFrom(relation)
    made: Any = object.__new__(SparkSession)
    made._client, made._session_id, made._timezone = client, client._session_id, "UTC"
    return made


def plans(spark: Any, steps: int) -> dict[str, Any]:
    from pyspark.sql.connect import functions as F
    from pyspark.sql.connect.plan import LogicalPlan

    def deep(step: Callable[[Any, int], Any]) -> Any:
        found = spark.range(1)
        for number in range(steps):
            found = step(found, number)
        return found

    column = F.col("id")
    for _ in range(30):  # compiled protobuf copies no more than 100 levels in a list
        column = column + 1
    case = F.when(F.col("id") == 0, "a")
    for number in range(50):
        case = case.when(F.col("id") == number, F.lit(None))
    LogicalPlan._nextPlanId = 0
    one = spark.range(1)
    return {
        "withColumn": deep(lambda df, n: df.withColumn(f"c{n}", F.lit(n))),
        "withColumnRenamed": deep(lambda df, n: df.withColumnRenamed("id", "id")),
        "drop": deep(lambda df, n: df.drop("x", F.col("y"))),
        "alias": deep(lambda df, n: df.alias(f"a{n}")),
        "filter": deep(lambda df, n: df.filter("id > 0").where(F.col("id") > n) if n % 2 else df.limit(n)),
        "union": deep(lambda df, n: df.union(one)),
        "join": deep(lambda df, n: df.join(one, "id", "left")),
        "select": one.select(*[(F.col("id") + n).alias(f"c{n}") for n in range(steps)]),
        "isin": one.where(F.col("id").isin(list(range(steps)))),
        "expression": one.select(column, case.otherwise(F.array(F.lit(1.5), F.lit("x")))),
        "aggregate": one.groupBy("id").agg(*[F.sum("id").alias(f"s{n}") for n in range(50)]),
    }


def main() -> None:
    how, *rest = sys.argv[1:]
    import pyspark_connect_web as pcw
    from google.protobuf.internal import api_implementation
    from pyspark.errors import utils as errors

    assert (api_implementation.Type() == "python") == (how != "compiled")
    if how == "shared":
        from pyspark_connect_web.patches.message_expressions import shorten_expressions
        from pyspark_connect_web.patches.messages import share_messages

        assert share_messages()
        shorten_expressions()
    errors.set_current_origin("cell", "line 1 in cell [1]")
    spark = session()
    found = {}
    for name, df in plans(spark, int(rest[0]) if rest else STEPS).items():
        for _ in range(2):  # the second plan is made of what the first one left
            plan = df._plan.to_proto(spark._client)
            encoded = plan.SerializeToString(deterministic=True)
            assert (
                found.setdefault(name, hashlib.sha256(encoded).hexdigest())
                == hashlib.sha256(encoded).hexdigest()
            )
            assert plan.ByteSize() == len(encoded)
    assert pcw
    print(json.dumps(found), flush=True)
    os._exit(0)  # the client would try to tell the server


if __name__ == "__main__":
    main()
