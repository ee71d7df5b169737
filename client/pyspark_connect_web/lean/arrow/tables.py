"""Record batches and tables with pyarrow's names, and IPC streams over them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..recognise import Deferring, Recognising
from .arrays import Array, ChunkedArray
from .encode import encode
from .errors import ArrowInvalid
from .ipc_read import StreamReader
from .ipc_write import END_OF_STREAM, StreamWriter
from .schema import Field, Schema
from .types import DataType


def _as_array(values: Any, data_type: DataType | None) -> Array:
    if isinstance(values, ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, Array):
        if data_type is not None and data_type != values.type:
            return Array(encode(values.to_pylist(), data_type))
        return values
    if data_type is None:
        from ..standins.pyarrow import array

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
        arrays = [_as_array(values, data_type) for values, data_type in zip(arrays, types, strict=True)]
    found = _make_schema(arrays, names, schema, metadata)
    if arrays and len(set(map(len, arrays))) > 1:
        lengths = [len(array) for array in arrays]
        i = next(i for i, length in enumerate(lengths) if length != lengths[0])
        raise ArrowInvalid(
            f"Column {i} named {found.names[i]} expected length {lengths[0]} but got length {lengths[i]}"
        )
    return found, list(arrays)


class _Tabular(Deferring):
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


class RecordBatch(_Tabular):
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
        return RecordBatch(_renamed(self.schema, names), self.columns, self.num_rows)

    def to_pydict(self) -> dict[str, list[Any]]:
        return {name: c.to_pylist() for name, c in zip(self.schema.names, self.columns, strict=True)}

    def to_pylist(self) -> list[dict[str, Any]]:
        return _rows(self.schema.names, [column.to_pylist() for column in self.columns], self.num_rows)

    def __iter__(self) -> Iterator[Array]:
        return iter(self.columns)

    def __len__(self) -> int:
        return self.num_rows

    __getitem__ = column


class Table(_Tabular):
    """Columns of equal length, in the record batches they came in."""

    __real__ = ("pyarrow", "Table")
    __slots__ = ("_batches",)

    def __init__(self, schema: Schema, batches: Sequence[RecordBatch]) -> None:
        self.schema = schema
        self._batches: Sequence[RecordBatch] = list(batches)

    @classmethod
    def from_batches(cls, batches: Sequence[RecordBatch], schema: Schema | None = None) -> Table:
        batches = list(batches)
        if schema is None:
            if not batches:
                raise ValueError("Must pass schema, or at least one RecordBatch")
            schema = batches[0].schema
        for i, batch in enumerate(batches):
            if batch.schema is not schema and not batch.schema.equals(schema):
                raise ArrowInvalid(f"Schema at index {i} was different: \n{batch.schema}\nvs\n{schema}")
        return cls(schema, batches)

    @classmethod
    def from_arrays(
        cls,
        arrays: Sequence[Any],
        names: Sequence[str] | None = None,
        schema: Schema | None = None,
        metadata: Mapping[Any, Any] | None = None,
    ) -> Table:
        if schema is not None:
            from .ondemand import table_on_demand

            if (table := table_on_demand(arrays, schema)) is not None:
                return table
        batch = RecordBatch.from_arrays(arrays, names, schema, metadata)
        return cls(batch.schema, [batch])

    @classmethod
    def from_struct_array(cls, struct: Array) -> Table:
        batch = RecordBatch.from_struct_array(struct)
        return cls(batch.schema, [batch])

    @property
    def num_rows(self) -> int:
        return sum(batch.num_rows for batch in self._batches)

    @property
    def shape(self) -> tuple[int, int]:
        return self.num_rows, len(self.schema)

    @property
    def nbytes(self) -> int:
        return sum(batch.nbytes for batch in self._batches)

    @property
    def columns(self) -> list[ChunkedArray]:
        return [self.column(i) for i in range(len(self.schema))]

    def column(self, i: int | str) -> ChunkedArray:
        at = self._index(i)
        return ChunkedArray([batch.columns[at] for batch in self._batches], self.schema.field(at).type)

    def itercolumns(self) -> Iterator[ChunkedArray]:
        return iter(self.columns)

    def to_batches(self, max_chunksize: int | None = None) -> list[RecordBatch]:
        """The batches, none longer than ``max_chunksize`` rows; slices share their buffers."""
        if max_chunksize is None:
            return [batch for batch in self._batches if batch.num_rows]
        if max_chunksize < 1:
            raise ValueError("'max_chunksize' should be strictly positive")
        return [
            batch if batch.num_rows <= max_chunksize else batch.slice(start, max_chunksize)
            for batch in self._batches
            for start in range(0, batch.num_rows, max_chunksize)
        ]

    def rename_columns(self, names: Sequence[str]) -> Table:
        schema = _renamed(self.schema, names)
        return Table(schema, [RecordBatch(schema, b.columns, b.num_rows) for b in self._batches])

    def cast(self, target_schema: Schema, safe: bool = True) -> Table:
        """The table under another schema of the same names; where types differ, values go through Python."""
        if self.schema.names != target_schema.names:
            raise ValueError(
                f"Target schema's field names are not matching the table's field names: {self.schema.names}, "
                f"{target_schema.names}"
            )
        batches = []
        for batch in self._batches:
            columns = [
                _as_array(column, field.type)
                for column, field in zip(batch.columns, target_schema, strict=True)
            ]
            batches.append(RecordBatch(target_schema, columns, batch.num_rows))
        return Table(target_schema, batches)

    def to_pandas(self, *args: Any, **kwargs: Any) -> Any:
        """A pandas DataFrame; PySpark asks for one after every command and drops it, so it may come later."""
        from ..standins.pyarrow import to_pandas

        return to_pandas(self, *args, **kwargs)

    def to_pydict(self) -> dict[str, list[Any]]:
        return {name: c.to_pylist() for name, c in zip(self.schema.names, self.columns, strict=True)}

    def to_pylist(self) -> list[dict[str, Any]]:
        return _rows(self.schema.names, [column.to_pylist() for column in self.columns], self.num_rows)

    def __len__(self) -> int:
        return self.num_rows

    __getitem__ = column


def _renamed(schema: Schema, names: Sequence[str]) -> Schema:
    if len(names) != len(schema):
        raise ArrowInvalid(
            f"tried to rename a table of {len(schema)} columns but only {len(names)} names were provided"
        )
    return Schema([field.with_name(name) for field, name in zip(schema, names, strict=True)], schema.metadata)


def _rows(names: list[str], columns: list[list[Any]], num_rows: int) -> list[dict[str, Any]]:
    if not columns:
        return [{} for _ in range(num_rows)]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


# ---------------------------------------------------------------- streams


class RecordBatchStreamReader(metaclass=Recognising):
    """``pyarrow.ipc.open_stream``: a context manager and an iterator of record batches."""

    def __init__(self, source: bytes | bytearray | memoryview) -> None:
        self._reader = StreamReader(source)
        self._batches = iter(self._reader)
        self.schema = self._reader.schema

    def __enter__(self) -> RecordBatchStreamReader:
        return self

    def __exit__(self, *exc_info: object) -> None:
        return None

    def __iter__(self) -> Iterator[RecordBatch]:
        return self

    def __next__(self) -> RecordBatch:
        length, columns = next(self._batches)
        return RecordBatch(self.schema, list(map(Array, columns)), length)

    read_next_batch = __next__

    def read_all(self) -> Table:
        return Table.from_batches(list(self), self.schema)


class Buffer:
    """What ``BufferOutputStream.getvalue()`` returns."""

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def to_pybytes(self) -> bytes:
        return self._raw

    @property
    def size(self) -> int:
        return len(self._raw)

    def __len__(self) -> int:
        return len(self._raw)


class BufferOutputStream:
    """Collects what is written; the parts are joined once, when the value is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes | memoryview] = []

    def write(self, data: bytes | memoryview) -> None:
        self._parts.append(data)

    def getvalue(self) -> Buffer:
        return Buffer(b"".join(self._parts))


