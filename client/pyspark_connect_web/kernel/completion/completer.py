"""Tab in SQL and in the strings of DataFrame code: names of tables, columns and functions.

Nothing is asked of a Spark that the notebook has not used yet: a Tab starts no engine. What was asked is kept
for `KEEP` seconds, so that typing on costs nothing. JupyterLab drops an answer that takes longer than a second: after
`PATIENCE` nothing more is asked for this Tab, and the next one asks for the rest.
"""

from __future__ import annotations

import functools
import inspect
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from pyspark_connect_web.kernel.completion.attributes import complete_attributes
from pyspark_connect_web.kernel.completion.keywords import KEYWORDS

__all__ = ["KEEP", "PATIENCE", "SqlNames", "register_completer", "sql_before_cursor"]

KEEP = 30.0
PATIENCE = 0.4

_CELL = re.compile(r"\s*%%sql\b[^\n]*\n")
_LINE = re.compile(r"(?:^|[=\s])%sql\s(.*)\Z")
_WORD = re.compile(r"[\w.`]*\Z")
#: The names after FROM, JOIN, INTO, TABLE, UPDATE.
_TABLE = re.compile(r"\b(?:from|join|into|table|update|describe)\s+([\w.`]+)", re.IGNORECASE)
_AFTER_TABLE_WORD = re.compile(r"\b(?:from|join|into|table|update|describe)\s+[\w.`]*\Z", re.IGNORECASE)
_TABLE_CALL = re.compile(
    r"\b(?:table|tableExists|dropTempView|cacheTable|uncacheTable|insertInto)\(\s*['\"]([\w.]*)\Z"
)
#: `frame.method("col`, also behind other arguments.
_COLUMN_CALL = re.compile(r"\b([A-Za-z_]\w*)(?:\.\w+\([^()]*\))*\.(\w+)\([^()]*?['\"](\w*)\Z")
#: `frame["col`
_COLUMN_ITEM = re.compile(r"\b([A-Za-z_]\w*)\[\s*['\"](\w*)\Z")
_COLUMN_METHODS_TEXT = """
select groupBy groupby agg orderBy sort drop dropDuplicates drop_duplicates withColumnRenamed withColumn cube rollup
sortWithinPartitions repartition repartitionByRange crosstab freqItems corr cov approxQuantile fillna dropna describe
summary filter where selectExpr colRegex join unpivot melt groupingSets
"""
_COLUMN_METHODS = frozenset(_COLUMN_METHODS_TEXT.split())
_SQL_CALL = re.compile(r"\.sql\(\s*[fr]?(\"\"\"|'''|\"|')((?:(?!\1).)*)\Z", re.DOTALL)


def sql_before_cursor(code: str, line_before_cursor: str) -> str | None:
    """The SQL up to the cursor, or None where the cursor is in no SQL. `code`: the cell up to the cursor."""
    cell = _CELL.match(code)
    if cell is not None:
        return code[cell.end() :]
    line = _LINE.search(line_before_cursor)
    if line is not None:
        return line[1]
    call = _SQL_CALL.search(code)
    return None if call is None else call[2]


