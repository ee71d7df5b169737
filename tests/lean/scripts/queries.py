"""Prints the outcome of many operations; run natively and lean against one server, the output must be the same.

queries.py REMOTE lean|native
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import time
import warnings
from array import array
from collections.abc import Callable
from decimal import Decimal as D
from typing import Any

warnings.simplefilter("ignore")
remote, mode = sys.argv[1:3]
time.tzset()
if mode == "lean":
    import pyspark_connect_web as pcw

    pcw.install(lean=True)
    for name in ("pandas", "pyarrow", "numpy"):
        try:
            __import__(name)
        except ImportError:
            continue
        raise SystemExit(f"{name} can be seen by user code")

import pyspark.sql.functions as F  # noqa: E402 - PySpark comes after the stand-ins
from pyspark.sql import Row, SparkSession  # noqa: E402
from pyspark.sql.types import (  # noqa: E402
    ArrayType,
    BinaryType,
    BooleanType,
    ByteType,
    DateType,
    DayTimeIntervalType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    NullType,
    ShortType,
    StringType,
    StructField,
    StructType,
    TimestampNTZType,
    TimestampType,
)

spark = SparkSession.builder.remote(remote).getOrCreate()


def show(name: str, call: Callable[[], Any]) -> None:
    try:
        outcome = repr(call())
    except Exception as error:  # noqa: BLE001 - the outcome of an operation may be any error
        outcome = (
            f"{type(error).__module__}.{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"
        )
    print(f"{name}: {outcome}", flush=True)


def sql(text: str) -> None:
    show(text, lambda: (spark.sql(text).collect(), spark.sql(text).schema))


for zone in ("UTC", "America/New_York", "Asia/Kathmandu"):
    spark.conf.set("spark.sql.session.timeZone", zone)
    for moment in (
        "1850-03-01 12:34:56",
        "1970-01-01 00:00:00",
        "2024-03-10 02:30:00",
        "2024-11-03 01:30:00",
    ):
        sql(
            f"SELECT TIMESTAMP '{moment}' AS t, CAST('{moment}' AS TIMESTAMP_NTZ) AS n, DATE '{moment[:10]}' AS d"
        )
    sql(
        "SELECT array(TIMESTAMP '2020-01-01 00:00:00', NULL) AS a, map('k', TIMESTAMP '2020-06-01 00:00:00') AS m"
    )

for value in (
    "CAST(1 AS TINYINT)", "CAST(-1 AS SMALLINT)",
    "2147483647", "-9223372036854775808", "1.5F", "CAST('NaN' AS DOUBLE)",
    "1.50BD", "CAST(-12345678901234567890.123456789012345678 AS DECIMAL(38, 18))", "CAST(-0.01 AS DECIMAL(5, 2))",
    "'text'", "'日本 🎉'", "''", "X'00FF'", "true", "NULL", "CAST(NULL AS INT)", "DATE '0001-01-01'",
    "DATE '9999-12-31'",
    "INTERVAL '1 02:03:04.567' DAY TO SECOND", "INTERVAL '-1-2' YEAR TO MONTH", "array()", "array(1, NULL, 3)",
    "array(array(1), array(), NULL)", "map('a', 1, 'b', NULL)", "map()", "named_struct('x', 1, 'y', NULL)",
    "named_struct('x', array(named_struct('z', map(1, X'01'))))", "struct(1, 2)", "array(X'01', NULL)",
):  # fmt: skip
    sql(f"SELECT {value} AS v")
    sql(f"SELECT {value} AS v WHERE false")
sql("SELECT 1 AS a, 2 AS a, 'x' AS b")
sql("SELECT id, IF(id % 3 = 0, NULL, id) AS n, repeat('é', CAST(id AS INT)) AS s FROM range(20) ORDER BY id")
sql("SELECT parse_json('{\"a\": [1, 2.5]}') AS v")
sql("SELECT TIME '12:34:56.789' AS t")
show("wide", lambda: spark.range(3).select(*[(F.col("id") + i).alias(f"c{i}") for i in range(300)]).collect())
show("no columns", lambda: spark.range(3).select().collect())
show("to local iterator", lambda: list(spark.range(5).toLocalIterator()))

SCHEMA = StructType(
    [
        StructField("b", BooleanType()), StructField("i1", ByteType()), StructField("i2", ShortType()),
        StructField("i4", IntegerType()), StructField("i8", LongType()), StructField("f4", FloatType()),
        StructField("f8", DoubleType()), StructField("d", DecimalType(10, 2)), StructField("s", StringType()),
        StructField("y", BinaryType()), StructField("dt", DateType()), StructField("ts", TimestampType()),
        StructField("nt", TimestampNTZType()), StructField("iv", DayTimeIntervalType()), StructField("n", NullType()),
        StructField("a", ArrayType(IntegerType())), StructField("m", MapType(StringType(), DoubleType())),
        StructField("st", StructType([StructField("x", LongType()), StructField("y", ArrayType(StringType()))])),
    ]
)  # fmt: skip
FULL = (
    True, 1, 2, 3, 4, 1.5, 2.5, D("-3.25"), "zoë", bytearray(b"\x00\xff"), dt.date(1999, 12, 31),
    dt.datetime(2020, 1, 1, 12), dt.datetime(2020, 1, 1, 12, 0, 0, 1), dt.timedelta(-1, 5), None, [1, None],
    {"k": 1.0, "z": None}, Row(x=1, y=["a", None]),
)  # fmt: skip
for zone in ("UTC", "America/New_York"):
    spark.conf.set("spark.sql.session.timeZone", zone)
    show(
        f"createDataFrame {zone}",
        lambda: spark.createDataFrame([FULL, (None,) * len(FULL)], SCHEMA).collect(),
    )
spark.conf.set("spark.sql.session.timeZone", "UTC")

for name, data in {
    "tuples": [(1, "a"), (2, None)], "dicts": [{"a": 1, "b": [1]}, {"a": None, "b": None}], "ints": [1, 2],
    "rows": [Row(a=1, b=Row(c="x"))], "nested": [([{"k": (1, 2)}],)], "mixed": [(1,), ("a",)], "none": [(None,)],
    "floats": [(1.5,), (float("inf"),)], "decimals": [(D("1.5"),), (D("2.25"),)], "array": [(array("i", [1]),)],
    "dates": [(dt.date(2020, 1, 1), dt.datetime(2020, 1, 1), dt.timedelta(1))], "empty": [], "booleans": [True],
    "unicode": [("\U0001f389", b"\x80")], "range": range(3),
    "aware": [(dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc),)],
}.items():  # fmt: skip
    show(
        f"infer {name}",
        lambda data=data: (spark.createDataFrame(data).collect(), spark.createDataFrame(data).schema),
    )
for ddl, bad in (
    ("a int", [("x",)]), ("a int", [(2**31,)]), ("a bigint", [(2**63,)]), ("a string", [(1,)]), ("a double", [("x",)]),
    ("a date", [("2020-01-01",)]), ("a timestamp", [(1,)]), ("a decimal(3,1)", [(D("1234.5"),)]), ("a boolean", [(1,)]),
    ("a array<int>", [(1,)]), ("a map<string,int>", [([],)]), ("a int not null", [(None,)]), ("a binary", [("x",)]),
    ("a struct<b:int>", [((1, 2),)]), ("a tinyint", [(300,)]), ("a double", [(1,)]), ("a float", [(D("1"),)]),
    ("a bigint", [(True,)]), ("a bigint", [(1.5,)]), ("a interval day to second", [(1,)]), ("a int, b int", [(1,)]),
):  # fmt: skip
    show(f"{ddl} of {bad}", lambda ddl=ddl, bad=bad: spark.createDataFrame(bad, ddl).collect())

df = spark.createDataFrame(
    [(i, f"name {i % 7}", i * 1.5) for i in range(200)], "id long, name string, v double"
)
df.createOrReplaceTempView("lean_view")
show("schema", lambda: (df.schema, df.dtypes, df.columns))
show("group", lambda: df.groupBy("name").agg(F.sum("v"), F.count("*")).orderBy("name").collect())
show("describe", lambda: sorted(df.describe().collect()))
show("summary", lambda: sorted(df.summary("count", "max").collect()))
show(
    "crosstab",
    lambda: sorted(sorted(r.asDict().items()) for r in df.limit(10).crosstab("id", "name").collect()),
)
show(
    "approxQuantile",
    lambda: (df.approxQuantile("v", [0.0, 1.0], 0.0), df.approxQuantile(["v", "id"], [0.5], 0.0)),
)
show("corr", lambda: (df.corr("id", "v"), df.cov("id", "v")))
show("head", lambda: (df.head(), df.first(), df.take(2), df.tail(1), df.count(), df.isEmpty()))
show("catalog", lambda: [t.name for t in spark.catalog.listTables()])
show("databases", lambda: (spark.catalog.currentDatabase(), [d.name for d in spark.catalog.listDatabases()]))
show("columns", lambda: spark.catalog.listColumns("lean_view"))
show("exists", lambda: (spark.catalog.tableExists("lean_view"), spark.catalog.tableExists("absent")))
show("function", lambda: len(spark.catalog.listFunctions("abs*")))
show(
    "sql with arguments",
    lambda: spark.sql("SELECT :a AS a, :b AS b", {"a": 1, "b": dt.date(2020, 1, 1)}).collect(),
)
show("command", lambda: spark.sql("SHOW TABLES").count())
show("literals", lambda: spark.range(1).select(
    F.lit(1), F.lit("s"), F.lit(1.5), F.lit(True), F.lit(None), F.lit(D("1.5")), F.lit(dt.date(2020, 1, 1)),
    F.lit(dt.datetime(2020, 1, 1)), F.lit(dt.timedelta(1, 2)), F.lit(b"x"), F.lit([1, 2]), F.array(F.lit(1)),
).collect())  # fmt: skip
show("literal text", lambda: str(F.lit(dt.timedelta(days=-1, seconds=3661, microseconds=1500))))
show("unknown column", lambda: df.select("nope").collect())
show("bad sql", lambda: spark.sql("SELEC 1").collect())
show("show", lambda: df.limit(2)._show_string(20, False, False))
show("html", lambda: df.limit(1)._repr_html_())
show("version", lambda: spark.version == "x")
spark.conf.set("spark.sql.session.timeZone", os.environ.get("TZ", "UTC"))
big = [(i, f"row {i}" if i % 11 else None, float(i), [i] * (i % 3)) for i in range(20_000)]
show("many rows", lambda: spark.createDataFrame(big, "a long, b string, c double, d array<long>").collect() == [
    Row(a=a, b=b, c=c, d=d) for a, b, c, d in big
])  # fmt: skip
spark.stop()
