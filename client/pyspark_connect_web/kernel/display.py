"""`display(df)` and the results of `%sql` show a table; a bare `df` stays what PySpark makes of it.

PySpark shows a bare DataFrame by its schema, or by its rows with ``spark.sql.repl.eagerEval.enabled``. Asking
for a display, or running SQL, is asking for the rows: such a DataFrame is marked, and the mark is used up when
IPython formats it.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from pyspark_connect_web.kernel.sql.table import DEFAULT_LIMIT, first_rows, html_table, text_table
from pyspark_connect_web.patches.apply import replace

__all__ = ["mark", "show_tables"]

_MARK = "_pcw_rows_to_show"


def mark(frame: Any, limit: int) -> None:
    """Let IPython show up to `limit` rows of the DataFrame the next time that it formats it."""
    frame.__dict__[_MARK] = limit


def show_tables(shell: Any) -> None:
    """Teach a shell's formatters and its `display` about DataFrames."""
    from pyspark.sql import DataFrame

    def bundle(frame: Any) -> dict[str, str] | None:
        limit = frame.__dict__.pop(_MARK, None)
        if limit is None:
            # IPython does not find this method: a DataFrame of Spark Connect has every attribute, as a column.
            eager = frame._repr_html_()
            return None if eager is None else {"text/html": eager}
        columns, rows, more = first_rows(frame, limit)
        if not columns:
            return {"text/plain": "Done; the statement has no result."}
        return {
            "text/html": html_table(columns, rows, more),
            "text/plain": text_table(columns, rows, more),
        }

    shell.display_formatter.mimebundle_formatter.for_type(_connect_frame(), bundle)

    def tables(plain: Callable[..., Any]) -> Callable[..., Any]:
        def display(*objects: Any, **options: Any) -> Any:
            for value in objects:
                if isinstance(value, DataFrame) and _MARK not in value.__dict__:
                    mark(value, DEFAULT_LIMIT)
            return plain(*objects, **options)

        return display

    if hasattr(builtins, "display"):
        replace("builtins:display", tables)


def _connect_frame() -> Any:
    from pyspark.sql.connect.dataframe import DataFrame

    return DataFrame
