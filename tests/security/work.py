"""What an owner does with an engine and the ordinary client: `python work.py spark|sail REMOTE FOLDER` prints JSON."""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import udf


def main(kind: str, remote: str, folder: Path) -> dict[str, Any]:
    """Each kind of work and its result."""
    spark: Any = SparkSession.builder.remote(remote).getOrCreate()
    done: dict[str, Any] = {}
    numbers = spark.range(0, 20_000, 1, 4)
    if kind == "spark":
        # on the disk, where other accounts could look for it
        numbers.createOrReplaceTempView("numbers")
        spark.sql(
            "CACHE TABLE kept OPTIONS ('storageLevel' 'DISK_ONLY') AS SELECT *, 'PRIVATE-ROW' AS t FROM numbers"
        )
        done["cache"] = spark.sql("SELECT count(*) AS n FROM kept WHERE t = 'PRIVATE-ROW'").first()["n"]
    done["shuffle"] = sorted(
        [r["k"], r["n"]]
        for r in numbers.selectExpr("id % 3 AS k")
        .groupBy("k")
        .count()
        .withColumnRenamed("count", "n")
        .collect()
    )
    done["udf"] = [r[0] for r in spark.range(3).select(udf(lambda i: i * 7, "long")("id")).collect()]

    def places(_: Any) -> Iterator[Any]:
        import pyarrow

        yield pyarrow.RecordBatch.from_pylist([{"place": tempfile.gettempdir()}])

    done["temporary"] = spark.range(1).mapInArrow(places, "place string").first()["place"]
    if kind == "spark":
        module = folder / "brought_along.py"
        module.write_text("ANSWER = 42\n")
        spark.addArtifacts(str(module), pyfile=True)

        def answer(_: int) -> int:
            import brought_along  # type: ignore[import-not-found]  # the file above

            return int(brought_along.ANSWER)

        done["artifact"] = spark.range(1).select(udf(answer, "int")("id")).first()[0]
    spark.range(10).write.mode("overwrite").parquet(str(folder / "numbers.parquet"))
    done["parquet"] = spark.read.parquet(str(folder / "numbers.parquet")).count()
    return done


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
