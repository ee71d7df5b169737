"""Rows of Python values to the columns of a table, a column at a time.

PySpark makes a tuple of every row and asks every string whether it is one. Here rows of one length become columns at C
speed, and a column that PySpark would leave as it is stays so. Rows of any other kind, and everything while the real
pyarrow is in use, are left to PySpark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyspark_connect_web.lean import full
from pyspark_connect_web.lean.arrow.tables import Table

__all__ = ["by_column", "columns_of"]

_NONE = type(None)

#: Rows that become columns together: each takes an iterator of its own for so long.
_AT_ONCE = 1024


def by_column(conversion: Any) -> Callable[[Any], Any]:
    """What replaces `LocalDataToArrowConversion.convert` of PySpark's module `conversion`."""
    owner = conversion.LocalDataToArrowConversion
    #: Converters of these types return values of these classes as they are.
    unchanged = {conversion.StringType: str, conversion.BinaryType: bytes}

    def wrap(original: Any) -> Any:
        def convert(data: Sequence[Any], schema: Any, use_large_var_types: bool) -> Any:
            found = None
            if full.state("pyarrow") is full.State.LEAN and isinstance(schema, conversion.StructType):
                found = columns_of(data, len(schema.fields))
            if found is None:
                return original(data, schema, use_large_var_types)
            converters = [
                owner._create_converter(
                    field.dataType,
                    field.nullable,
                    none_on_identity=True,
                    int_to_decimal_coercion_enabled=False,
                )
                for field in schema.fields
            ]
            for at, (field, converter) in enumerate(zip(schema.fields, converters, strict=True)):
                if converter is None:
                    continue
                kind = unchanged.get(type(field.dataType))
                if kind is None or not set(map(type, found[at])) <= {kind, _NONE if field.nullable else kind}:
                    found[at] = list(map(converter, found[at]))
            arrow_schema = conversion.to_arrow_schema(
                conversion.StructType(
                    [
                        conversion.StructField(
                            field.name, conversion._deduplicate_field_names(field.dataType), field.nullable
                        )
                        for field in schema.fields
                    ]
                ),
                timezone="UTC",
                prefers_large_types=use_large_var_types,
            )
            return Table.from_arrays(found, schema=arrow_schema)

        return convert

    return wrap


def columns_of(data: Any, width: int) -> list[list[Any]] | None:
    """The columns of rows that are tuples (of any class) or lists of `width` values; None of any other rows."""
    if type(data) is not list or not data or not width:
        return None
    rows, kinds = data, set(map(type, data))
    if not kinds <= {tuple, list}:
        if not all(issubclass(kind, tuple) for kind in kinds):
            return None
        if set(map(len, data)) != {width}:  # what the rows themselves say
            return None
        rows = list(map(tuple, data))
    columns: list[list[Any]] = [[] for _ in range(width)]
    try:
        for start in range(0, len(rows), _AT_ONCE):
            parts = zip(*rows[start : start + _AT_ONCE], strict=True)
            for column, values in zip(columns, parts, strict=True):
                column.extend(values)
    except ValueError:  # a row of another length
        return None
    return columns
