"""Tab behind a dot, from PySpark's declared types: no jedi, no call, no property, and Spark only for columns."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark_connect_web.kernel.completion.attributes import complete_attributes

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    from pyspark.sql import functions
    from pyspark.sql.connect import catalog, dataframe, readwriter, session, streaming  # noqa: F401

    class Frame(dataframe.DataFrame):
        @property
        def columns(self) -> list[str]:
            return ["one", "two words"]

    class Surprising:
        @property
        def answer(self) -> int:
            raise AssertionError("a property was evaluated")

    return {
        "spark": session.SparkSession.__new__(session.SparkSession),
        "df": Frame.__new__(Frame),
        "F": functions,
        "own": Surprising(),
    }


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("spark.ra", "range"),
        ("spark.range(3).se", "select"),
        ("x = spark.range(3, end=(1 + 2)).filter('id > 1').gro", "groupBy"),
        ("df.on", "one"),
        ("df.one.ali", "alias"),
        ("df['one'].ali", "alias"),
        ("df.groupBy('a').ag", "agg"),
        ("df.groupBy('a').agg(F.su", "sum"),
        ("spark.read.opt", "option"),
        ("spark.read.option('a', ')').cs", "csv"),
        ("df.write.mode('overwrite').par", "parquet"),
        ("df.na.fi", "fill"),
        ("spark.catalog.listT", "listTables"),
        ("F.up", "upper"),
        ("F.col('a').des", "desc"),
        ("(\n    df.select('one')\n    .ord", "orderBy"),
        ("new = spark.range(1)\nnew = new.select('id')\nnew.cou", "count"),
        ("from pyspark.sql import functions as G\nG.low", "lower"),
        ("import os\nos.pathse", "pathsep"),
        ("own.ans", "answer"),
    ],
)
def test_name_is_offered(names: dict[str, Any], code: str, name: str) -> None:
    assert name in [found for found, _ in complete_attributes(code, names, ask=True)]


@pytest.mark.parametrize(
    "code",
    [
        "",
        "df",
        "1.",
        "unknown.a",
        "own.answer.a",
        "df.collect().a",
        "for df in x:\n    df.se",
        "print('df.se",
        "# df.se",
        "'text'.up",
        "df = what()\ndf.se",
        "df.select('a'))).se",
        "df.select(.se",
    ],
)
def test_what_types_do_not_tell_is_left_to_others(names: dict[str, Any], code: str) -> None:
    assert complete_attributes(code, names, ask=True) == []


def test_spark_is_asked_for_columns_only_if_it_may_be(names: dict[str, Any]) -> None:
    assert ("one", "column") in complete_attributes("df.o", names, ask=True)
    assert "one" not in dict(complete_attributes("df.o", names, ask=False))
    assert "orderBy" in dict(complete_attributes("df.o", names, ask=False))


def test_private_names_are_offered_to_who_asks_for_them(names: dict[str, Any]) -> None:
    assert not [name for name, _ in complete_attributes("df.", names, ask=True) if name.startswith("_")]
    assert "_repr_html_" in dict(complete_attributes("df._re", names, ask=True))
