"""Libraries beside PySpark that people use: cells that try each, with what is right, and the wheels of them.

The rows of the table in docs/notebooks.md; the cells run in the lean client on CPython and in the browser kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from tests.support.paths import REPOSITORY

WHEELS = REPOSITORY / "build" / "libraries"
"""Filled by `make build` from the group `libraries` of pyproject.toml."""


@dataclass(frozen=True)
class Library:
    """A row of the table.

    Attributes:
        name: as the table has it.
        install: what `%pip install` takes; empty where it comes with PySpark or Python.
        code: prints `shown`.
        shown: the lines that are right, on each engine; `{` begins those of one engine: `{"sail": ..., "spark": ...}`.
    """

    name: str
    install: str
    code: str
    shown: dict[str, str]


def _library(name: str, code: str, shown: str, *, install: str = "", spark: str | None = None) -> Library:
    on_sail, on_spark = dedent(shown).strip(), dedent(shown if spark is None else spark).strip()
    return Library(name, install, dedent(code).strip(), {"sail": on_sail, "spark": on_spark})


_ATTEMPT = """
def attempt(call):
    try:
        print(call())
    except Exception as error:
        print(type(error).__name__, str(error).partition("JVM stacktrace")[0].strip())
"""
_NO_DELTA = (
    "DeltaTable needs Delta Lake's plugin on the Spark Connect server, and this server has none. The administrator of"
    " an Apache Spark adds the package io.delta:delta-connect-server_2.13"
    " (https://docs.delta.io/latest/delta-spark-connect.html); on Sail, use spark.read and df.write with"
    ' format("delta"), or SQL.'
)
_NO_RELATION = (
    "InvalidPlanInput [CONNECT_INVALID_PLAN.NO_HANDLER_FOR_EXTENSION] The Spark Connect plan is invalid. No handler"
    " found for extension type: type.googleapis.com/delta.connect.Delta{} SQLSTATE: 56K00\n\n" + _NO_DELTA
)

LIBRARIES = (
    _library(
        "`pyspark.testing`",
        """
        from pyspark.testing import assertDataFrameEqual, assertSchemaEqual
        one = spark.createDataFrame([(1, "a", 0.1), (2, None, 1.0)], "n int, s string, d double")
        other = spark.createDataFrame([(2, None, 1.0), (1, "a", 0.1000001)], "n int, s string, d double")
        assertDataFrameEqual(one, other)
        assertDataFrameEqual(one, one.collect(), checkRowOrder=True)
        assertSchemaEqual(one.schema, other.schema)
        for wrong in (other.limit(1), one.drop("d")):
            try: assertDataFrameEqual(one, wrong)
            except AssertionError as error: print(type(error).__name__, str(error).partition("]")[0] + "]")
        """,
        "PySparkAssertionError [DIFFERENT_ROWS]\nPySparkAssertionError [DIFFERENT_SCHEMA]",
    ),
    _library(
        "`pyspark.ml` and `pyspark.ml.connect`",
        """
        import pyspark.ml.connect
        from pyspark.ml import Pipeline
        from pyspark.ml.classification import LogisticRegression
        from pyspark.ml.connect.evaluation import RegressionEvaluator
        from pyspark.ml.feature import VectorAssembler
        from pyspark.ml.linalg import DenseVector, VectorUDT
        stages = [VectorAssembler(inputCols=["a", "b"], outputCol="v"), LogisticRegression(maxIter=3, regParam=0.5)]
        print(len(Pipeline(stages=stages).getStages()), stages[1].getRegParam(), VectorUDT().simpleString())
        print(RegressionEvaluator(metricName="mse").getMetricName())
        try: DenseVector([1.0])
        except ImportError as error: print(str(error).partition(",")[0])
        """,
        "2 0.5 vector\nmse\nnumpy.array needs numpy",
    ),
    _library(
        "chispa",
        """
        from chispa import assert_approx_df_equality, assert_column_equality, assert_df_equality
        from pyspark.sql import functions as F
        one = spark.createDataFrame([(1, "a"), (2, None)], "n int, s string").withColumn("m", F.col("n"))
        assert_df_equality(one, one.orderBy(F.desc("n")), ignore_row_order=True)
        assert_column_equality(one, "n", "m")
        assert_approx_df_equality(one.select(F.lit(1.0).alias("x")), one.select(F.lit(1.01).alias("x")), 0.1)
        try: assert_df_equality(one, one.withColumn("s", F.lit("b")), ignore_nullable=True)
        except Exception as error: print(type(error).__name__, "s=b" in str(error))
        """,
        "DataFramesNotEqualError True",
        install="chispa",
    ),
    _library(
        "quinn",
        """
        import quinn
        from pyspark.sql import functions as F
        one = spark.createDataFrame([(1, " a  b"), (2, "c")], "n int, `My S` string")
        print(quinn.column_to_list(one, "n"), quinn.two_columns_to_dictionary(one, "n", "My S"))
        print(quinn.to_list_of_dictionaries(one.limit(1)), quinn.snake_case_col_names(one).columns)
        print(one.select(quinn.single_space(F.col("My S")).alias("s")).collect())
        print(quinn.sort_columns(spark.sql("SELECT 1 AS b, 2 AS a"), "asc").columns)
        try: quinn.validate_presence_of_columns(one, ["absent"])
        except Exception as error: print(type(error).__name__)
        """,
        """
        [1, 2] {1: ' a  b', 2: 'c'}
        [{'n': 1, 'My S': ' a  b'}] ['n', 'my_s']
        [Row(s='a b'), Row(s='c')]
        ['a', 'b']
        DataFrameMissingColumnError
        """,
        install="quinn",
    ),
    _library(
        "narwhals",
        """
        import narwhals as nw
        one = nw.from_native(spark.createDataFrame([(1, "a"), (2, "b"), (3, "a")], "n int, s string"))
        print(one.implementation, dict(one.schema))
        summed = one.with_columns(m=nw.col("n") * 2).filter(nw.col("n") > 1).group_by("s").agg(nw.col("m").sum())
        print(summed.sort("s").to_native().collect())
        """,
        """
        pyspark[connect] {'n': Int32, 's': String}
        [Row(s='a', m=6), Row(s='b', m=4)]
        """,
        # Pyodide's distribution has an older one
        install="'narwhals>=2.29'",
    ),
    _library(
        "delta-spark",
        f"""
        from delta.tables import DeltaTable
        {_ATTEMPT.strip().replace(chr(10), chr(10) + " " * 8)}
        table = DeltaTable.forName(spark, "orders")
        attempt(lambda: table.toDF().collect())
        attempt(lambda: table.delete("id = 1"))
        attempt(lambda: DeltaTable.isDeltaTable(spark, "/tmp/orders"))
        attempt(lambda: table.alias("a").merge(spark.range(1), "a.id = id").whenMatchedDelete().execute())
        attempt(lambda: DeltaTable.create(spark).tableName("orders").addColumn("id", "INT").execute())
        """,
        "\n".join(
            f"UnsupportedOperationException {what} extension\n\n{_NO_DELTA}"
            if what == "command"
            else f"UnsupportedOperationException extension relation\n\n{_NO_DELTA}"
            for what in ("relation", "relation", "relation", "relation", "command")
        ),
        install="--no-deps delta-spark",
        spark="\n".join(
            _NO_RELATION.format(what) for what in ("Relation", "Relation", "Relation", "Relation", "Command")
        ),
    ),
    _library(
        "`contextlib`, `typing.Protocol`, `functools.singledispatch` in functions for Spark",
        """
        import contextlib, functools, typing
        from pyspark.sql import functions as F

        @contextlib.contextmanager
        def doubled(value):
            yield value * 2

        @typing.runtime_checkable
        class Sized(typing.Protocol):
            def size(self) -> int: ...

        class Box:
            def size(self): return 7

        @functools.singledispatch
        def shown(value): return "any"

        @shown.register
        def _(value: int): return f"int {value}"

        def work(value):
            with doubled(value) as twice, contextlib.suppress(ZeroDivisionError):
                1 // 0
            return f"{twice} {isinstance(Box(), Sized)} {isinstance(value, Sized)} {shown(value)} {shown('')}"

        print(spark.range(2).select(F.udf(work)("id").alias("w")).collect())
        """,
        "[Row(w='0 True False int 0 any'), Row(w='2 True False int 1 any')]",
    ),
)


def wheels() -> list[Path]:
    """The wheels of the libraries and of what they need; AssertionError with the remedy where there are none."""
    found = sorted(WHEELS.glob("*.whl"))
    assert found, f"{WHEELS} has no wheels: run `make build`"
    return found
