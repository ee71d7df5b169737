"""Dates, times, timestamps, durations and intervals."""

from __future__ import annotations

import datetime
import struct
from array import array
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from pyspark_connect_web.lean.arrow.data import WIDTHS, ArrayData
from pyspark_connect_web.lean.arrow.encode.dispatch import kinds_of, make_array
from pyspark_connect_web.lean.arrow.encode.numbers import INT64
from pyspark_connect_web.lean.arrow.errors import ArrowInvalid, ArrowNotImplementedError, ArrowTypeError
from pyspark_connect_web.lean.arrow.types import DataType, DurationType, Time32Type, Time64Type, TimestampType

NONE = type(None)
_EPOCH = datetime.datetime(1970, 1, 1)
_EPOCH_UTC = _EPOCH.replace(tzinfo=datetime.timezone.utc)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_NANOS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


def _pack(ticks: Iterable[int], data_type: DataType) -> bytes:
    code = WIDTHS[data_type.kind][1]
    try:
        return array(code, ticks).tobytes()
    except OverflowError:
        if data_type.kind == "date32":
            raise ArrowInvalid("Integer too large for date32") from None
        if code == "i":
            raise ArrowInvalid("Integer too large for int32") from None
        if data_type.kind == "duration":
            raise ArrowInvalid("Timedelta too large to fit in 64-bit integer") from None
        raise ArrowInvalid(f"Value out of the range of {data_type}") from None


def _encode_each(
    values: Sequence[Any], data_type: DataType, convert: Callable[[Any], int | None]
) -> ArrayData:
    """Item by item; ``convert`` returns None for values that are not of the type's own Python class."""
    ticks = [0 if value is None else _tick(value, data_type.kind, convert) for value in values]
    return make_array(data_type, values, values.count(None), _pack(ticks, data_type))


def _tick(value: Any, kind: str, convert: Callable[[Any], int | None]) -> int:
    tick = convert(value)
    if tick is not None:
        return tick
    if isinstance(value, bool):
        raise ArrowTypeError("Expected integer, got bool")
    if type(value).__module__ == "numpy":
        value = _numpy_tick(value, kind)
    if not isinstance(value, (int, float, Decimal)) and not hasattr(value, "__index__"):
        raise ArrowTypeError(f"object of type {type(value)} cannot be converted to int")
    number = int(value)
    if number not in INT64:
        raise OverflowError("Python int too large to convert to C long")
    return number


def _numpy_tick(value: Any, kind: str) -> Any:
    """A numpy scalar; timestamps and durations take only their own kind of it."""
    if kind not in ("timestamp", "duration"):
        return value.item() if hasattr(value, "item") and not isinstance(value, str) else value
    wanted = "datetime64" if kind == "timestamp" else "timedelta64"
    dtype = value.dtype.name
    if dtype.startswith(wanted):
        raise ArrowNotImplementedError(
            f"np.{wanted} values need pyarrow; convert them to datetime objects first"
        )
    name = {"float64": "double", "float32": "float", "float16": "halffloat"}.get(dtype, dtype)
    raise ArrowNotImplementedError(
        f"Expected np.{wanted} but got: {'string' if isinstance(value, str) else name}"
    )


def encode_date(values: Sequence[Any], data_type: DataType) -> ArrayData:
    per_day = 1 if data_type.kind == "date32" else 86_400_000
    kinds = kinds_of(values)
    if kinds <= {datetime.date, NONE}:
        nulls = values.count(None) if NONE in kinds else 0
        filled = [_EPOCH if value is None else value for value in values] if nulls else values
        days = [(ordinal - _EPOCH_ORDINAL) * per_day for ordinal in map(datetime.date.toordinal, filled)]
        return make_array(data_type, values, nulls, _pack(days, data_type))

    def convert(value: Any) -> int | None:
        if isinstance(value, datetime.date):
            return (value.toordinal() - _EPOCH_ORDINAL) * per_day
        return None

    return _encode_each(values, data_type, convert)


def _factors(unit: str) -> tuple[int, int]:
    """Ticks per microsecond and microseconds per tick; one of them is 1."""
    nanos = _NANOS[unit]
    return (1000 // nanos, 1) if nanos <= 1000 else (1, nanos // 1000)


def _micros(delta: datetime.timedelta) -> int:
    # a third of the time of `delta // microsecond`
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _encode_deltas(
    values: Sequence[Any], deltas: Iterable[datetime.timedelta], nulls: int, data_type: DataType, unit: str
) -> ArrayData:
    ticks = [(delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds for delta in deltas]
    per_us, us_per = _factors(unit)
    if (per_us, us_per) != (1, 1):
        ticks = [tick * per_us // us_per for tick in ticks]
    return make_array(data_type, values, nulls, _pack(ticks, data_type))


def encode_timestamp(values: Sequence[Any], data_type: DataType) -> ArrayData:
    """Aware values by their instant, naive ones as if in UTC."""
    assert isinstance(data_type, TimestampType)
    kinds = kinds_of(values)
    if kinds <= {datetime.datetime, NONE}:
        nulls = values.count(None) if NONE in kinds else 0
        first = next((value for value in values if value is not None), _EPOCH)
        epoch = _EPOCH if first.tzinfo is None else _EPOCH_UTC
        filled = [epoch if value is None else value for value in values] if nulls else values
        try:
            return _encode_deltas(
                values, [value - epoch for value in filled], nulls, data_type, data_type.unit
            )
        except TypeError:
            pass  # naive and aware values are mixed
    per_us, us_per = _factors(data_type.unit)

    def convert(value: Any) -> int | None:
        if isinstance(value, datetime.datetime):
            return _micros(value - _EPOCH if value.tzinfo is None else value - _EPOCH_UTC) * per_us // us_per
        return None

    return _encode_each(values, data_type, convert)


def encode_duration(values: Sequence[Any], data_type: DataType) -> ArrayData:
    assert isinstance(data_type, DurationType)
    kinds = kinds_of(values)
    if kinds <= {datetime.timedelta, NONE}:
        nulls = values.count(None) if NONE in kinds else 0
        zero = datetime.timedelta(0)
        filled = [zero if value is None else value for value in values] if nulls else values
        return _encode_deltas(values, filled, nulls, data_type, data_type.unit)
    per_us, us_per = _factors(data_type.unit)

    def convert(value: Any) -> int | None:
        return _micros(value) * per_us // us_per if isinstance(value, datetime.timedelta) else None

    return _encode_each(values, data_type, convert)


def encode_time(values: Sequence[Any], data_type: DataType) -> ArrayData:
    assert isinstance(data_type, (Time32Type, Time64Type))
    per_us, us_per = _factors(data_type.unit)

    def convert(value: Any) -> int | None:
        if isinstance(value, datetime.time):
            seconds = (value.hour * 60 + value.minute) * 60 + value.second
            return (seconds * 1_000_000 + value.microsecond) * per_us // us_per
        return None

    return _encode_each(values, data_type, convert)


def encode_month_day_nano(values: Sequence[Any], data_type: DataType) -> ArrayData:
    packed = b"".join([bytes(16) if value is None else struct.pack("<iiq", *value) for value in values])
    return make_array(data_type, values, values.count(None), packed)
