"""Arrow IPC streams to arrays (format/Message.fbs; Columnar.rst, "Serialization and Interprocess
Communication").

Buffers of the arrays point into the bytes given; only compressed ones are copied. Everything is checked
against the sizes at hand before it is used: a truncated or corrupt stream raises :class:`ArrowInvalid` and
nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from pyspark_connect_web.lean.arrow.codecs import decompress
from pyspark_connect_web.lean.arrow.data import (
    BINARY,
    VIEWS,
    ArrayData,
    Buffer,
    buffer_count,
    has_validity,
    item_width,
    offset_code,
)
from pyspark_connect_web.lean.arrow.errors import ArrowInvalid, ArrowNotImplementedError
from pyspark_connect_web.lean.arrow.flatbuf import Table
from pyspark_connect_web.lean.arrow.metadata import (
    DICTIONARY_BATCH,
    METADATA_V4,
    METADATA_V5,
    RECORD_BATCH,
    SCHEMA,
    SchemaReader,
)
from pyspark_connect_web.lean.arrow.schema import Schema
from pyspark_connect_web.lean.arrow.types import DataType, DictionaryType, FixedSizeListType

_CONTINUATION = 0xFFFFFFFF
#: Rows that a batch may claim in columns that no buffer backs (nulls, empty structs): each costs memory all the same.
_MAX_UNBACKED = 1 << 26


class StreamReader:
    """Reads one stream from bytes; iterate for ``(length, columns)`` of each record batch."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        if sys.byteorder != "little":
            raise ArrowNotImplementedError("Arrow data can only be read on little-endian machines")
        self._data = memoryview(data).cast("B")
        self._pos = 0
        message = self._message()
        if message is None:
            raise ArrowInvalid("Tried reading schema message, was null or length 0")
        kind, header, _, size = message
        if kind != SCHEMA:
            raise ArrowInvalid(
                f"Arrow stream is corrupt: it starts with message type {kind}, not with a schema"
            )
        reader = SchemaReader(header, size)
        self.schema: Schema = reader.schema
        self._value_types = reader.dictionaries
        self._ids = reader.ids
        self._dictionaries: dict[int, ArrayData] = {}

    def __iter__(self) -> Iterator[tuple[int, list[ArrayData]]]:
        types = self.schema.types
        while True:
            message = self._message()
            if message is None:
                return
            kind, header, body, _ = message
            if kind == DICTIONARY_BATCH:
                self._read_dictionary(header, body)
            elif kind == RECORD_BATCH:
                length = header.scalar(0, "q")
                columns = self._columns(header, body, types)
                if length < 0 or any(column.length != length for column in columns):
                    raise ArrowInvalid(
                        f"Arrow record batch is corrupt: not all columns have its {length} rows"
                    )
                yield length, columns
            else:
                raise ArrowInvalid(f"Arrow stream is corrupt: unexpected message type {kind}")

    def _message(self) -> tuple[int, Table, memoryview, int] | None:
        """Type, header, body and metadata size of the next message; None at the end of the stream."""
        data, pos = self._data, self._pos
        if pos == len(data):
            return None  # a stream may end without the end-of-stream marker
        size = self._uint32(pos)
        pos += 4
        if size == _CONTINUATION:
            size = self._uint32(pos)
            pos += 4
        if size == 0:
            self._pos = len(data)
            return None
        if size > len(data) - pos:
            raise ArrowInvalid(f"Expected to read {size} metadata bytes, but only read {len(data) - pos}")
        message = Table.root(data[pos : pos + size])
        version = message.scalar(0, "h")
        if version not in (METADATA_V4, METADATA_V5):
            raise ArrowInvalid(f"Arrow metadata version {version + 1} is not supported")
        pos += size
        body_size = message.scalar(3, "q")
        if not 0 <= body_size <= len(data) - pos:
            raise ArrowInvalid(
                f"Expected to be able to read {body_size} bytes for message body, got {len(data) - pos}"
            )
        self._pos = pos + body_size
        header = message.required(2, "message header")
        return message.scalar(1, "B"), header, data[pos : pos + body_size], size

    def _uint32(self, pos: int) -> int:
        if pos + 4 > len(self._data):
            raise ArrowInvalid(
                f"Arrow stream is truncated: {len(self._data) - pos} bytes left of a message length"
            )
        return int.from_bytes(self._data[pos : pos + 4], "little")

    def _read_dictionary(self, header: Table, body: memoryview) -> None:
        number = header.scalar(0, "q")
        value_type = self._value_types.get(number)
        if value_type is None:
            raise ArrowInvalid(f"Arrow stream is corrupt: dictionary {number} is not in the schema")
        values = self._columns(header.required(1, "dictionary data"), body, [value_type])[0]
        if header.scalar(2, "?"):
            before = self._dictionaries.get(number)
            if before is None:
                raise ArrowInvalid(f"Arrow stream is corrupt: a delta for dictionary {number} came before it")
            values = _joined(before, values)
        self._dictionaries[number] = values

    def _columns(self, batch: Table, body: memoryview, types: list[DataType]) -> list[ArrayData]:
        return _BatchReader(batch, body, self._ids, self._dictionaries).columns(types)


