"""Answers of commands for libraries that ask for pandas frames: `answers.py REMOTE`."""

from __future__ import annotations

import sys
import types
import warnings

import pyspark_connect_web as pcw

warnings.simplefilter("ignore")
pcw.install(lean=True)

from pyspark.sql import SparkSession  # noqa: E402
from pyspark_connect_web.lean import PackageNotLoaded  # noqa: E402

spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
library = types.ModuleType("delta.connect.tables")
exec("def ask(frame): return frame.toPandas()", vars(library))
frame = spark.sql(
    "SELECT 3L AS affected, named_struct('a', CAST(NULL AS INT)) AS more UNION ALL SELECT 4L, NULL"
)
answer = library.ask(frame.orderBy("affected"))
assert answer.iloc[0].iloc[0] == 3, answer.iloc[0].iloc[0]
assert answer.iloc[-1].iloc[0] == 4
back = spark.createDataFrame(answer)
assert back.schema.simpleString() == frame.schema.simpleString(), back.schema
assert back.collect() == frame.orderBy("affected").collect()
for call in (frame.toPandas, lambda: answer.groupby("affected")):
    try:
        call()
    except PackageNotLoaded:
        continue
    raise SystemExit("a pandas frame that is none")
print("answered")