class RecordBatchStreamWriter:
    """``pyarrow.ipc.new_stream``: writes to a :class:`BufferOutputStream` or a binary file object."""

    def __init__(self, sink: BufferOutputStream | io.IOBase, schema: Schema) -> None:
        self._sink = sink
        self._writer = StreamWriter(schema)
        self._closed = False
        self._write(self._writer.start())

    def _write(self, parts: Sequence[bytes | memoryview]) -> None:
        for part in parts:
            self._sink.write(part)

    def write_batch(self, batch: RecordBatch) -> None:
        if not batch.schema.equals(self._writer.schema):
            raise ArrowInvalid("Tried to write record batch with different schema")
        self._write(self._writer.batch(batch.num_rows, [column.data for column in batch.columns]))

    def write_table(self, table: Table, max_chunksize: int | None = None) -> None:
        for batch in table.to_batches(max_chunksize):
            self.write_batch(batch)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._write([END_OF_STREAM])

    def __enter__(self) -> RecordBatchStreamWriter:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def stream_bytes(table: Table) -> bytes:
    """The whole table as one IPC stream."""
    sink = BufferOutputStream()
    with RecordBatchStreamWriter(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


for _class in (
    RecordBatch,
    Table,
    RecordBatchStreamReader,
    Buffer,
    BufferOutputStream,
    RecordBatchStreamWriter,
):
    _class.__module__ = "pyarrow.lib"
