"""Operations about sessions, time zones, unusual types, streams and artifacts; see `operations.py`."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from pathlib import Path
from typing import Any

OPERATIONS: dict[str, Callable[[Any, Path], Any]] = {}
NEED_THREADS: set[str] = set()
"""Names of the operations that start threads of their own: a browser kernel has none."""
IN_A_PROCESS_OF_ITS_OWN: set[str] = set()
"""Names of the operations that may leave a client behind that can do nothing more."""


def operation(function: Callable[[Any, Path], Any]) -> Callable[[Any, Path], Any]:
    OPERATIONS[function.__name__] = function
    return function


def operation_with_threads(function: Callable[[Any, Path], Any]) -> Callable[[Any, Path], Any]:
    NEED_THREADS.add(function.__name__)
    return operation(function)


def operation_in_a_process_of_its_own(function: Callable[[Any, Path], Any]) -> Callable[[Any, Path], Any]:
    IN_A_PROCESS_OF_ITS_OWN.add(function.__name__)
    return operation(function)


INSTANTS = (
    "'0001-01-03 00:00:00'", "'1582-10-15 12:00:00'", "'1883-11-18 12:00:00'", "'1899-12-31 23:59:59.999999'",
    "'1969-12-31 23:59:59.5'", "'2024-03-10 02:30:00'", "'2024-11-03 01:30:00'", "'9999-12-30 00:00:00'",
)  # fmt: skip


@operation
def timestamps_in_session_zones(spark: Any, _: Path) -> Any:
    seen = []
    before = spark.conf.get("spark.sql.session.timeZone")
    try:
        for zone in ("UTC", "America/Los_Angeles", "Asia/Kathmandu"):
            spark.conf.set("spark.sql.session.timeZone", zone)
            for instant in INSTANTS:
                query = f"SELECT timestamp{instant} t, timestamp_ntz{instant} n, string(timestamp{instant}) s"
                seen.append((zone, spark.sql(query).collect()))
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)
    return seen


@operation
def timestamps_sent_and_back(spark: Any, _: Path) -> Any:
    zone = datetime.timezone(datetime.timedelta(hours=-8))
    sent = [
        (datetime.datetime(1900, 1, 1, 0, 0, 1), datetime.date(1, 1, 1)),
        (datetime.datetime(2024, 7, 1, 12, 30, 0, 123456, zone), datetime.date(9999, 12, 31)),
        (None, None),
    ]
    frame = spark.createDataFrame(sent, "t timestamp, d date")
    return frame.collect(), frame.selectExpr("string(t)", "unix_micros(t)", "string(d)").collect()


@operation
def decimals(spark: Any, _: Path) -> Any:
    sent = [
        (decimal.Decimal("-99999999999999999999.999999999999999999"),),
        (decimal.Decimal("1E-18"),),
        (None,),
    ]
    frame = spark.createDataFrame(sent, "d decimal(38,18)")
    return frame.collect(), frame.selectExpr("d / 2", "cast(d as decimal(38,2))", "-d").take(1), frame.dtypes


@operation
def day_time_intervals(spark: Any, _: Path) -> Any:
    frame = spark.createDataFrame(
        [(datetime.timedelta(days=-1, microseconds=1),)], "i interval day to second"
    )
    query = "SELECT interval '-1 02:03:04.000005' day to second a, interval '99' hour b, null::interval day c"
    return frame.collect(), spark.sql(query).collect()


@operation
def year_month_intervals(spark: Any, _: Path) -> Any:
    return spark.sql("SELECT interval '1-2' year to month a").collect()


@operation
def calendar_intervals(spark: Any, _: Path) -> Any:
    return spark.sql("SELECT make_interval(1, 2, 3, 4, 5, 6, 7.5) a").collect()


@operation
def variants(spark: Any, _: Path) -> Any:
    query = """SELECT parse_json('{"a": [1, 2.5, null, "x"], "b": {"c": true}}') v, parse_json(null) n"""
    row = spark.sql(query).first()
    return row.v.toPython(), row.v.toJson(), row.n, spark.sql(query).dtypes


@operation
def geometries(spark: Any, _: Path) -> Any:
    point = "X'0101000000000000000000F03F0000000000000040'"
    row = spark.sql(f"SELECT st_geomfromwkb({point}) g, st_geogfromwkb({point}) h").first()
    return [(type(value).__name__, bytes(value.getBytes()), value.getSrid()) for value in row]


@operation
def times_of_day(spark: Any, _: Path) -> Any:
    return spark.sql("SELECT time'13:08:15.123456' t").collect()


@operation
def nested_values(spark: Any, _: Path) -> Any:
    rows = spark.sql(
        "SELECT map('k', array(named_struct('a', 1, 'b', map(1, null)))) m, array(array(), array(null)) a,"
        " named_struct('s', named_struct('t', X'00')) n, array(map(1, 'x'), null) l"
    ).collect()
    return rows, rows[0].asDict(recursive=True)


@operation
def names_that_occur_twice(spark: Any, _: Path) -> Any:
    frame = spark.sql("SELECT 1 a, 'x' a")
    row = frame.first()
    return frame.columns, row, row[0], row[1], row.a, frame.toDF("p", "q").collect()


@operation
def fields_that_occur_twice(spark: Any, _: Path) -> Any:
    return spark.sql("SELECT named_struct('b', 2, 'b', 3) s").collect()


@operation
def no_columns_and_no_rows(spark: Any, _: Path) -> Any:
    nothing = spark.range(3).select()
    return (
        nothing.collect(),
        nothing.columns,
        spark.range(0).collect(),
        spark.sql("SELECT 1 a WHERE false").collect(),
    )


@operation
def wide_rows(spark: Any, _: Path) -> Any:
    row = spark.range(1).selectExpr(*(f"id + {i} AS c{i}" for i in range(1200))).first()
    return len(row), row[0], row.c1199


@operation
def rows_are_tuples_with_names(spark: Any, _: Path) -> Any:
    row = spark.sql("SELECT 1 a, 'x' b").first()
    return row, row == (1, "x"), "a" in row, row["b"], row.asDict(), row[-1], hash(row) == hash((1, "x"))


@operation
def local_iterator_beside_other_queries(spark: Any, _: Path) -> Any:
    iterator = spark.range(0, 20_000, 1, 4).toLocalIterator(prefetchPartitions=True)
    first = next(iterator)
    between = spark.range(3).count()
    rows = [first, *iterator]
    # Sail hands out the partition that is ready first: natively too, the order differs from run to run.
    return type(first).__name__, between, sorted(row.id for row in rows) == list(range(20_000))


@operation
def eager_evaluation(spark: Any, _: Path) -> Any:
    frame = spark.sql("SELECT id, '<b>' AS tag FROM range(3)")
    lazy = repr(frame), frame._repr_html_()
    spark.conf.set("spark.sql.repl.eagerEval.enabled", "true")
    spark.conf.set("spark.sql.repl.eagerEval.maxNumRows", "2")
    try:
        return lazy, repr(frame), frame._repr_html_()
    finally:
        spark.conf.unset("spark.sql.repl.eagerEval.enabled")
        spark.conf.unset("spark.sql.repl.eagerEval.maxNumRows")


@operation
def stopped_and_made_again(spark: Any, _: Path) -> Any:
    from pyspark.sql import SparkSession

    first = spark.newSession()
    first.sql("SELECT 1 AS x").createOrReplaceTempView("seen")
    first.stop()
    second = spark.newSession()
    exists = second.catalog.tableExists("seen")
    same = SparkSession.getActiveSession() is spark
    second.stop()
    return (
        exists,
        same,
        first.is_stopped,
        spark.is_stopped,
        spark.range(2).count(),
    )


@operation
def sessions_side_by_side(spark: Any, _: Path) -> Any:
    one, two = spark.newSession(), spark.newSession()
    one.conf.set("spark.sql.shuffle.partitions", "7")
    one.range(3).createOrReplaceTempView("v")
    two.range(5).createOrReplaceTempView("v")
    counts = one.table("v").count(), two.table("v").count(), one.table("v").count()
    partitions = one.conf.get("spark.sql.shuffle.partitions") == two.conf.get("spark.sql.shuffle.partitions")
    for session in (one, two):
        session.stop()
    return counts, partitions


@operation
def configuration_that_is_not_there(spark: Any, _: Path) -> Any:
    before = spark.conf.get("pcw.nothing", "default"), spark.conf.get("pcw.nothing", None)
    spark.conf.set("pcw.nothing", "1")
    set_ = spark.conf.get("pcw.nothing")
    spark.conf.unset("pcw.nothing")
    return (
        before,
        set_,
        spark.conf.get("pcw.nothing", None),
        spark.conf.isModifiable("spark.sql.ansi.enabled"),
    )


@operation
def server_stack_trace(spark: Any, _: Path) -> Any:
    spark.conf.set("spark.sql.pyspark.jvmStacktrace.enabled", "true")
    try:
        return spark.sql("SELECT 1/0").collect()
    finally:
        spark.conf.unset("spark.sql.pyspark.jvmStacktrace.enabled")


@operation
def artifact_that_a_function_reads(spark: Any, folder: Path) -> Any:
    from pyspark.sql import functions as F

    (folder / "pcw_artifact.py").write_text("VALUE = 41\n", encoding="utf-8")
    spark.addArtifact(str(folder / "pcw_artifact.py"), pyfile=True)

    def value(x: int) -> int:
        import pcw_artifact  # type: ignore[import-not-found]

        return int(pcw_artifact.VALUE) + x

    return spark.range(1, 2).select(F.udf(value, "long")("id").alias("v")).collect()
