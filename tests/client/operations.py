"""Operations that are run by the native client and by ours; what each shows must be the same.

Run as a program, `python operations.py native|full|lean REMOTE FOLDER OPERATION ...` prints a line when it begins an
operation, and one with the outcome when it has ended: `runner.py` reads them. SIGUSR1 prints where all threads are.
"""

from __future__ import annotations

import datetime
import decimal
import faulthandler
import json
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.client import outcomes, session_operations, stream_operations
from tests.client.session_operations import NEED_THREADS, OPERATIONS, operation

ROWS = [
    (1, "a", None, 1.5, True),
    (2, None, datetime.date(2024, 2, 29), float("inf"), None),
    (3, "ünï ☃ 😀", datetime.date(1969, 12, 31), None, False),
]
SCHEMA = "i int, s string, d date, f double, b boolean"


def mixed(spark: Any) -> Any:
    return spark.createDataFrame(ROWS, SCHEMA)


@operation
def collect_range(spark: Any, _: Path) -> Any:
    return spark.range(5).collect()


@operation
def collect_mixed(spark: Any, _: Path) -> Any:
    return mixed(spark).collect()


@operation
def collect_types(spark: Any, _: Path) -> Any:
    return spark.sql(
        "select cast(1 as tinyint) a, cast(2 as smallint) b, cast(3.25 as decimal(10,2)) c, array(1,null,3) d,"
        " named_struct('x', 1, 'y', 'z') e, timestamp'2024-01-02 03:04:05.678901' g,"
        " timestamp_ntz'2024-01-02 03:04:05' h, X'00ff' k, cast(null as string) l"
    ).collect()


@operation
def collect_map(spark: Any, _: Path) -> Any:
    return spark.sql("select map('a', 1, 'b', 2) m").collect()


@operation
def collect_empty(spark: Any, _: Path) -> Any:
    return spark.range(0).collect()


@operation
def create_from_rows_and_dicts(spark: Any, _: Path) -> Any:
    from pyspark.sql import Row

    return (
        spark.createDataFrame([Row(a=1, b="x"), Row(a=2, b="y")]).collect(),
        spark.createDataFrame([{"n": decimal.Decimal("1.10")}], "n decimal(5,2)").collect(),
    )


@operation
def show(spark: Any, _: Path) -> None:
    mixed(spark).show()
    mixed(spark).show(1, truncate=3)
    mixed(spark).show(vertical=True)


@operation
def schema_columns_dtypes(spark: Any, _: Path) -> Any:
    frame = mixed(spark)
    return frame.schema.json(), frame.columns, frame.dtypes, frame.schema.simpleString()


@operation
def print_schema(spark: Any, _: Path) -> None:
    mixed(spark).printSchema()


@operation
def representation(spark: Any, _: Path) -> Any:
    from pyspark.sql import functions as F

    return repr(mixed(spark)), repr(F.col("a") + 1)


@operation
def count_first_take_tail(spark: Any, _: Path) -> Any:
    frame = spark.range(10)
    return frame.count(), frame.first(), frame.take(2), frame.tail(2), frame.head(), frame.isEmpty()


@operation
def filter_group_sort(spark: Any, _: Path) -> Any:
    from pyspark.sql import functions as F

    frame = spark.range(100).withColumn("g", F.col("id") % 3)
    return (
        frame.filter("id > 10").groupBy("g").agg(F.count("*").alias("n"), F.avg("id")).orderBy("g").collect()
    )


@operation
def join_union_distinct(spark: Any, _: Path) -> Any:
    left = spark.createDataFrame([(1, "a"), (2, "b")], "id int, l string")
    right = spark.createDataFrame([(2, "x"), (3, "y")], "id int, r string")
    joined = left.join(right, "id", "outer").orderBy("id").collect()
    return joined, left.select("id").union(right.select("id")).distinct().orderBy("id").collect()


@operation
def window(spark: Any, _: Path) -> Any:
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    over = Window.orderBy("id").rowsBetween(Window.unboundedPreceding, 0)
    return spark.range(4).select("id", F.sum("id").over(over).alias("s")).collect()


@operation
def sql_with_arguments(spark: Any, _: Path) -> Any:
    return spark.sql("select :a + 1 as x", args={"a": 41}).collect()


@operation
def temp_view(spark: Any, _: Path) -> Any:
    spark.range(3).createOrReplaceTempView("numbers")
    found = spark.sql("select sum(id) s from numbers").collect()
    return found, spark.table("numbers").count(), spark.catalog.dropTempView("numbers")


