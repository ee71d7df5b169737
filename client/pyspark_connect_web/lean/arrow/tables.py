"""Tables with pyarrow's names: columns of equal length, in record batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pyspark_connect_web.lean.arrow.arrays import Array, ChunkedArray
from pyspark_connect_web.lean.arrow.batches import RecordBatch, Tabular, as_array, as_rows, renamed
from pyspark_connect_web.lean.arrow.errors import ArrowInvalid
from pyspark_connect_web.lean.arrow.ondemand import ROWS, OnDemandBatches, batches_on_demand
from pyspark_connect_web.lean.arrow.schema import Schema
from pyspark_connect_web.lean.arrow.to_pandas import to_pandas


class Table(Tabular):
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
        if schema is not None and (batches := batches_on_demand(arrays, schema)) is not None:
            return _OnDemandTable(schema, batches)
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
        schema = renamed(self.schema, names)
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
                as_array(column, field.type)
                for column, field in zip(batch.columns, target_schema, strict=True)
            ]
            batches.append(RecordBatch(target_schema, columns, batch.num_rows))
        return Table(target_schema, batches)

    def to_pandas(self, *args: Any, **kwargs: Any) -> Any:
        """A pandas DataFrame; PySpark asks for one after every command and drops it, so it may come later."""
        return to_pandas(self, args, kwargs)

    def to_pydict(self) -> dict[str, list[Any]]:
        return {name: c.to_pylist() for name, c in zip(self.schema.names, self.columns, strict=True)}

    def to_pylist(self) -> list[dict[str, Any]]:
        return as_rows(self.schema.names, [column.to_pylist() for column in self.columns], self.num_rows)

    def __len__(self) -> int:
        return self.num_rows

    __getitem__ = column


class _OnDemandTable(Table):
    """A large table whose batches are encoded each time that they are asked for."""

    __slots__ = ()
    _batches: OnDemandBatches

    def __init__(self, schema: Schema, batches: OnDemandBatches) -> None:
        self.schema = schema
        self._batches = batches

    @property
    def num_rows(self) -> int:
        return self._batches.rows

    @property
    def nbytes(self) -> int:
        return self._batches.nbytes

    def to_batches(self, max_chunksize: int | None = None) -> list[RecordBatch]:
        """As a table's, but not a list where no batch must be cut: each batch is made when it is taken."""
        if max_chunksize is None or max_chunksize >= ROWS:
            return cast("list[RecordBatch]", self._batches)
        return super().to_batches(max_chunksize)


Table.__module__ = "pyarrow.lib"
