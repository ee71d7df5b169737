"""The subset of FlatBuffers that Arrow's IPC metadata uses: a bounds-checked reader and a small builder.

Layout: https://flatbuffers.dev/internals/ . Offsets to children are unsigned and point forward, an offset
to a vtable is signed and points backward, scalars are little-endian and aligned to their size.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from pyspark_connect_web.lean.arrow.errors import ArrowInvalid

_SIZES = {"?": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8}


class Table:
    """One table inside ``data``; fields are addressed by their index in the schema file.

    Every access is checked against the end of ``data``; what does not fit raises :class:`ArrowInvalid`.
    """

    __slots__ = ("_data", "_pos", "_slots")

    def __init__(self, data: memoryview, pos: int) -> None:
        self._data = data
        self._pos = pos
        vtable = pos - _read(data, "i", pos)
        size = _read(data, "H", vtable)
        if size < 4 or size % 2 or vtable + size > len(data):
            raise ArrowInvalid(f"Arrow metadata is corrupt: vtable of {size} bytes at {vtable}")
        self._slots: tuple[int, ...] = struct.unpack_from(f"<{size // 2 - 2}H", data, vtable + 4)

    @classmethod
    def root(cls, data: memoryview) -> Table:
        """The table that the buffer starts with."""
        return cls(data, _read(data, "I", 0))

    def _offset(self, index: int) -> int:
        return self._slots[index] if index < len(self._slots) else 0

    def scalar(self, index: int, code: str, default: int = 0) -> int:
        """The scalar of :mod:`struct` format ``code``, or ``default`` when absent."""
        offset = self._offset(index)
        return _read(self._data, code, self._pos + offset) if offset else default

    def _target(self, index: int) -> int:
        """Position that the offset in field ``index`` points to; 0 when absent."""
        offset = self._offset(index)
        if not offset:
            return 0
        at = self._pos + offset
        return at + _read(self._data, "I", at)

    def table(self, index: int) -> Table | None:
        target = self._target(index)
        return Table(self._data, target) if target else None

    def required(self, index: int, what: str) -> Table:
        """Like :meth:`table`, for a field without which ``what`` cannot be read."""
        found = self.table(index)
        if found is None:
            raise ArrowInvalid(f"Arrow metadata is corrupt: {what} is missing")
        return found

    def string(self, index: int) -> str | None:
        target = self._target(index)
        if not target:
            return None
        size = _read(self._data, "I", target)
        if target + 4 + size > len(self._data):
            raise ArrowInvalid(f"Arrow metadata is corrupt: a string of {size} bytes does not fit")
        try:
            return str(self._data[target + 4 : target + 4 + size], "utf-8")
        except UnicodeDecodeError as error:
            raise ArrowInvalid(f"Arrow metadata is corrupt: {error}") from None

    def _vector(self, index: int, item_size: int) -> tuple[int, int]:
        target = self._target(index)
        if not target:
            return 0, 0
        count = _read(self._data, "I", target)
        if count * item_size > len(self._data) - target - 4:
            raise ArrowInvalid(f"Arrow metadata is corrupt: a vector of {count} items does not fit")
        return target + 4, count

    def tables(self, index: int) -> list[Table]:
        start, count = self._vector(index, 4)
        return [
            Table(self._data, at + _read(self._data, "I", at)) for at in range(start, start + 4 * count, 4)
        ]

    def int64s(self, index: int, per_item: int = 1) -> tuple[int, ...]:
        """A vector of structs of ``per_item`` int64 fields each, flattened."""
        start, count = self._vector(index, 8 * per_item)
        return struct.unpack_from(f"<{count * per_item}q", self._data, start) if count else ()


def _read(data: memoryview, code: str, pos: int) -> int:
    if pos < 0 or pos + _SIZES[code] > len(data):
        raise ArrowInvalid(f"Arrow metadata is corrupt: position {pos} is outside of its {len(data)} bytes")
    value: int = struct.unpack_from("<" + code, data, pos)[0]
    return value


# ---------------------------------------------------------------- building


class Node:
    """A table to write: ``fields`` maps a field index to a scalar ``(code, value)`` or to a child object."""

    __slots__ = ("fields",)

    def __init__(self, fields: dict[int, Value | None]) -> None:
        self.fields = {index: value for index, value in fields.items() if value is not None}


class Structs:
    """A vector of structs of int64 fields, given flat with ``per_item`` values an item."""

    __slots__ = ("count", "data")

    def __init__(self, values: Sequence[int], per_item: int) -> None:
        self.count = len(values) // per_item
        self.data = struct.pack(f"<{len(values)}q", *values)


Scalar = tuple[str, int]
Value = Scalar | str | Node | list[Node] | Structs


def build(root: Node) -> bytes:
    """The finished buffer, padded to a multiple of eight bytes."""
    out = bytearray(4)
    _patch(out, 0, _write_node(out, root))
    out.extend(bytes(-len(out) % 8))
    return bytes(out)


def _patch(out: bytearray, at: int, target: int) -> None:
    struct.pack_into("<I", out, at, target - at)


def _align(out: bytearray, size: int, ahead: int = 0) -> None:
    """Pad so that the byte ``ahead`` of the end is aligned to ``size``."""
    out.extend(bytes(-(len(out) + ahead) % size))


def _write_node(out: bytearray, node: Node) -> int:
    """Append a vtable, its table, then the children; return the table's position."""
    codes = {i: v[0] if isinstance(v, tuple) else "I" for i, v in node.fields.items()}
    slots = [0] * (max(codes, default=-1) + 1)
    size = 4
    for index in sorted(codes, key=lambda i: -_SIZES[codes[i]]):
        width = _SIZES[codes[index]]
        # the table starts at an address that is 4 modulo 8, so that an int64 may follow its first word
        size += -(size + 4) % width
        slots[index] = size
        size += width
    vtable = struct.pack(f"<{len(slots) + 2}H", 4 + 2 * len(slots), size, *slots)
    _align(out, 8, len(vtable) + 4)
    vtable_at = len(out)
    out += vtable
    table = len(out)
    out += bytes(size)
    struct.pack_into("<i", out, table, table - vtable_at)
    for index, value in node.fields.items():
        at = table + slots[index]
        if isinstance(value, tuple):
            struct.pack_into("<" + value[0], out, at, value[1])
        else:
            _patch(out, at, _write_child(out, value))
    return table


def _write_child(out: bytearray, value: str | Node | list[Node] | Structs) -> int:
    if isinstance(value, Node):
        return _write_node(out, value)
    if isinstance(value, str):
        text = value.encode()
        _align(out, 4)
        at = len(out)
        out += struct.pack("<I", len(text)) + text + b"\0"
        return at
    if isinstance(value, Structs):
        _align(out, 8, 4)
        at = len(out)
        out += struct.pack("<I", value.count) + value.data
        return at
    _align(out, 4)
    at = len(out)
    out += struct.pack("<I", len(value)) + bytes(4 * len(value))
    for i, node in enumerate(value):
        slot = at + 4 + 4 * i
        _patch(out, slot, _write_node(out, node))
    return at
