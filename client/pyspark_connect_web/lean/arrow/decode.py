"""Arrow arrays to lists of Python objects, equal to pyarrow's ``to_pylist()`` of the same array.

All work is done a column at a time with ``memoryview.cast().tolist()`` and comprehensions; nothing loops
over bytes. Slots under a null may hold anything, so they are zeroed before a conversion that could fail on
them.
"""

from __future__ import annotations

import datetime
import struct
from collections import namedtuple
from collections.abc import Callable, Sequence
from decimal import Context, Decimal, InvalidOperation
from itertools import pairwise, repeat
from typing import Any

from pyspark_connect_web.lean.arrow.data import (
    BINARY,
    VIEWS,
    WIDTHS,
    ArrayData,
    null_positions,
    read_numbers,
    unpack_bits,
)
from pyspark_connect_web.lean.arrow.errors import ArrowInvalid, ArrowNotImplementedError
from pyspark_connect_web.lean.arrow.types import (
    DecimalType,
    FixedSizeBinaryType,
    FixedSizeListType,
    MapType,
    TimestampType,
)
from pyspark_connect_web.lean.arrow.zones import zone

_EPOCH = datetime.datetime(1970, 1, 1)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_EXACT = Context(prec=80)
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}

MonthDayNano = namedtuple("MonthDayNano", ["months", "days", "nanoseconds"])


def to_pylist(data: ArrayData) -> list[Any]:
    """The items as Python objects, nulls as None.

    Structs become dicts, maps lists of ``(key, value)`` tuples, timestamps with a zone aware datetimes.

    Raises what pyarrow raises: ``OverflowError`` for times outside of Python's range, ``ValueError`` for
    duplicate struct field names and for nanoseconds that a microsecond value would lose, ``KeyError`` for
    interval types that pyarrow cannot represent; and :class:`ArrowInvalid` for corrupt buffers.
    """
    if data.length == 0:
        if data.type.kind in ("month_interval", "day_time_interval"):
            raise KeyError(data.type.id)
        return []
    nulls = null_positions(data)
    if len(nulls) == data.length:
        return [None] * data.length
    decoder = _DECODERS.get(data.type.kind)
    if decoder is None:
        raise ArrowNotImplementedError(f"Arrow type {data.type} cannot be converted to Python objects")
    values = decoder(data, nulls)
    for i in nulls:
        values[i] = None
    return values


def numbers(data: ArrayData, nulls: Sequence[int] = ()) -> list[Any]:
    """The raw numbers of a fixed-width array, those under a null replaced by 0."""
    kind = data.type.index_type.kind if data.type.kind == "dictionary" else data.type.kind  # type: ignore[attr-defined]
    width, code = WIDTHS[kind]
    span = slice(data.offset * width, (data.offset + data.length) * width)
    raw = data.buffers[1] or b""
    if code == "e":  # memoryview.cast() knows half floats from Python 3.12 on
        found: list[Any] = [number for (number,) in struct.iter_unpack("<e", raw[span])]
    else:
        found = read_numbers(raw, span, code)
    if len(found) != data.length:
        raise ArrowInvalid(f"Corrupt {kind} array: {len(found)} values for {data.length} items")
    for i in nulls:
        found[i] = 0
    return found