@operation
def temp_view_twice(spark: Any, _: Path) -> None:
    spark.range(1).createTempView("twice")
    spark.range(1).createTempView("twice")


@operation
def catalog(spark: Any, _: Path) -> Any:
    spark.range(1).createOrReplaceTempView("listed")
    tables = [table.name for table in spark.catalog.listTables()]
    columns = [(column.name, column.dataType) for column in spark.catalog.listColumns("listed")]
    return (
        spark.catalog.currentDatabase(),
        spark.catalog.currentCatalog(),
        [database.name for database in spark.catalog.listDatabases()],
        "listed" in tables,
        columns,
        spark.catalog.tableExists("listed"),
        spark.catalog.tableExists("absent"),
    )


@operation
def ddl(spark: Any, _: Path) -> Any:
    spark.sql("create database if not exists shelf")
    return spark.catalog.databaseExists("shelf"), spark.sql("drop database if exists shelf").collect()


@operation
def explain(spark: Any, _: Path) -> None:
    spark.range(3).filter("id > 1").explain()


@operation
def configuration(spark: Any, _: Path) -> Any:
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    return spark.conf.get("spark.sql.session.timeZone"), spark.conf.get("spark.absent", "fallback")


@operation
def version(spark: Any, _: Path) -> Any:
    return spark.version


@operation
def parquet(spark: Any, folder: Path) -> Any:
    path = str(folder / "table.parquet")
    mixed(spark).write.mode("overwrite").parquet(path)
    return spark.read.parquet(path).orderBy("i").collect()


@operation
def csv(spark: Any, folder: Path) -> Any:
    path = folder / "people.csv"
    path.write_text("name,age\nAnn,30\nBob,\n", encoding="utf-8")
    frame = spark.read.csv(str(path), header=True, inferSchema=True)
    return frame.dtypes, frame.orderBy("name").collect()


@operation
def json_lines(spark: Any, folder: Path) -> Any:
    path = folder / "lines.json"
    path.write_text('{"a": 1, "b": [1, 2]}\n{"a": null, "b": []}\n', encoding="utf-8")
    return spark.read.schema("a int, b array<int>").json(str(path)).collect()


@operation
def local_iterator(spark: Any, _: Path) -> Any:
    return sorted(row.id for row in spark.range(1000).toLocalIterator())[-3:]


@operation
def many_rows(spark: Any, _: Path) -> Any:
    rows = spark.range(200_000).collect()
    return len(rows), rows[0], rows[-1], all(row.id == number for number, row in enumerate(rows))


@operation
def describe(spark: Any, _: Path) -> Any:
    return sorted(spark.range(10).describe().collect())


@operation
def na_and_replace(spark: Any, _: Path) -> Any:
    return mixed(spark).na.fill({"s": "none", "f": 0.0}).orderBy("i").select("s", "f").collect()


@operation
def pivot(spark: Any, _: Path) -> Any:
    frame = spark.createDataFrame([("x", "p", 1), ("x", "q", 2), ("y", "p", 3)], "k string, c string, v int")
    return frame.groupBy("k").pivot("c", ["p", "q"]).sum("v").orderBy("k").collect()


@operation
def explode_and_nested(spark: Any, _: Path) -> Any:
    from pyspark.sql import functions as F

    frame = spark.createDataFrame([([1, 2], {"k": "v"})], "a array<int>, m map<string,string>")
    return frame.select(F.explode("a").alias("e"), F.col("m")["k"].alias("k")).collect()


@operation
def new_session_is_apart(spark: Any, _: Path) -> Any:
    spark.range(1).createOrReplaceTempView("mine")
    other = spark.newSession()
    return other.range(2).count(), other.catalog.tableExists("mine")


@operation
def large_local_relation(spark: Any, _: Path) -> Any:
    frame = spark.createDataFrame([(number, "x" * 200) for number in range(5000)], "n int, s string")
    return frame.selectExpr("sum(n)", "sum(length(s))").collect()


@operation
def tags(spark: Any, _: Path) -> Any:
    spark.addTag("mine")
    found = sorted(spark.getTags())
    spark.clearTags()
    return found, sorted(spark.getTags())


@operation
def error_unknown_column(spark: Any, _: Path) -> Any:
    return mixed(spark).select("nope").collect()


@operation
def error_unknown_attribute(spark: Any, _: Path) -> Any:
    return mixed(spark).nope


