"""The physical form of an array: readers make it, writers take it, converters walk it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, compress, islice
from typing import Any

from pyspark_connect_web.lean.arrow.errors import ArrowInvalid
from pyspark_connect_web.lean.arrow.types import DataType, DictionaryType, FixedSizeBinaryType

Buffer = memoryview | bytes

#: Width in bytes and :mod:`struct`/:mod:`array` code of the types stored as plain numbers.
WIDTHS = {
    "int8": (1, "b"), "uint8": (1, "B"), "int16": (2, "h"), "uint16": (2, "H"), "int32": (4, "i"),
    "uint32": (4, "I"), "int64": (8, "q"), "uint64": (8, "Q"), "halffloat": (2, "e"), "float": (4, "f"),
    "double": (8, "d"), "date32": (4, "i"), "date64": (8, "q"), "timestamp": (8, "q"),
    "duration": (8, "q"), "time32": (4, "i"), "time64": (8, "q"), "month_interval": (4, "i"),
    "day_time_interval": (8, "q"), "month_day_nano_interval": (16, ""),
}  # fmt: skip

#: Buffers behind the validity bitmap, by kind; kinds not listed have one (plain values).
_EXTRA = {
    "null": 0, "struct": 0, "fixed_size_list": 0, "run_end_encoded": 0, "list": 1, "large_list": 1, "map": 1,
    "list_view": 2, "large_list_view": 2, "string": 2, "binary": 2, "large_string": 2, "large_binary": 2,
}  # fmt: skip

VIEWS = ("string_view", "binary_view")
BINARY = ("string", "binary", "large_string", "large_binary")


def has_validity(data_type: DataType) -> bool:
    """Whether arrays of this type carry a validity bitmap (Columnar.rst, "Buffer Listing")."""
    return data_type.kind not in ("null", "run_end_encoded")


def buffer_count(data_type: DataType) -> int:
    """Buffers of one node in a record batch, the variadic ones of view types not counted."""
    kind = data_type.kind
    return _EXTRA.get(kind, 1) + has_validity(data_type)


def item_width(data_type: DataType) -> int:
    """Bytes per item of a fixed-width type; 0 for all others."""
    if isinstance(data_type, DictionaryType):
        data_type = data_type.index_type
    if data_type.kind in WIDTHS:
        return WIDTHS[data_type.kind][0]
    return data_type.byte_width if isinstance(data_type, FixedSizeBinaryType) else 0


def offset_code(data_type: DataType) -> tuple[int, str]:
    """Width and code of the offsets of a variable-size type."""
    return (8, "q") if data_type.kind.startswith("large_") else (4, "i")


def read_numbers(raw: Buffer, span: slice, code: str) -> list[Any]:
    """The numbers of :mod:`struct` format ``code`` in the bytes ``raw[span]``."""
    numbers: list[Any] = memoryview(raw)[span].cast(code).tolist()  # type: ignore[call-overload]  # a plain code
    return numbers


class ArrayData:
    """``length`` items from ``offset``; ``buffers[0]`` is the validity bitmap, None when all are valid.

    ``children`` are the child arrays; a dictionary-encoded array has none and ``dictionary`` set. Buffers are
    read-only and may be longer than needed; an IPC reader points them into the received message.
    """

    __slots__ = ("buffers", "children", "dictionary", "length", "null_count", "offset", "type")

    def __init__(
        self,
        data_type: DataType,
        length: int,
        null_count: int,
        buffers: Sequence[Buffer | None],
        children: Sequence[ArrayData] = (),
        dictionary: ArrayData | None = None,
        offset: int = 0,
    ) -> None:
        self.type = data_type
        self.length = length
        self.null_count = null_count
        self.buffers = list(buffers)
        self.children = list(children)
        self.dictionary = dictionary
        self.offset = offset

    def slice(self, start: int, length: int) -> ArrayData:
        """A view of ``length`` items from ``start``, without copying."""
        nulls = self.null_count
        if nulls not in (0, self.length):
            nulls = length - sum(valid_bits(self, start, length))
        elif nulls:
            nulls = length
        return ArrayData(
            self.type, length, nulls, self.buffers, self.children, self.dictionary, self.offset + start
        )

    def offsets(self) -> list[int]:
        """The ``length + 1`` offsets of a variable-size array; checked to be ordered at both ends."""
        width, code = offset_code(self.type)
        raw = self.buffers[1]
        if self.length == 0 or raw is None:
            return [0] * (self.length + 1)
        span = slice(self.offset * width, (self.offset + self.length + 1) * width)
        found: list[int] = read_numbers(raw, span, code)
        if found[0] < 0 or found[-1] < found[0]:
            raise ArrowInvalid(f"Corrupt offsets of a {self.type.kind} array: {found[0]} to {found[-1]}")
        return found

    def span(self) -> tuple[int, int]:
        """The first and the last of :meth:`offsets`, of which the others are not read."""
        width, code = offset_code(self.type)
        raw = self.buffers[1]
        if self.length == 0 or raw is None:
            return 0, 0
        places = self.offset * width, (self.offset + self.length) * width
        first, last = (read_numbers(raw, slice(at, at + width), code)[0] for at in places)
        if first < 0 or last < first:
            raise ArrowInvalid(f"Corrupt offsets of a {self.type.kind} array: {first} to {last}")
        return first, last

    def nbytes(self) -> int:
        """Bytes that the items occupy, as pyarrow's ``nbytes`` counts them."""
        kind = self.type.kind
        total = 0
        if has_validity(self.type) and self.buffers[0] is not None and kind != "struct":  # as pyarrow counts
            total += _bitmap_bytes(self.offset, self.length)
        if kind == "bool":
            return total + _bitmap_bytes(self.offset, self.length)
        width = item_width(self.type)
        if width:
            total += self.length * width
            return total + (self.dictionary.nbytes() if self.dictionary is not None else 0)
        if kind in BINARY or kind in ("list", "large_list", "map"):
            first, last = self.span()
            total += (
                self.length * offset_code(self.type)[0]
            )  # as many as items: pyarrow leaves out the last one
            size = last - first
            return total + (size if kind in BINARY else self.children[0].slice(first, size).nbytes())
        if kind == "struct":
            return total + sum(c.slice(self.offset, self.length).nbytes() for c in self.children)
        if kind == "fixed_size_list":
            size = self.type.list_size  # type: ignore[attr-defined]
            return total + self.children[0].slice(self.offset * size, self.length * size).nbytes()
        return total + sum(len(b) for b in self.buffers[1:] if b) + sum(c.nbytes() for c in self.children)


