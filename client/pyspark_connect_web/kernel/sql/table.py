"""A DataFrame as a table in a cell: its first rows, as HTML and as text, everything from the data escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

__all__ = ["DEFAULT_LIMIT", "first_rows", "html_table", "text_table"]

DEFAULT_LIMIT = 20
"""Rows shown, as `DataFrame.show` does."""

MAX_CELL = 200
"""Characters of one value."""


def first_rows(frame: Any, limit: int) -> tuple[list[tuple[str, str]], list[list[str]], bool]:
    """Names and types of the columns, at most `limit` rows as text, and whether there are more. Runs a query."""
    columns = [(field.name, field.dataType.simpleString()) for field in frame.schema.fields]
    if not columns:
        return [], [], False
    rows = frame.limit(limit + 1).collect()
    return columns, [[_text(value) for value in row] for row in rows[:limit]], len(rows) > limit


def _text(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"


def html_table(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]], more: bool) -> str:
    """The table as HTML; a column's type is its heading's tooltip."""
    head = "".join(
        f'<th title="{html.escape(kind, quote=True)}">{html.escape(name)}</th>' for name, kind in columns
    )
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(value)}</td>" for value in row) + "</tr>" for row in rows
    )
    note = f"<p>{_note(len(rows), more)}</p>"
    return f'<table class="dataframe"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}'


def text_table(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]], more: bool) -> str:
    """The same table in characters."""
    names = [name for name, _ in columns]
    table = [[value.replace("\n", "\\n") for value in row] for row in (names, *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    lines = [
        "|" + "|".join(f" {value:<{width}} " for value, width in zip(row, widths, strict=True)) + "|"
        for row in table
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule, _note(len(rows), more)])


def _note(shown: int, more: bool) -> str:
    if more:
        return f"First {shown} rows; there are more."
    return f"{shown} row{'' if shown == 1 else 's'}."
