"""Large tables that are encoded from Python values each time their batches are asked for.

`createDataFrame` makes a table and writes it once, into chunks that PySpark holds until they are sent. An encoded table
would be one more copy of them, so what is kept is the values that the caller holds anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

from pyspark_connect_web.lean.arrow.batches import RecordBatch
from pyspark_connect_web.lean.arrow.data import item_width, offset_code
from pyspark_connect_web.lean.arrow.schema import Schema

__all__ = ["LARGE", "ROWS", "OnDemandBatches", "batches_on_demand"]

ROWS = 1024
"""Rows of a batch: as many as `createDataFrame` asks for."""

LARGE = 4 << 20
"""Bytes from which on a table is not kept encoded."""

#: Kinds whose values PySpark takes from its caller as they are, so that keeping them costs a reference each.
_NUMBERS = {"bool", "int8", "int16", "int32", "int64", "float", "double"}
_KINDS = _NUMBERS | {"string", "large_string", "binary", "large_binary"}


def batches_on_demand(columns: Sequence[Any], schema: Schema) -> OnDemandBatches | None:
    """Batches made of the values that are kept; None where these are few, or where keeping them would cost more.

    Raises what encoding raises: every value is encoded once.
    """
    kinds = {field.type.kind for field in schema}
    if (
        len(columns) != len(schema)
        or not kinds <= _KINDS
        or any(type(column) is not list for column in columns)
    ):
        return None
    lengths = set(map(len, columns))
    if len(lengths) != 1 or (rows := lengths.pop()) <= ROWS:
        return None
    if _at_most(columns, schema) < LARGE:
        return None
    batches = OnDemandBatches(
        rows,
        lambda i: RecordBatch.from_arrays(
            [column[i * ROWS : (i + 1) * ROWS] for column in columns], schema=schema
        ),
    )
    batches.nbytes = sum(batch.nbytes for batch in batches)
    return None if batches.nbytes < LARGE else batches


def _at_most(columns: Sequence[Any], schema: Schema) -> int:
    """A number of bytes that encoded columns do not exceed, without encoding them; `LARGE` where it cannot be told."""
    size = 0
    for values, field in zip(columns, schema, strict=True):
        size += len(values) // 8 + 8  # which of them are null
        width = item_width(field.type)
        if width or field.type.kind == "bool":
            size += len(values) * (width or 1)
            continue
        size += offset_code(field.type)[0] * (len(values) + 1)
        empty: Any = "" if field.type.kind.endswith("string") else b""
        for start in range(0, len(values), ROWS):
            try:
                joined = empty.join(filter(None, values[start : start + ROWS]))
            except TypeError:
                return LARGE
            # UTF-8 takes no more than four bytes for a character.
            size += len(joined) * (4 if type(joined) is str and not joined.isascii() else 1)
            if size >= LARGE:
                return LARGE
    return size


class OnDemandBatches(Sequence[RecordBatch]):
    """A sequence whose items are made anew at every look.

    Attributes:
        rows: how many rows all of them have together.
        nbytes: how many bytes all of them have together.
    """

    def __init__(self, rows: int, make: Callable[[int], RecordBatch]) -> None:
        self.rows = rows
        self.nbytes = 0
        self._length = -(-rows // ROWS)
        self._make = make

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> RecordBatch: ...
    @overload
    def __getitem__(self, index: slice) -> list[RecordBatch]: ...
    def __getitem__(self, index: int | slice) -> RecordBatch | list[RecordBatch]:
        places = range(self._length)[index]
        return self._make(places) if isinstance(places, int) else list(map(self._make, places))

    def __iter__(self) -> Iterator[RecordBatch]:
        return map(self._make, range(self._length))