def _bitmap_bytes(offset: int, length: int) -> int:
    return (offset + length + 7) // 8 - offset // 8


_BITS = [tuple(bool(byte >> i & 1) for i in range(8)) for byte in range(256)]
_NOT_BITS = [tuple(not bit for bit in bits) for bits in _BITS]
_ASCII_BITS = bytes.maketrans(b"\0\1", b"01")


def _expand(raw: Buffer, offset: int, length: int, table: list[tuple[bool, ...]]) -> Iterator[bool]:
    """``table`` of each byte that holds a bit of the range, chained, from bit ``offset`` on."""
    start, end = offset // 8, (offset + length + 7) // 8
    bits = chain.from_iterable(map(table.__getitem__, raw[start:end]))
    return islice(bits, offset % 8, offset % 8 + length)


def unpack_bits(raw: Buffer, offset: int, length: int) -> list[bool]:
    """``length`` bits from bit ``offset``, least significant bit of a byte first."""
    return list(_expand(raw, offset, length, _BITS))


def pack_bits(bits: Sequence[object]) -> bytes:
    """The inverse of :func:`unpack_bits` for True and other values, padded with zero bits."""
    if not bits:
        return b""
    text = bytes([bit is True for bit in bits]).translate(_ASCII_BITS)
    return int(text[::-1], 2).to_bytes((len(bits) + 7) // 8, "little")


def valid_bits(data: ArrayData, start: int, length: int) -> list[bool]:
    """Validity of ``length`` items from ``start``, relative to the array's own offset."""
    raw = data.buffers[0] if data.buffers else None
    if raw is None or not has_validity(data.type):
        return [data.type.kind != "null"] * length
    return unpack_bits(raw, data.offset + start, length)


def null_positions(data: ArrayData) -> list[int]:
    """Positions of the nulls, ascending, relative to the array's own offset."""
    if data.null_count == 0 or not has_validity(data.type) or data.buffers[0] is None:
        return []
    inverted = _expand(data.buffers[0], data.offset, data.length, _NOT_BITS)
    return list(compress(range(data.length), inverted))
