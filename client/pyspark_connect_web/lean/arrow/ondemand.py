"""Large tables that are encoded from Python values each time their batches are asked for.

`createDataFrame` makes a table and writes it once, into chunks that PySpark holds until they are sent. An encoded table
would be one more copy of them, so what is kept is the values that the caller holds anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast, overload

from .schema import Schema
from .tables import RecordBatch, Table

__all__ = ["LARGE", "ROWS", "table_on_demand"]

ROWS = 1024
"""Rows of a batch: as many as `createDataFrame` asks for."""

LARGE = 4 << 20
"""Bytes from which on a table is not kept encoded."""

#: Kinds whose values PySpark takes from its caller as they are, so that keeping them costs a reference each.
_NUMBERS = {"bool", "int8", "int16", "int32", "int64", "float", "double"}
_KINDS = _NUMBERS | {"string", "large_string", "binary", "large_binary"}


def table_on_demand(columns: Sequence[Any], schema: Schema) -> Table | None:
    """A table that holds the values; None where these are few, or where keeping them would cost more.

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
    batches = _Batches(
        -(-rows // ROWS),
        lambda i: RecordBatch.from_arrays(
            [column[i * ROWS : (i + 1) * ROWS] for column in columns], schema=schema
        ),
    )
    nbytes = sum(batch.nbytes for batch in batches)
    return None if nbytes < LARGE else _OnDemandTable(schema, batches, rows, nbytes)


class _Batches(Sequence[RecordBatch]):
    """A sequence whose items are made anew at every look."""

    def __init__(self, length: int, make: Callable[[int], RecordBatch]) -> None:
        self._length = length
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


class _OnDemandTable(Table):
    __slots__ = ("_nbytes", "_num_rows")

    def __init__(self, schema: Schema, batches: _Batches, num_rows: int, nbytes: int) -> None:
        self.schema = schema
        self._batches = batches
        self._num_rows = num_rows
        self._nbytes = nbytes

    @property
    def num_rows(self) -> int:
        return self._num_rows

    @property
    def nbytes(self) -> int:
        return self._nbytes

    def to_batches(self, max_chunksize: int | None = None) -> list[RecordBatch]:
        """As a table's, but not a list where no batch must be cut: each batch is made when it is taken."""
        if max_chunksize is None or max_chunksize >= ROWS:
            return cast("list[RecordBatch]", self._batches)
        return super().to_batches(max_chunksize)
