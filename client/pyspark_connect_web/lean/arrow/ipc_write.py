"""Arrays to an Arrow IPC stream (format/Message.fbs)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from pyspark_connect_web.lean.arrow.data import (
    BINARY,
    VIEWS,
    ArrayData,
    Buffer,
    has_validity,
    item_width,
    offset_code,
)
from pyspark_connect_web.lean.arrow.errors import ArrowInvalid
from pyspark_connect_web.lean.arrow.flatbuf import Node, Structs, build
from pyspark_connect_web.lean.arrow.metadata import (
    DICTIONARY_BATCH,
    METADATA_V5,
    RECORD_BATCH,
    SCHEMA,
    SchemaWriter,
)
from pyspark_connect_web.lean.arrow.schema import Schema
from pyspark_connect_web.lean.arrow.types import DataType, DictionaryType

END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"


class StreamWriter:
    """Makes the parts of one stream; the caller joins or writes them in order."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._writer = SchemaWriter(schema)
        self._sent: dict[int, ArrayData] = {}

    def start(self) -> list[Buffer]:
        """The schema message."""
        return _message(SCHEMA, self._writer.node, [])

    def batch(self, length: int, columns: Sequence[ArrayData]) -> list[Buffer]:
        """A record batch message, preceded by those of dictionaries that are new or changed."""
        if len(columns) != len(self.schema):
            raise ArrowInvalid(
                f"Tried to write record batch with {len(columns)} columns to a stream of {len(self.schema)}"
            )
        parts: list[Buffer] = []
        for column, field in zip(columns, self.schema, strict=True):
            self._dictionaries(column, field.type, parts)
        return parts + _batch_message(length, columns)

    def _dictionaries(self, data: ArrayData, data_type: DataType, parts: list[Buffer]) -> None:
        if isinstance(data_type, DictionaryType):
            number = self._writer.ids[id(data_type)]
            values = data.dictionary
            if values is not None and self._sent.get(number) is not values:
                self._sent[number] = values
                header, body = _batch_node(values.length, [values])
                parts += _message(DICTIONARY_BATCH, Node({0: ("q", number), 1: header}), body)
            return
        for child, field in zip(data.children, data_type.children, strict=True):
            self._dictionaries(child, field.type, parts)


def _message(kind: int, header: Node, body: list[Buffer]) -> list[Buffer]:
    size = sum(map(len, body))
    metadata = build(Node({0: ("h", METADATA_V5), 1: ("B", kind), 2: header, 3: ("q", size)}))
    return [struct.pack("<II", 0xFFFFFFFF, len(metadata)), metadata, *body]


def _batch_message(length: int, columns: Sequence[ArrayData]) -> list[Buffer]:
    header, body = _batch_node(length, columns)
    return _message(RECORD_BATCH, header, body)


def _batch_node(length: int, columns: Sequence[ArrayData]) -> tuple[Node, list[Buffer]]:
    nodes: list[int] = []
    buffers: list[Buffer] = []
    variadic: list[int] = []
    for column in columns:
        _collect(column, nodes, buffers, variadic)
    body: list[Buffer] = []
    places: list[int] = []
    at = 0
    for buffer in buffers:
        places += (at, len(buffer))
        if len(buffer):
            body.append(buffer)
            padding = -len(buffer) % 8
            if padding:
                body.append(bytes(padding))
            at += len(buffer) + padding
    return (
        Node(
            {
                0: ("q", length),
                1: Structs(nodes, 2),
                2: Structs(places, 2),
                4: Structs(variadic, 1) if variadic else None,
            }
        ),
        body,
    )


def _collect(data: ArrayData, nodes: list[int], buffers: list[Buffer], variadic: list[int]) -> None:
    """Append the node and buffers of one array, cut to its slice."""
    kind, offset, length = data.type.kind, data.offset, data.length
    nodes += (length, data.null_count)
    if has_validity(data.type):
        validity = data.buffers[0] if data.null_count else None
        buffers.append(b"" if validity is None else _bits(validity, offset, length))
    width = item_width(data.type)
    if kind == "bool":
        buffers.append(_bits(data.buffers[1] or b"", offset, length))
    elif width:
        buffers.append(memoryview(data.buffers[1] or b"")[offset * width : (offset + length) * width])
    elif kind in BINARY or kind in ("list", "large_list", "map"):
        _collect_variable(data, nodes, buffers, variadic)
    elif kind == "struct":
        for child in data.children:
            _collect(child.slice(offset, length), nodes, buffers, variadic)
    elif kind == "fixed_size_list":
        size = data.type.list_size  # type: ignore[attr-defined]
        _collect(data.children[0].slice(offset * size, length * size), nodes, buffers, variadic)
    elif kind in VIEWS:
        buffers.append(memoryview(data.buffers[1] or b"")[16 * offset : 16 * (offset + length)])
        buffers += [b or b"" for b in data.buffers[2:]]
        variadic.append(len(data.buffers) - 2)
    elif kind in ("list_view", "large_list_view"):
        step = 8 if kind == "large_list_view" else 4
        buffers += [memoryview(b or b"")[step * offset : step * (offset + length)] for b in data.buffers[1:]]
        _collect(data.children[0], nodes, buffers, variadic)
    elif kind != "null":
        if offset:
            raise ArrowInvalid(f"A slice of a {kind} array cannot be written")
        buffers += [b or b"" for b in data.buffers[has_validity(data.type) :]]
        for child in data.children:
            _collect(child, nodes, buffers, variadic)


def _collect_variable(data: ArrayData, nodes: list[int], buffers: list[Buffer], variadic: list[int]) -> None:
    width, code = offset_code(data.type)
    first, last = data.span()
    if first or not data.buffers[1]:
        ends = data.offsets()
        buffers.append(struct.pack(f"<{len(ends)}{code}", *[end - first for end in ends]))
    else:
        start = data.offset * width
        buffers.append(memoryview(data.buffers[1])[start : start + (data.length + 1) * width])
    if data.type.kind in BINARY:
        buffers.append(memoryview(data.buffers[2] or b"")[first:last])
    else:
        _collect(data.children[0].slice(first, last - first), nodes, buffers, variadic)


def _bits(raw: Buffer, offset: int, length: int) -> bytes:
    """``length`` bits from bit ``offset``, moved to bit 0."""
    part = bytes(raw[offset // 8 : (offset + length + 7) // 8])
    shift = offset % 8
    if shift:
        moved = int.from_bytes(part, "little") >> shift
        part = moved.to_bytes(len(part), "little")[: (length + 7) // 8]
    return part
