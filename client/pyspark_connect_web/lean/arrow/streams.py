"""IPC streams over record batches and tables, with pyarrow's names."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from pyspark_connect_web.lean.arrow.arrays import Array
from pyspark_connect_web.lean.arrow.batches import RecordBatch
from pyspark_connect_web.lean.arrow.errors import ArrowInvalid
from pyspark_connect_web.lean.arrow.ipc_read import StreamReader
from pyspark_connect_web.lean.arrow.ipc_write import END_OF_STREAM, StreamWriter
from pyspark_connect_web.lean.arrow.schema import Schema
from pyspark_connect_web.lean.arrow.tables import Table
from pyspark_connect_web.lean.standin_types import StandInType


class RecordBatchStreamReader(metaclass=StandInType):
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


for _class in (RecordBatchStreamReader, Buffer, BufferOutputStream, RecordBatchStreamWriter):
    _class.__module__ = "pyarrow.lib"
