"""From lean to full in one session: what a person sees before, during and after.

switch.py REMOTE
"""

from __future__ import annotations

import sys
import warnings

import pyspark_connect_web as pcw

warnings.simplefilter("ignore")
pcw.install(lean=True)

from hidden_packages import reveal  # noqa: E402
from pyspark.sql import Row, SparkSession  # noqa: E402
from pyspark_connect_web.lean import PackageNotLoaded, full  # noqa: E402
from pyspark_connect_web.lean.full import State  # noqa: E402

spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
local = spark.createDataFrame([(1, "a", [1.5]), (2, None, None)], "i int, s string, l array<double>")
lean_rows = local.collect()
spark.sql("SELECT 1 AS x").createOrReplaceTempView("kept")


def refused(call: object) -> str:
    try:
        call()  # type: ignore[operator]
    except ImportError as error:
        return str(error) if isinstance(error, PackageNotLoaded) else repr(error)
    raise SystemExit("not refused")


# absent: one clear error each, and the session goes on
full.set_loader(None, hint="jupyter get {packages}")
for call in (local.toPandas, local.toArrow, local.pandas_api, lambda: __import__("pyspark.pandas")):
    message = refused(call)
    assert "Run `jupyter get pandas pyarrow`" in message or "Run `jupyter get pyarrow`" in message, message
assert "DataFrame.toPandas() needs pandas and pyarrow, which are not loaded" in refused(local.toPandas)
assert local.collect() == lean_rows
assert full.state("pandas") is full.state("pyarrow") is State.LEAN

# a loader that fails gives its reason
asked: list[tuple[str, ...]] = []


def failing(names: tuple[str, ...]) -> None:
    asked.append(names)
    raise ImportError("the server has no copy of pyarrow")


full.set_loader(failing, hint="jupyter get {packages}")
assert "the server has no copy of pyarrow" in refused(local.toArrow)
assert asked == [("pyarrow",)]

# a stream half read is finished by the packages of its beginning
iterator = local.toLocalIterator()
first = next(iterator)


def loading(names: tuple[str, ...]) -> None:
    asked.append(names)
    reveal("pyarrow", "numpy", "pandas")


full.set_loader(loading)
pdf = local.toPandas()
assert asked[-1] == ("numpy", "pandas", "pyarrow")
assert full.state("pandas") is full.state("pyarrow") is full.state("numpy") is State.REAL
assert type(pdf).__module__.startswith("pandas"), type(pdf)
assert pdf["i"].tolist() == [1, 2]
assert [first, *iterator] == lean_rows

# data frames made before work on: as pandas, as Arrow, as rows
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pyarrow as pa  # noqa: E402

assert isinstance(pdf, pd.DataFrame)
table = local.toArrow()
assert isinstance(table, pa.Table)
assert table.to_pylist() == [{"i": 1, "s": "a", "l": [1.5]}, {"i": 2, "s": None, "l": None}]
assert local.collect() == lean_rows
assert local.union(local).count() == 4
assert spark.sql("SELECT x FROM kept").collect() == [Row(x=1)]

# and the other way
for data in (pdf[["i"]], np.array([[1], [2]]), pa.table({"i": [1, 2]})):
    assert [tuple(r) for r in spark.createDataFrame(data).collect()] == [(1,), (2,)], type(data)
assert spark.createDataFrame([(np.int64(5), np.float64(1.5))], "a long, b double").collect() == [
    Row(a=5, b=1.5)
]
from pyspark.sql import functions as F  # noqa: E402

assert spark.range(1).select(F.lit(np.int32(3)), F.lit(np.array([1, 2]))).collect()[0][1] == [1, 2]

# nothing of PySpark still holds a stand-in
import types  # noqa: E402

from pyspark_connect_web.lean.standin_types import MARK  # noqa: E402

held = [
    f"{name}.{key}"
    for name, module in list(sys.modules.items())
    if name.startswith("pyspark.")
    for key, value in vars(module).items()
    if isinstance(value, types.ModuleType) and MARK in vars(value) and value.__name__ != "grpc"
]
assert held == [], held
spark.stop()
print("switched")