@operation
def error_bad_sql(spark: Any, _: Path) -> Any:
    return spark.sql("selec 1").collect()


@operation
def error_missing_table(spark: Any, _: Path) -> Any:
    return spark.table("no_such_table").collect()


@operation
def error_division_by_zero(spark: Any, _: Path) -> Any:
    spark.conf.set("spark.sql.ansi.enabled", "true")
    return spark.sql("select 1/0").collect()


@operation
def error_cast(spark: Any, _: Path) -> Any:
    spark.conf.set("spark.sql.ansi.enabled", "true")
    return spark.sql("select cast('abc' as int)").collect()


@operation
def error_missing_file(spark: Any, folder: Path) -> Any:
    return spark.read.csv(str(folder / "absent.csv")).collect()


@operation
def error_path_exists(spark: Any, folder: Path) -> None:
    path = str(folder / "once.parquet")
    spark.range(1).write.parquet(path)
    spark.range(1).write.parquet(path)


@operation
def error_wrong_argument(spark: Any, _: Path) -> Any:
    return spark.range(3).select(spark)


@operation
def error_ambiguous_column(spark: Any, _: Path) -> Any:
    frame = spark.range(2)
    return frame.join(frame.withColumnRenamed("id", "id"), frame.id == frame.id).select("id").collect()


@operation
def error_raised_by_sql(spark: Any, _: Path) -> Any:
    return spark.sql("select raise_error('50 % of\nit failed')").collect()


@operation
def after_errors_it_goes_on(spark: Any, _: Path) -> Any:
    return spark.range(3).count()


@operation
def stopped_session(spark: Any, _: Path) -> Any:
    other = spark.newSession()
    other.range(1).count()
    other.stop()
    return other.range(1).count()


@operation
def error_of_a_column(spark: Any, _: Path) -> Any:
    from pyspark.sql import functions as F

    spark.conf.set("spark.sql.ansi.enabled", "true")
    return spark.range(1).select(F.col("id") / F.lit(0)).collect()


@operation
def error_in_a_view(spark: Any, _: Path) -> Any:
    spark.conf.set("spark.sql.ansi.enabled", "true")
    spark.sql("CREATE OR REPLACE TEMP VIEW dividing AS SELECT 1 AS one, 1 / 0 AS x")
    return spark.sql("SELECT one, x FROM dividing").collect()


@operation
def the_session_stopped_and_built_again(spark: Any, _: Path) -> Any:
    """The last one: the session that all others use is gone after it."""
    from pyspark.sql import SparkSession

    spark.range(1).createOrReplaceTempView("gone_with_it")
    spark.conf.set("pcw.gone", "1")
    spark.stop()
    none = SparkSession.getActiveSession()
    again = SparkSession.builder.getOrCreate()
    same = SparkSession.builder.config("spark.sql.shuffle.partitions", "3").getOrCreate() is again
    try:
        facts = none, again is spark, again.session_id == spark.session_id, same, again.is_stopped
        partitions = again.conf.get("spark.sql.shuffle.partitions")
        left = again.catalog.tableExists("gone_with_it"), again.conf.get("pcw.gone", "gone")
        return facts, partitions, left, again.range(3).count()
    finally:
        again.stop()


LINE = "operation: "
"""How the program's own lines begin."""

MODULES = (outcomes, session_operations, stream_operations)
"""What a kernel needs beside this file."""


def in_kernel(spark: Any, folder: str, out: str) -> None:
    """Run, in a browser kernel, what needs no second thread, and keep the outcomes in the file `out`."""
    Path(folder).mkdir()
    possible = {name: function for name, function in OPERATIONS.items() if name not in NEED_THREADS}
    Path(out).write_text(json.dumps(outcomes.run(possible, spark, Path(folder))), encoding="utf-8")


def main() -> None:
    mode, remote, folder, *chosen = sys.argv[1:]
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    # A shell starts what runs in its background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["SPARK_REMOTE"] = remote
    warnings.simplefilter("ignore")
    if mode != "native":
        import pyspark_connect_web

        pyspark_connect_web.install(lean=mode == "lean", threads=mode != "lean")
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    for name in chosen:
        report({"begins": name})
        report({"ended": name, "outcome": outcomes.run_one(OPERATIONS[name], spark, Path(folder))})
    # threads of the ordinary client (listeners of streams) can keep the interpreter from ending
    os._exit(0)


def report(message: dict[str, object]) -> None:
    print("\n" + LINE + json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
