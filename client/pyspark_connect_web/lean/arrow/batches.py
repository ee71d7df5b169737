"""Record batches with pyarrow's names: columns of equal length, each in one piece."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pyspark_connect_web.lean.arrow.arrays import Array, ChunkedArray
from pyspark_connect_web.lean.arrow.encode import encode
from pyspark_connect_web.lean.arrow.errors import ArrowInvalid
from pyspark_connect_web.lean.arrow.from_values import array
from pyspark_connect_web.lean.arrow.schema import Schema
from pyspark_connect_web.lean.arrow.types import DataType, Field
from pyspark_connect_web.lean.standin_types import StandInObject


def as_array(values: Any, data_type: DataType | None) -> Array:
    """One array of the type, from an array of ours or from Python values."""
    if isinstance(values, ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, Array):
        if data_type is not None and data_type != values.type:
            return Array(encode(values.to_pylist(), data_type))
        return values
    if data_type is None:
        found: Array = array(values)
        return found
    return Array(encode(values, data_type))


def _make_schema(
    arrays: Sequence[Any],
    names: Sequence[str] | None,
    schema: Schema | None,
    metadata: Mapping[Any, Any] | None,
) -> Schema:
    if schema is not None:
        if len(schema) != len(arrays):
            raise ValueError(f"Schema and number of arrays unequal: {len(schema)} and {len(arrays)}")
        return schema
    if names is None:
        raise ValueError("Must pass names or schema when constructing a Table or RecordBatch.")
    if len(names) != len(arrays):
        raise ValueError(f"Length of names ({len(names)}) does not match length of arrays ({len(arrays)})")
    return Schema([Field(name, array.type) for name, array in zip(names, arrays, strict=True)], metadata)


def _columns(
    arrays: Sequence[Any],
    names: Sequence[str] | None,
    schema: Schema | None,
    metadata: Mapping[Any, Any] | None,
) -> tuple[Schema, list[Array]]:
    types = schema.types if schema is not None else [None] * len(arrays)
    if len(types) == len(arrays):
        arrays = [as_array(values, data_type) for values, data_type in zip(arrays, types, strict=True)]
    found = _make_schema(arrays, names, schema, metadata)
    if arrays and len(set(map(len, arrays))) > 1:
        lengths = [len(array) for array in arrays]
        i = next(i for i, length in enumerate(lengths) if length != lengths[0])
        raise ArrowInvalid(
            f"Column {i} named {found.names[i]} expected length {lengths[0]} but got length {lengths[i]}"
        )
    return found, list(arrays)


class Tabular(StandInObject):
    """What record batches and tables share."""

    __slots__ = ("__weakref__", "schema")
    schema: Schema

    @property
    def column_names(self) -> list[str]:
        return self.schema.names

    @property
    def num_columns(self) -> int:
        return len(self.schema)

    def _index(self, i: int | str) -> int:
        if isinstance(i, int):
            if not -len(self.schema) <= i < len(self.schema):
                raise IndexError(f"Table column index {i} is out of range")
            return i
        found = [k for k, name in enumerate(self.schema.names) if name == i]
        if len(found) != 1:
            raise KeyError(f'Field "{i}" {"does not exist" if not found else "exists 2 times"} in schema')
        return found[0]


class RecordBatch(Tabular):
    """Columns of equal length, each in one piece."""

    __real__ = ("pyarrow", "RecordBatch")
    __slots__ = ("columns", "num_rows")

    def __init__(self, schema: Schema, columns: Sequence[Array], num_rows: int) -> None:
        self.schema = schema
        self.columns = list(columns)
        self.num_rows = num_rows

    @classmethod
    def from_arrays(
        cls,
        arrays: Sequence[Any],
        names: Sequence[str] | None = None,
        schema: Schema | None = None,
        metadata: Mapping[Any, Any] | None = None,
    ) -> RecordBatch:
        found, columns = _columns(arrays, names, schema, metadata)
        return cls(found, columns, len(columns[0]) if columns else 0)

    @classmethod
    def from_struct_array(cls, struct: Array) -> RecordBatch:
        fields = struct.type.children
        return cls(Schema(fields), [struct.field(i) for i in range(len(fields))], len(struct))

    @property
    def shape(self) -> tuple[int, int]:
        return self.num_rows, len(self.columns)

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for column in self.columns)

    def column(self, i: int | str) -> Array:
        return self.columns[self._index(i)]

    def itercolumns(self) -> Iterator[Array]:
        return iter(self.columns)

    def slice(self, offset: int = 0, length: int | None = None) -> RecordBatch:
        rest = max(self.num_rows - offset, 0)
        count = rest if length is None else min(length, rest)
        return RecordBatch(self.schema, [column.slice(offset, count) for column in self.columns], count)

    def rename_columns(self, names: Sequence[str]) -> RecordBatch:
        return RecordBatch(renamed(self.schema, names), self.columns, self.num_rows)

    def to_pydict(self) -> dict[str, list[Any]]:
        return {name: c.to_pylist() for name, c in zip(self.schema.names, self.columns, strict=True)}

    def to_pylist(self) -> list[dict[str, Any]]:
        return as_rows(self.schema.names, [column.to_pylist() for column in self.columns], self.num_rows)

    def __iter__(self) -> Iterator[Array]:
        return iter(self.columns)

    def __len__(self) -> int:
        return self.num_rows

    __getitem__ = column


def renamed(schema: Schema, names: Sequence[str]) -> Schema:
    """The schema with other names for its fields, in order."""
    if len(names) != len(schema):
        raise ArrowInvalid(
            f"tried to rename a table of {len(schema)} columns but only {len(names)} names were provided"
        )
    return Schema([field.with_name(name) for field, name in zip(schema, names, strict=True)], schema.metadata)


def as_rows(names: list[str], columns: list[list[Any]], num_rows: int) -> list[dict[str, Any]]:
    """Rows as dictionaries."""
    if not columns:
        return [{} for _ in range(num_rows)]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


RecordBatch.__module__ = "pyarrow.lib"
