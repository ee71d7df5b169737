"""`%sql`, tables in cells, and Tab in SQL."""

from __future__ import annotations

from collections import namedtuple
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark_connect_web.kernel.completion.completer import (
    KEEP,
    PATIENCE,
    SqlNames,
    complete_python,
    complete_sql,
    sql_before_cursor,
)
from pyspark_connect_web.kernel.sql.magic import parse, variables
from pyspark_connect_web.kernel.sql.table import MAX_CELL, first_rows, html_table, text_table

# PySpark warns about pandas 3 when it is imported, which is none of our business.
pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")


@pytest.mark.parametrize(
    ("line", "cell", "parsed"),
    [
        ("SELECT 1", None, ("SELECT 1", None, 20, False)),
        ("SELECT 1 ; ", None, ("SELECT 1", None, 20, False)),
        ("-o people --limit 5 SELECT 1", None, ("SELECT 1", "people", 5, False)),
        ("--output=people -q", "SELECT 1\n", ("SELECT 1", "people", 20, True)),
        ("", "-- a comment\nSELECT -1", ("-- a comment\nSELECT -1", None, 20, False)),
        ("-l 0", "SELECT 1;\n;", ("SELECT 1", None, 0, False)),
        ("-- a comment", "SELECT 1", ("-- a comment\nSELECT 1", None, 20, False)),
    ],
)
def test_options_come_before_the_query(
    line: str, cell: str | None, parsed: tuple[str, str | None, int, bool]
) -> None:
    assert parse(line, cell) == parsed


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "There is no query"),
        ("-o 1x SELECT 1", "name of a variable"),
        ("-l many SELECT 1", "number of rows"),
        ("-x SELECT 1", "no option -x"),
        ("-o", "name of a variable"),
    ],
)
def test_mistakes_are_told(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(line, None)


def test_parameters_are_found_outside_of_strings_comments_and_casts() -> None:
    names = {name: name.upper() for name in ("age", "a", "b", "c", "d", "frame", "int")}
    query = "SELECT ':a', `:b`, x::int, /* :c */ :age -- :d\nFROM {frame} WHERE y = :unknown"
    assert variables(query, names) == ({"age": "AGE"}, {"frame": "FRAME"})


def field(name: str, kind: str) -> Any:
    return SimpleNamespace(name=name, dataType=SimpleNamespace(simpleString=lambda: kind))


class Frame:
    def __init__(self, fields: list[Any], rows: list[tuple[Any, ...]]) -> None:
        self.schema = SimpleNamespace(fields=fields)
        self.rows = rows

    def limit(self, count: int) -> Frame:
        return Frame(self.schema.fields, self.rows[:count])

    def collect(self) -> list[tuple[Any, ...]]:
        return self.rows


def test_table_shows_as_many_rows_as_asked_for_and_says_that_there_are_more() -> None:
    frame = Frame([field("n", "int"), field("n", "boolean")], [(n, None if n else True) for n in range(9)])
    columns, rows, more = first_rows(frame, 2)
    assert (columns, rows, more) == (
        [("n", "int"), ("n", "boolean")],
        [["0", "true"], ["1", "NULL"]],
        True,
    )
    assert "First 2 rows; there are more." in html_table(columns, rows, more)
    assert first_rows(frame, 9)[2] is False


def test_everything_from_the_data_is_escaped() -> None:
    evil = "<img src=x onerror=alert(1)>&\"'"
    markup = html_table([(evil, f'struct<{evil}">')], [[evil]], False)
    assert "<img" not in markup
    assert markup.count("&lt;img") == 3
    assert '">"' not in markup


def test_long_values_are_cut_and_text_stays_in_its_line() -> None:
    columns, rows, more = first_rows(Frame([field("s", "string")], [("x" * 500,), ("a\nb",)]), 20)
    assert [len(row[0]) for row in rows] == [MAX_CELL, 3]
    assert "a\\nb" in text_table(columns, rows, more).splitlines()[4]


def test_statement_without_columns_runs_nothing() -> None:
    assert first_rows(Frame([], []), 20) == ([], [], False)


@pytest.mark.parametrize(
    ("code", "sql"),
    [
        ("%%sql -o x\nSELECT a\nFROM t", "SELECT a\nFROM t"),
        ("%sql SELECT a", "SELECT a"),
        ("frame = %sql SELECT a", "SELECT a"),
        ("spark.sql('SELECT a", "SELECT a"),
        ('spark.sql("""SELECT a\nFROM', "SELECT a\nFROM"),
        ("spark.sql('SELECT a').co", None),
        ("print(sql)", None),
        ("%%sqlx\nSELECT", None),
    ],
)
def test_sql_is_found_before_the_cursor(code: str, sql: str | None) -> None:
    assert sql_before_cursor(code, code.split("\n")[-1]) == sql


Table = namedtuple("Table", "tableName")


class Session:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def sql(self, statement: str) -> Any:
        self.asked.append(statement)
        names = {"SHOW TABLES": ("people", "places"), "SHOW FUNCTIONS": ("abs", "+", "percentile")}
        return SimpleNamespace(collect=lambda: [Table(name) for name in names[statement]])

    def table(self, name: str) -> Any:
        self.asked.append(name)
        if name != "people":
            raise LookupError(name)
        return SimpleNamespace(columns=["age", "name", "pet"])


def words(found: list[tuple[str, str]]) -> list[str]:
    return [name for name, _ in found]


def test_after_from_tables_are_offered_alone() -> None:
    assert complete_sql("SELECT * FROM p", SqlNames(Session())) == [("people", "table"), ("places", "table")]


def test_columns_of_the_tables_named_come_first() -> None:
    names = SqlNames(Session())
    assert complete_sql("SELECT * FROM people WHERE p", names)[:3] == [
        ("pet", "column"),
        ("people", "table"),
        ("places", "table"),
    ]
    assert words(complete_sql("sel", names)) == ["select"]
    assert words(complete_sql("SEL", names)) == ["SELECT"]
    assert "percentile" in words(complete_sql("SELECT perc", names))
    assert complete_sql("SELECT * FROM nowhere WHERE zzz", names) == []


def test_names_are_asked_for_once_in_a_while() -> None:
    now = [0.0]
    session = Session()
    names = SqlNames(session, lambda: now[0])
    for _ in range(3):
        assert names.tables() == ["people", "places"]
        assert names.columns("nowhere") == []
    assert session.asked == ["SHOW TABLES", "nowhere"]
    now[0] = KEEP + 1
    names.begin()
    names.tables()
    assert session.asked == ["SHOW TABLES", "nowhere", "SHOW TABLES"]
    assert names.functions() == ["abs", "percentile"]


def test_a_tab_that_has_taken_its_time_asks_no_more() -> None:
    now = [0.0]
    session = Session()
    names = SqlNames(session, lambda: now[0])
    now[0] = PATIENCE + 0.1
    assert {"abs", "percentile_approx", "upper"} <= set(names.functions())
    assert session.asked == []
    names.begin()
    assert names.functions() == ["abs", "percentile"]
    now[0] = 10.0
    assert names.functions() == ["abs", "percentile"]


def test_sql_of_a_spark_that_is_not_used_yet_gets_what_needs_no_spark() -> None:
    found = complete_sql("SELECT up", SqlNames(None))
    assert ("upper", "function") in found
    assert ("update", "keyword") in found
    assert complete_sql("SELECT * FROM peo", SqlNames(None)) == []


def test_strings_of_dataframe_code_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyspark.sql

    class DataFrame:
        columns = ("age", "name")

    monkeypatch.setattr(pyspark.sql, "DataFrame", DataFrame)
    user, names = {"df": DataFrame(), "other": 1}, SqlNames(Session())
    assert complete_python("spark.table('pl", user, names) == [("places", "table")]
    assert complete_python("df.select('a", user, names) == [("age", "column")]
    assert complete_python("df.filter('x').groupBy('age', \"n", user, names) == [("name", "column")]
    assert complete_python("x = df['n", user, names) == [("name", "column")]
    assert complete_python("other['n", user, names) == []
    assert complete_python("other.select('a", user, names) == []
    assert complete_python("print('a", user, names) == []


def test_only_what_was_asked_to_be_shown_becomes_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    from IPython.core.formatters import DisplayFormatter
    from pyspark.sql.connect.dataframe import DataFrame
    from pyspark_connect_web.kernel.display import mark, show_tables

    class Shown(DataFrame):
        def __init__(self, eager: str | None) -> None:
            self.eager = eager

        schema = SimpleNamespace(fields=[field("a", "int")])  # type: ignore[assignment]

        def limit(self, count: int) -> Any:
            return self

        def collect(self) -> Any:
            return [(1,), (2,)]

        def __repr__(self) -> str:
            return "DataFrame[a: int]"

        def _repr_html_(self) -> str | None:
            return self.eager

    displayed: list[Any] = []
    monkeypatch.setitem(builtins.__dict__, "display", lambda *objects, **options: displayed.extend(objects))
    formatter = DisplayFormatter()
    show_tables(SimpleNamespace(display_formatter=formatter))
    frame = Shown(None)
    assert formatter.format(frame)[0] == {"text/plain": "DataFrame[a: int]"}
    mark(frame, 1)
    shown = formatter.format(frame)[0]
    assert "<td>1</td>" in shown["text/html"]
    assert "First 1 rows; there are more." in shown["text/plain"]
    assert formatter.format(frame)[0] == {"text/plain": "DataFrame[a: int]"}
    builtins.__dict__["display"](frame, "text")
    assert displayed == [frame, "text"]
    assert "<td>2</td>" in formatter.format(frame)[0]["text/html"]
    # spark.sql.repl.eagerEval.enabled
    assert formatter.format(Shown("<table>"))[0] == {
        "text/html": "<table>",
        "text/plain": "DataFrame[a: int]",
    }