class SqlNames:
    """The names that a session's catalog knows, asked for when they are needed and kept for a while.

    Args:
        session: None where Spark must not be asked.
        clock: seconds.
    """

    def __init__(self, session: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._clock = clock
        self._kept: dict[str, tuple[float, list[str]]] = {}
        self._began = clock()

    def begin(self) -> None:
        """A Tab: its time begins."""
        self._began = self._clock()

    def tables(self) -> list[str]:
        """Tables and temporary views of the current database."""
        # The catalog's listTables looks every table up, which can take Spark seconds.
        return self._ask("tables", lambda: [row.tableName for row in self._rows("SHOW TABLES")])

    def functions(self) -> list[str]:
        """Functions that PySpark has under their SQL names, and, as soon as there is time, all that Spark has."""
        if self._clock() - self._began > PATIENCE and "functions" not in self._kept:
            return _builtin_functions()
        names = self._ask("functions", lambda: [row[0] for row in self._rows("SHOW FUNCTIONS")])
        return [name for name in names if name.isidentifier()] or _builtin_functions()

    def columns(self, table: str) -> list[str]:
        """Columns of a table; none where there is no such table."""
        return self._ask(f"columns {table}", lambda: list(self._session.table(table).columns))

    def _rows(self, statement: str) -> list[Any]:
        return list(self._session.sql(statement).collect())

    def _ask(self, key: str, question: Callable[[], list[str]]) -> list[str]:
        if self._session is None:
            return []
        now = self._clock()
        kept = self._kept.get(key)
        if kept is not None and now - kept[0] < KEEP:
            return kept[1]
        try:
            names = sorted(set(question()))
        except Exception:  # noqa: BLE001 - no answer, whatever the reason, is no completion
            names = []
        self._kept[key] = (now, names)
        return names


@functools.cache
def _builtin_functions() -> list[str]:
    from pyspark.sql.connect.functions import builtin

    return sorted(
        name
        for name, value in vars(builtin).items()
        if inspect.isfunction(value)
        and value.__module__ == builtin.__name__
        and name.islower()
        and name[0] != "_"
    )


def complete_sql(sql: str, names: SqlNames) -> list[tuple[str, str]]:
    """Completions of the word at the end of `sql`, each with its kind."""
    word = _WORD.search(sql)[0]  # type: ignore[index]  # matches the empty word too
    tables = [(name, "table") for name in names.tables()]
    if _AFTER_TABLE_WORD.search(sql):
        return _starting(word, tables)
    columns = [
        (column, "column")
        for table in dict.fromkeys(_TABLE.findall(sql))
        if table != word
        for column in names.columns(table.replace("`", ""))
    ]
    functions = [(name, "function") for name in names.functions()]
    keywords = [(_cased(keyword, word), "keyword") for keyword in KEYWORDS]
    return _starting(word, [*columns, *tables, *functions, *keywords])


def complete_python(line: str, user_names: dict[str, Any], names: SqlNames) -> list[tuple[str, str]]:
    """Completions inside a string of DataFrame code: tables for `spark.table("`, columns for `df.select("`."""
    table = _TABLE_CALL.search(line)
    if table is not None:
        return _starting(table[1], [(name, "table") for name in names.tables()])
    call = _COLUMN_ITEM.search(line) or _COLUMN_CALL.search(line)
    if call is None or (call.re is _COLUMN_CALL and call[2] not in _COLUMN_METHODS):
        return []
    from pyspark.sql import DataFrame

    frame = user_names.get(call[1])
    if not isinstance(frame, DataFrame):
        return []
    return _starting(call[call.re.groups], [(name, "column") for name in frame.columns])


def _starting(word: str, candidates: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    lower = word.lower()
    found = {name: kind for name, kind in reversed(list(candidates)) if name.lower().startswith(lower)}
    return list(reversed(found.items()))


def _cased(keyword: str, word: str) -> str:
    return keyword.lower() if word and word[-1].islower() else keyword


def register_completer(shell: Any) -> None:
    """Add these completions to a shell's own."""
    from IPython.core.completer import SimpleCompletion, context_matcher
    from pyspark.sql import SparkSession

    names: dict[int, SqlNames] = {}
    nobody = SqlNames(None)

    def session_names() -> SqlNames:
        session: Any = SparkSession.getActiveSession()
        if session is None or session.client._server_session_id is None:
            return nobody
        if id(session) not in names:
            names.clear()
            names[id(session)] = SqlNames(session)
        return names[id(session)]

    @context_matcher(identifier="pcw_sql_matcher")  # type: ignore[untyped-decorator, unused-ignore]
    def match(context: Any) -> dict[str, Any]:
        line = context.text_until_cursor
        lines = context.full_text.split("\n")
        before = "\n".join([*lines[: context.cursor_line], line])
        word = _WORD.search(line)[0]  # type: ignore[index]  # matches the empty word too
        sql = sql_before_cursor(before, line)
        known = session_names()
        known.begin()
        found: list[tuple[str, str]]
        if sql is not None:
            found = complete_sql(sql, known)
        else:
            asked = known is not nobody
            found = complete_python(line, shell.user_ns, known) if asked else []
            if not found:
                found = complete_attributes(before, shell.user_ns, asked)
                word = word.rpartition(".")[2] if found else word
        result: dict[str, Any] = {
            "completions": [SimpleCompletion(text=name, type=kind) for name, kind in found],
            "matched_fragment": word,
        }
        if found:
            result["suppress"] = True
            result["ordered"] = True
        return result

    shell.Completer.custom_matchers.append(match)