class _BatchReader:
    """Walks the field nodes and buffers of one record batch in schema order."""

    def __init__(
        self, batch: Table, body: memoryview, ids: dict[int, int], dictionaries: dict[int, ArrayData]
    ) -> None:
        self._body = body
        self._nodes = batch.int64s(1, 2)
        self._buffers = batch.int64s(2, 2)
        self._variadic = batch.int64s(4)
        compression = batch.table(3)
        self._codec = None if compression is None else compression.scalar(0, "b")
        if compression is not None and compression.scalar(1, "b"):
            raise ArrowNotImplementedError("Arrow body compression other than by buffer is not known")
        self._node = self._buffer = self._view = 0
        self._ids = ids
        self._dictionaries = dictionaries

    def columns(self, types: list[DataType]) -> list[ArrayData]:
        return [self._array(data_type) for data_type in types]

    def _array(self, data_type: DataType) -> ArrayData:
        if 2 * self._node + 2 > len(self._nodes):
            raise ArrowInvalid("Arrow record batch is corrupt: it has fewer field nodes than its schema")
        length, null_count = self._nodes[2 * self._node : 2 * self._node + 2]
        self._node += 1
        if length < 0 or not 0 <= null_count <= length:
            raise ArrowInvalid(f"Arrow record batch is corrupt: {null_count} nulls in {length} items")
        count = buffer_count(data_type)
        if data_type.kind in VIEWS:
            if self._view >= len(self._variadic) or not 0 <= self._variadic[self._view] <= len(self._buffers):
                raise ArrowInvalid("Arrow record batch is corrupt: a view type lacks its number of buffers")
            count += self._variadic[self._view]
            self._view += 1
        buffers: list[Buffer | None] = [self._next_buffer() for _ in range(count)]
        if has_validity(data_type):
            if null_count == 0:
                buffers[0] = None
            elif len(buffers[0] or b"") * 8 < length:
                raise ArrowInvalid("Arrow record batch is corrupt: a validity bitmap is too short")
        elif data_type.kind == "null":
            null_count = length
        _check_sizes(data_type, length, buffers)
        dictionary = None
        children: list[ArrayData] = []
        if isinstance(data_type, DictionaryType):
            dictionary = self._dictionaries.get(self._ids[id(data_type)])
            if dictionary is None and null_count < length:
                raise ArrowInvalid("Arrow stream is corrupt: a record batch came before its dictionary")
        else:
            children = [self._array(field.type) for field in data_type.children]
            _check_children(data_type, length, children)
        return ArrayData(data_type, length, null_count, buffers, children, dictionary)

    def _next_buffer(self) -> Buffer:
        if 2 * self._buffer + 2 > len(self._buffers):
            raise ArrowInvalid("Arrow record batch is corrupt: it has fewer buffers than its schema needs")
        offset, size = self._buffers[2 * self._buffer : 2 * self._buffer + 2]
        self._buffer += 1
        if offset < 0 or size < 0 or offset + size > len(self._body):
            raise ArrowInvalid(
                f"Arrow record batch is corrupt: {size} bytes at {offset} in a body of {len(self._body)}"
            )
        raw = self._body[offset : offset + size]
        if self._codec is None or size == 0:
            return raw
        if size < 8:
            raise ArrowInvalid("Arrow record batch is corrupt: a compressed buffer without its length")
        plain_size = int.from_bytes(raw[:8], "little", signed=True)
        if plain_size == -1:  # stored, because compressing would not have made it smaller
            return raw[8:]
        if plain_size < 0:
            raise ArrowInvalid(f"Arrow record batch is corrupt: a compressed buffer of {plain_size} bytes")
        return decompress(self._codec, raw[8:], plain_size) if plain_size else b""


def _check_sizes(data_type: DataType, length: int, buffers: list[Buffer | None]) -> None:
    kind = data_type.kind
    width = item_width(data_type)
    if width:
        needed = length * width
    elif kind == "bool":
        needed = (length + 7) // 8
    elif kind in BINARY or kind in ("list", "large_list", "map"):
        needed = (length + 1) * offset_code(data_type)[0] if length else 0
    elif kind in ("list_view", "large_list_view"):
        needed = length * offset_code(data_type)[0]
        if len(buffers[2] or b"") < needed:
            raise ArrowInvalid(f"Arrow record batch is corrupt: sizes of a {kind} column are cut short")
    elif kind in VIEWS:
        needed = 16 * length
    elif length > _MAX_UNBACKED:
        raise ArrowInvalid(f"Arrow record batch is corrupt: {length} items of type {data_type} without data")
    else:
        return
    if len(buffers[1] or b"") < needed:
        raise ArrowInvalid(
            f"Arrow record batch is corrupt: a {kind} column of {length} items needs {needed} bytes, "
            f"{len(buffers[1] or b'')} are there"
        )


def _check_children(data_type: DataType, length: int, children: list[ArrayData]) -> None:
    if data_type.kind == "struct":
        needed = length
    elif isinstance(data_type, FixedSizeListType):
        needed = length * data_type.list_size
    else:
        return
    if any(child.length < needed for child in children):
        raise ArrowInvalid(
            f"Arrow record batch is corrupt: a child of a {data_type.kind} column is too short"
        )


def _joined(before: ArrayData, delta: ArrayData) -> ArrayData:
    """One dictionary of two; deltas are rare, so both are rebuilt from their Python values."""
    from pyspark_connect_web.lean.arrow.decode import to_pylist
    from pyspark_connect_web.lean.arrow.encode import encode

    return encode(to_pylist(before) + to_pylist(delta), before.type)
