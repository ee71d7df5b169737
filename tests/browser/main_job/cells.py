"""The cells of the main job: run in the browser kernel and, the same text, in an ordinary ipykernel.

`masked` are patterns whose matches are not compared because they differ between any two runs: times,
expression ids.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from textwrap import dedent

TIMING = (r"CPU times:.*\n?", r"Wall time:.*\n?")
EXPRESSION_IDS = (r"#\d+L?", r"plan_id=\d+", r"\bfile:\S+")


@dataclass(frozen=True)
class Cell:
    """One notebook cell; `engines` names those on which its output is comparable."""

    name: str
    code: str
    masked: tuple[str, ...] = ()
    engines: tuple[str, ...] = ("sail", "spark")
    timeout: float = 120.0
    ordered: bool = True

    def comparable(self, text: str) -> str:
        """Return `text` without what differs between any two runs."""
        for pattern in self.masked:
            text = re.sub(pattern, "<masked>", text)
        if self.ordered:
            return text
        # Without ORDER BY rows come in any order, and a sum of floats that was made in another order may differ
        # in its last digit, which moves the table's borders.
        text = re.sub(r"(\.\d{9})\d+", r"\1", text)
        return "\n".join(sorted(re.sub(r"[ -]+", " ", line) for line in text.splitlines()))

    def comparable_error(self, error: str | None) -> str | None:
        """Return the error without the ids that an engine numbers its expressions with."""
        return None if error is None else re.sub(r"#\d+L?", "#", error)


def _cell(name: str, code: str, masked: tuple[str, ...] = (), *, ordered: bool = True) -> Cell:
    return Cell(name, dedent(code).strip(), masked, ordered=ordered)


CELLS = (
    _cell(
        "csv_example",
        """
        spark.read.csv("weather.csv", header=True, inferSchema=True).groupBy("weather").agg({"temp_max": "avg"}).show()
        """,
        ordered=False,
    ),
    _cell(
        "csv_figures",
        """
        from pyspark.sql import functions as F
        weather = spark.read.csv("weather.csv", header=True, inferSchema=True)
        figures = weather.groupBy("weather").agg(F.avg("temp_max").alias("mean"), F.count("*").alias("days"))
        for row in figures.orderBy("weather").collect():
            print(row.weather, round(row["mean"], 9), row.days)
        """,
    ),
    _cell("print_schema", "weather.printSchema()"),
    _cell("schema", "weather.schema"),
    _cell("columns", "weather.columns"),
    _cell(
        "round_trip",
        """
        import datetime, decimal
        from pyspark.sql import Row
        from pyspark.sql.types import *
        fields = {
            "i": IntegerType(), "l": LongType(), "d": DoubleType(), "s": StringType(), "b": BooleanType(),
            "bin": BinaryType(), "day": DateType(), "at": TimestampType(), "n": DecimalType(12, 3),
            "a": ArrayType(IntegerType()), "m": MapType(StringType(), LongType()),
            "st": StructType([StructField("x", IntegerType()), StructField("y", StringType())]),
        }
        schema = StructType([StructField(name, kind) for name, kind in fields.items()])
        full = (1, 2**40, 1.5, "grüße", True, bytearray(b"\\x00\\xff"), datetime.date(1969, 7, 20),
                datetime.datetime(2024, 2, 29, 12, 30, 15, 123456), decimal.Decimal("-12.345"),
                [1, None, 3], {"k": 7}, Row(x=5, y="z"))
        back = spark.createDataFrame([full, (None,) * len(full)], schema).collect()
        print(back)
        tuple(back[0]) == full and tuple(back[1]) == (None,) * len(full)
        """,
    ),
    _cell(
        "million_rows",
        """
        rows = spark.range(1_000_000).collect()
        print(len(rows), all(row.id == i for i, row in enumerate(rows)))
        """,
    ),
    _cell(
        "ddl",
        """
        spark.sql("CREATE TABLE IF NOT EXISTS pcw_trees (name STRING, height INT) USING parquet")
        spark.sql("INSERT INTO pcw_trees VALUES ('fir', 40), ('elm', NULL)")
        spark.sql("SELECT * FROM pcw_trees ORDER BY name").show()
        """,
    ),
    _cell(
        "catalog",
        """
        print([t.name for t in spark.catalog.listTables() if t.name == "pcw_trees"])
        print(spark.catalog.currentDatabase(), spark.catalog.tableExists("pcw_trees"))
        print([(c.name, c.dataType, c.nullable) for c in spark.catalog.listColumns("pcw_trees")])
        """,
    ),
    _cell("drop", 'spark.sql("DROP TABLE pcw_trees")\nspark.catalog.tableExists("pcw_trees")'),
    _cell("explain", 'weather.filter("temp_max > 20").select("date").explain()', EXPRESSION_IDS),
    _cell(
        "temp_view",
        """
        weather.createOrReplaceTempView("weather")
        spark.sql("SELECT weather, max(wind) AS wind FROM weather GROUP BY weather ORDER BY wind DESC").show()
        """,
    ),
    _cell(
        "parquet",
        """
        weather.filter("precipitation > 20").write.mode("overwrite").parquet("wet.parquet")
        wet = spark.read.parquet("wet.parquet")
        print(wet.count(), wet.columns)
        """,
    ),
    _cell("timed", "%time weather.count()", TIMING),
    _cell("second_query", '%time spark.sql("SELECT 1 AS one").collect()', TIMING),
    _cell("misspelt_column", 'weather.select("temp_maks").show()'),
    _cell("bad_sql", 'spark.sql("SELEC 1")'),
    _cell("missing_file", 'spark.read.csv("nowhere.csv").show()'),
    _cell("after_errors", "spark.range(3).collect()"),
)