def _numbers(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    return numbers(data)


def _nulls(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    return [None] * data.length


def _booleans(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    return unpack_bits(data.buffers[1] or b"", data.offset, data.length)


def _binaries(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    ends = data.offsets()
    first, last = ends[0], ends[-1]
    raw = data.buffers[2] or b""
    if last > len(raw):
        raise ArrowInvalid(
            f"Corrupt {data.type.kind} array: offset {last} is beyond {len(raw)} bytes of data"
        )
    blob = bytes(raw[first:last])
    if first:
        ends = [end - first for end in ends]
    if not data.type.kind.endswith("string"):
        return [blob[a:b] for a, b in pairwise(ends)]
    if blob.isascii():  # one decode for all, and slicing str is as fast as slicing bytes
        text = blob.decode("ascii")
        return [text[a:b] for a, b in pairwise(ends)]
    return [blob[a:b].decode() for a, b in pairwise(ends)]


def _views(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    raw = bytes(memoryview(data.buffers[1] or b"")[data.offset * 16 : (data.offset + data.length) * 16])
    blobs = [bytes(b or b"") for b in data.buffers[2:]]
    out: list[Any] = []
    skip = set(nulls)
    for i, (size, head, index, offset) in enumerate(struct.iter_unpack("<i4sii", raw)):
        if i in skip:
            out.append(b"")
        elif 0 <= size <= 12:
            out.append(raw[16 * i + 4 : 16 * i + 4 + size])
        elif size > 0 and 0 <= index < len(blobs) and offset >= 0 and offset + size <= len(blobs[index]):
            out.append(blobs[index][offset : offset + size])
        else:
            raise ArrowInvalid(
                f"Corrupt {data.type.kind} array: item {i} ({head!r}...) is outside of its buffers"
            )
    return [b.decode() for b in out] if data.type.kind == "string_view" else out


def _fixed_binaries(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    assert isinstance(data.type, FixedSizeBinaryType)
    width = data.type.byte_width
    raw = bytes(memoryview(data.buffers[1] or b"")[data.offset * width : (data.offset + data.length) * width])
    return (
        [raw[i : i + width] for i in range(0, data.length * width, width)] if width else [b""] * data.length
    )


def _decimals(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    assert isinstance(data.type, DecimalType)
    width = data.type.byte_width
    raw = memoryview(data.buffers[1] or b"")[data.offset * width : (data.offset + data.length) * width]
    if len(raw) != width * data.length:
        raise ArrowInvalid(f"Corrupt {data.type} array: {len(raw)} bytes for {data.length} items")
    unscaled: list[int]
    if width < 16:
        unscaled = raw.cast("i" if width == 4 else "q").tolist()
    elif width == 16:
        words = raw.cast("q").tolist()
        low, high = words[0::2], words[1::2]
        # most decimals fit 64 bits: then the upper word only repeats the sign
        unscaled = [
            lo if (hi == -1 if lo < 0 else hi == 0) else (hi << 64) | (lo & 0xFFFFFFFFFFFFFFFF)
            for lo, hi in zip(low, high, strict=True)
        ]
    else:
        flat = bytes(raw)
        unscaled = [
            int.from_bytes(flat[i : i + width], "little", signed=True) for i in range(0, len(flat), width)
        ]
    for i in nulls:
        unscaled[i] = 0
    if data.type.scale == 0:
        return list(map(Decimal, unscaled))
    scale, context = -data.type.scale, _EXACT
    try:
        return [Decimal(value).scaleb(scale, context) for value in unscaled]
    except InvalidOperation:
        raise ArrowInvalid(f"Corrupt {data.type} array: no decimal has this scale") from None


def _dates(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    days = numbers(data, nulls)
    if data.type.kind == "date64":
        days = [ms // 86_400_000 for ms in days]
    try:
        return list(map(datetime.date.fromordinal, [day + _EPOCH_ORDINAL for day in days]))
    except (ValueError, OverflowError):
        raise OverflowError("date value out of range") from None


def microseconds(ticks: list[int], unit: str, what: str) -> list[int]:
    """Ticks in microseconds; nanoseconds that do not divide are an error, as in pyarrow without pandas."""
    if unit == "us":
        return ticks
    if unit != "ns":
        factor = 1_000_000 // _PER_SECOND[unit]
        return [tick * factor for tick in ticks]
    for tick in ticks:
        if tick % 1000:
            raise ValueError(
                f"Nanosecond resolution temporal type {tick} is not safely convertible to microseconds to "
                f"convert to {what}. Install pandas to return as Timestamp with nanosecond support or access "
                "the .value attribute."
            )
    return [tick // 1000 for tick in ticks]


def _timestamps(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    assert isinstance(data.type, TimestampType)
    ticks = microseconds(numbers(data, nulls), data.type.unit, "datetime.datetime")
    deltas = map(datetime.timedelta, repeat(0), repeat(0), ticks)
    if data.type.tz is None:
        return list(map(_EPOCH.__add__, deltas))
    tz = zone(data.type.tz)
    if tz is datetime.timezone.utc:
        return list(map(_EPOCH.replace(tzinfo=tz).__add__, deltas))
    return list(map(tz.fromutc, map(_EPOCH.replace(tzinfo=tz).__add__, deltas)))


def _durations(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    ticks = microseconds(numbers(data, nulls), data.type.unit, "datetime.timedelta")  # type: ignore[attr-defined]
    return list(map(datetime.timedelta, repeat(0), repeat(0), ticks))


def _times(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    unit = data.type.unit  # type: ignore[attr-defined]
    ticks = numbers(data, nulls)
    ticks = [t // 1000 for t in ticks] if unit == "ns" else microseconds(ticks, unit, "datetime.time")
    deltas = map(datetime.timedelta, repeat(0), repeat(0), ticks)
    return [moment.time() for moment in map(_EPOCH.__add__, deltas)]


def _month_day_nanos(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    raw = memoryview(data.buffers[1] or b"")[data.offset * 16 : (data.offset + data.length) * 16]
    return [MonthDayNano(*item) for item in struct.iter_unpack("<iiq", raw)]


def _unrepresentable(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    raise KeyError(data.type.id)  # pyarrow has no class for these; PySpark expects just this


def _lists(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    ends = data.offsets()
    first, last = ends[0], ends[-1]
    child = data.children[0]
    if last > child.length:
        raise ArrowInvalid(f"Corrupt {data.type.kind} array: offset {last} is beyond {child.length} values")
    if isinstance(data.type, MapType):
        entries = child.slice(first, last - first)
        keys, items = (to_pylist(c.slice(entries.offset, entries.length)) for c in entries.children)
        flat: list[Any] = list(zip(keys, items, strict=True))
    else:
        flat = to_pylist(child.slice(first, last - first))
    if first:
        ends = [end - first for end in ends]
    return [flat[a:b] for a, b in pairwise(ends)]


def _list_views(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    width, code = (8, "q") if data.type.kind.startswith("large_") else (4, "i")
    span = slice(data.offset * width, (data.offset + data.length) * width)
    starts = read_numbers(data.buffers[1] or b"", span, code)
    sizes = read_numbers(data.buffers[2] or b"", span, code)
    flat = to_pylist(data.children[0])
    return [flat[start : start + size] for start, size in zip(starts, sizes, strict=True)]


def _fixed_lists(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    assert isinstance(data.type, FixedSizeListType)
    size = data.type.list_size
    flat = to_pylist(data.children[0].slice(data.offset * size, data.length * size))
    return [flat[i * size : (i + 1) * size] for i in range(data.length)]


def _structs(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    names = [f.name for f in data.type.children]
    if len(set(names)) != len(names):
        raise ValueError(
            "Converting to Python dictionary is not supported when duplicate field names are present"
        )
    if not names:
        return [{} for _ in range(data.length)]
    columns = [to_pylist(child.slice(data.offset, data.length)) for child in data.children]
    return list(map(_dict_maker(tuple(names)), *columns))


_makers: dict[tuple[str, ...], Callable[..., dict[str, Any]]] = {}


def _dict_maker(names: tuple[str, ...]) -> Callable[..., dict[str, Any]]:
    """A function of one argument a name that returns the dict; twice as fast as ``dict(zip())``."""
    maker = _makers.get(names)
    if maker is None:
        if len(names) > 100:
            return lambda *values: dict(zip(names, values, strict=True))
        arguments = [f"v{i}" for i in range(len(names))]
        body = ", ".join(f"{name!r}: {value}" for name, value in zip(names, arguments, strict=True))
        maker = eval(
            f"lambda {', '.join(arguments)}: {{{body}}}", {"__builtins__": {}}
        )  # names are quoted by repr
        if len(_makers) > 1000:
            _makers.clear()
        _makers[names] = maker
    return maker


def _dictionaries(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    if data.dictionary is None:
        raise ArrowInvalid("A dictionary-encoded array came without its dictionary")
    values = to_pylist(data.dictionary)
    indices = numbers(data, nulls)
    if not values:
        raise ArrowInvalid("A dictionary-encoded array has items but its dictionary is empty")
    if min(indices) < 0 or max(indices) >= len(values):
        raise ArrowInvalid(f"Corrupt dictionary array: an index is outside of its {len(values)} values")
    return list(map(values.__getitem__, indices))


def _runs(data: ArrayData, nulls: Sequence[int]) -> list[Any]:
    ends, values = (to_pylist(child) for child in data.children)
    out: list[Any] = []
    for end, value in zip(ends, values, strict=True):
        out.extend([value] * (min(end, data.offset + data.length) - len(out)))
    if len(out) < data.offset + data.length:
        raise ArrowInvalid("Corrupt run-end encoded array: the runs end before the array")
    return out[data.offset :]


def _by_kind(decoder: Callable[[ArrayData, Sequence[int]], list[Any]], *kinds: str) -> dict[str, Any]:
    return dict.fromkeys(kinds, decoder)


_DECODERS: dict[str, Callable[[ArrayData, Sequence[int]], list[Any]]] = {
    **_by_kind(_nulls, "null"),
    **_by_kind(_booleans, "bool"),
    **_by_kind(_numbers, "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    **_by_kind(_numbers, "halffloat", "float", "double"),
    **_by_kind(_binaries, *BINARY),
    **_by_kind(_views, *VIEWS),
    **_by_kind(_fixed_binaries, "fixed_size_binary"),
    **_by_kind(_decimals, "decimal32", "decimal64", "decimal128", "decimal256"),
    **_by_kind(_dates, "date32", "date64"),
    **_by_kind(_timestamps, "timestamp"),
    **_by_kind(_durations, "duration"),
    **_by_kind(_times, "time32", "time64"),
    **_by_kind(_month_day_nanos, "month_day_nano_interval"),
    **_by_kind(_unrepresentable, "month_interval", "day_time_interval"),
    **_by_kind(_lists, "list", "large_list", "map"),
    **_by_kind(_list_views, "list_view", "large_list_view"),
    **_by_kind(_fixed_lists, "fixed_size_list"),
    **_by_kind(_structs, "struct"),
    **_by_kind(_dictionaries, "dictionary"),
    **_by_kind(_runs, "run_end_encoded"),
}
