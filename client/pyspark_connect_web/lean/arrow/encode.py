"""Python values to Arrow arrays of a given type, with pyarrow's rules, error classes and messages.

Each encoder tries a path that handles a whole column at C speed (:mod:`array`, ``b"".join``); only when
that meets a value it cannot take does a second path look at every item, to convert the unusual ones or to
name the culprit.
"""

from __future__ import annotations

import datetime
import struct
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Context, Decimal, InvalidOperation
from itertools import accumulate, chain
from operator import index as as_index
from typing import Any, NoReturn

from .data import WIDTHS, ArrayData, offset_code, pack_bits
from .errors import ArrowInvalid, ArrowNotImplementedError, ArrowTypeError
from .types import (
    DataType,
    DecimalType,
    FixedSizeBinaryType,
    FixedSizeListType,
    MapType,
    StructType,
    TimestampType,
)

_EPOCH = datetime.datetime(1970, 1, 1)
_EPOCH_UTC = _EPOCH.replace(tzinfo=datetime.timezone.utc)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_MICROSECOND = datetime.timedelta(microseconds=1)
_EXACT = Context(prec=80)
_NANOS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_INT64 = range(-(2**63), 2**63)
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_C_MODULES = ("array", "numpy")  # whose heap types are named with their module all the same


def encode(values: Sequence[Any], data_type: DataType) -> ArrayData:
    """The array of ``values``, None for null.

    Raises :class:`ArrowInvalid` or :class:`ArrowTypeError` for values that do not fit, ``OverflowError`` for
    integers beyond 64 bits, as pyarrow does.
    """
    encoder = _ENCODERS.get(data_type.kind)
    if encoder is None:
        raise ArrowNotImplementedError(f"Building an array of type {data_type} from Python objects")
    if not isinstance(values, (list, tuple)):
        values = list(values)
    return encoder(values, data_type)


def _array(
    data_type: DataType,
    values: Sequence[Any],
    nulls: int,
    *buffers: bytes,
    children: Sequence[ArrayData] = (),
) -> ArrayData:
    validity = pack_bits([value is not None for value in values]) if nulls else None
    return ArrayData(data_type, len(values), nulls, [validity, *buffers], children)


def _invalid(value: object, reason: str, error: type[Exception] = ArrowInvalid) -> NoReturn:
    raise error(f"Could not convert {value!r} with type {type_name(value)}: {reason}")


def type_name(value: object) -> str:
    """The C level name of a value's type: with its module for C types outside of builtins."""
    kind = type(value)
    is_heap = bool(kind.__flags__ & _HEAP_TYPE)
    bare = kind.__module__ == "builtins" or (is_heap and kind.__module__ not in _C_MODULES)
    return kind.__name__ if bare else f"{kind.__module__}.{kind.__name__}"


def _unwrap(value: Any) -> Any:
    """A numpy scalar as the Python value it holds; everything else unchanged."""
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        return value.item()
    return value


# ---------------------------------------------------------------- numbers


def _encode_null(values: Sequence[Any], data_type: DataType) -> ArrayData:
    if values.count(None) != len(values):
        raise ArrowInvalid("Invalid null value")
    return ArrayData(data_type, len(values), len(values), [])


def _encode_bool(values: Sequence[Any], data_type: DataType) -> ArrayData:
    kinds = set(map(type, values))
    if not kinds <= {bool, type(None)}:
        values = [_to_bool(value) for value in values]
    return _array(data_type, values, values.count(None), pack_bits(values))


def _to_bool(value: Any) -> Any:
    plain = _unwrap(value)
    if plain is None or type(plain) is bool:
        return plain
    _invalid(value, "tried to convert to boolean")


def _encode_int(values: Sequence[Any], data_type: DataType) -> ArrayData:
    code = WIDTHS[data_type.kind][1]
    kinds = set(map(type, values))
    nulls = values.count(None) if type(None) in kinds else 0
    if kinds <= {int, type(None)}:
        try:
            filled = [0 if value is None else value for value in values] if nulls else values
            return _array(data_type, values, nulls, array(code, filled).tobytes())
        except OverflowError:
            pass  # the slow path names the value
    low, high = _range(code)
    items = [0 if value is None else _to_int(value, data_type, low, high) for value in values]
    return _array(data_type, values, nulls, array(code, items).tobytes())


def _range(code: str) -> tuple[int, int]:
    bits = 8 * struct.calcsize(code)
    return (0, 2**bits - 1) if code.isupper() else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _to_int(value: Any, data_type: DataType, low: int, high: int) -> int:
    if isinstance(value, bool):
        raise ArrowTypeError("Expected integer, got bool")
    plain = _unwrap(value)
    try:
        number = int(plain) if isinstance(plain, (float, Decimal)) else as_index(plain)
    except (TypeError, ValueError, OverflowError):
        _invalid(value, f"tried to convert to {data_type}")
    if not isinstance(plain, int) and not low <= number <= high:
        _invalid(value, f"tried to convert to {data_type}")
    if low == 0:
        if number < 0:
            raise OverflowError("can't convert negative value to unsigned int")
        if number >= 2**64:
            raise OverflowError("Python int too large to convert to C unsigned long")
    elif number not in _INT64:
        raise OverflowError("Python int too large to convert to C long")
    if not low <= number <= high:
        raise ArrowInvalid(f"Value {number} too large to fit in C integer type")
    return number


def _encode_float(values: Sequence[Any], data_type: DataType) -> ArrayData:
    code = WIDTHS[data_type.kind][1]
    kinds = set(map(type, values))
    nulls = values.count(None) if type(None) in kinds else 0
    if kinds <= {float, type(None)}:
        items: Iterable[float] = [0.0 if value is None else value for value in values] if nulls else values
    else:
        items = [0.0 if value is None else _to_float(value, data_type) for value in values]
    if code == "e":
        packed = b"".join(map(_pack_half, items))
    elif code == "f":
        packed = _pack_single(list(items))
    else:
        packed = array(code, items).tobytes()
    return _array(data_type, values, nulls, packed)


def _pack_half(value: float) -> bytes:
    try:
        return struct.pack("<e", value)
    except OverflowError:
        return struct.pack("<e", float("inf") if value > 0 else float("-inf"))


def _pack_single(values: list[float]) -> bytes:
    return array("f", values).tobytes()  # a C cast: doubles out of range become infinite


def _to_float(value: Any, data_type: DataType) -> float:
    name = {"halffloat": "float16", "float": "float32"}.get(data_type.kind, "double")
    plain = _unwrap(value)
    if isinstance(plain, float):
        if name == "float16" and type_name(value) in ("numpy.float32", "numpy.longdouble"):
            raise ArrowTypeError(
                f"conversion to float16 expects a `float` or `np.float16` object, got {type_name(value)}"
            )
        return plain
    if not isinstance(plain, int) or (isinstance(plain, bool) and plain is not value):
        _invalid(value, f"tried to convert to {name}")
    if plain not in _INT64:
        raise ArrowInvalid("PyLong is too large to fit int64")
    bits = 24 if data_type.kind == "float" else 53
    if abs(plain) > 2**bits:
        which = "single" if bits == 24 else "double"
        raise ArrowInvalid(
            f"Integer value {value} is outside of the range exactly representable by a IEEE 754 {which} "
            "precision value"
        )
    return float(plain)


def _encode_decimal(values: Sequence[Any], data_type: DataType) -> ArrayData:
    assert isinstance(data_type, DecimalType)
    scale, width = data_type.scale, data_type.byte_width
    limit = 10**data_type.precision
    unscaled: list[int] = []
    append = unscaled.append
    for value in values:
        if value is None:
            append(0)
            continue
        number = _unscaled(value, data_type) if type(value) is not Decimal else None
        if number is None:
            try:
                shifted = value.scaleb(scale, _EXACT)
                number = int(shifted)
                if number != shifted:
                    raise ArrowInvalid("Rescaling Decimal value would cause data loss")
            except (InvalidOperation, ValueError, OverflowError) as error:
                if isinstance(error, ArrowInvalid):
                    raise
                raise ArrowInvalid(f"The string '{value}' is not a valid {data_type.kind} number") from None
        if not -limit < number < limit:
            _too_precise(value, number, data_type)
        append(number)
    if width == 16 and (not unscaled or (min(unscaled) in _INT64 and max(unscaled) in _INT64)):
        packed = array("q", chain.from_iterable([(n, -1 if n < 0 else 0) for n in unscaled])).tobytes()
    elif width < 16:
        packed = array("i" if width == 4 else "q", unscaled).tobytes()
    else:
        packed = b"".join([n.to_bytes(width, "little", signed=True) for n in unscaled])
    return _array(data_type, values, values.count(None), packed)


def _unscaled(value: Any, data_type: DecimalType) -> int | None:
    """The unscaled integer of an int; None for a Decimal subclass."""
    if isinstance(value, Decimal):
        return None
    if isinstance(value, bool):
        raise ArrowInvalid(f"The string '{value}' is not a valid {data_type.kind} number")
    if not isinstance(value, int):
        raise ArrowTypeError(f"int or Decimal object expected, got {type_name(value)}")
    scaled: int = value * 10**data_type.scale
    return scaled


def _too_precise(value: Any, number: int, data_type: DecimalType) -> NoReturn:
    digits = Decimal(value).as_tuple()
    exponent = digits.exponent
    assert isinstance(exponent, int)
    inferred = max(len(digits.digits), -exponent, len(digits.digits) + max(exponent, 0))
    if -exponent <= data_type.scale:
        raise ArrowInvalid(
            f"Decimal type with precision {inferred} does not fit into precision inferred from first array "
            f"element: {data_type.precision}"
        )
    raise ArrowInvalid("Rescaling Decimal value would cause data loss")


# ---------------------------------------------------------------- text and bytes


def _encode_binary(values: Sequence[Any], data_type: DataType) -> ArrayData:
    kinds = set(map(type, values))
    nulls = values.count(None) if type(None) in kinds else 0
    is_text = data_type.kind.endswith("string")
    code = offset_code(data_type)[1]
    if kinds <= {str, type(None)} and is_text:
        present = [value for value in values if value is not None] if nulls else values
        text = "".join(present)
        blob = text.encode()
        if len(blob) == len(text):  # ASCII: characters are bytes, one pass gives all lengths
            lengths = (
                [0 if value is None else len(value) for value in values] if nulls else list(map(len, values))
            )
            return _array(data_type, values, nulls, _offsets(lengths, code, data_type), blob)
        parts = [b"" if value is None else value.encode() for value in values]
    elif kinds <= {bytes, type(None)} and not is_text:
        parts = [b"" if value is None else value for value in values] if nulls else list(values)
    else:
        parts = [b"" if value is None else _to_bytes(value, is_text) for value in values]
    return _array(data_type, values, nulls, _offsets(list(map(len, parts)), code, data_type), b"".join(parts))


def _offsets(lengths: list[int], code: str, data_type: DataType) -> bytes:
    try:
        return array(code, accumulate(lengths, initial=0)).tobytes()
    except OverflowError:
        raise ArrowInvalid(
            f"The values of one {data_type} array are larger than 2 GiB; split the data or use large types"
        ) from None


def _to_bytes(value: Any, is_text: bool) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise ArrowTypeError(f"Expected bytes, got a '{type_name(value)}' object")
    raw = bytes(value)
    if is_text:
        try:
            raw.decode()
        except UnicodeDecodeError:
            _invalid(value, "was not a utf8 string")
    return raw


def _encode_fixed_binary(values: Sequence[Any], data_type: DataType) -> ArrayData:
    assert isinstance(data_type, FixedSizeBinaryType)
    width = data_type.byte_width
    parts = []
    for value in values:
        raw = bytes(width) if value is None else _to_bytes(value, is_text=False)
        if len(raw) != width:
            _invalid(value, f"expected to be length {width} was {len(raw)}")
        parts.append(raw)
    return _array(data_type, values, values.count(None), b"".join(parts))


# ---------------------------------------------------------------- dates and times


def _encode_ticks(
    values: Sequence[Any], data_type: DataType, convert: Callable[[Any], int | None]
) -> ArrayData:
    """Fixed-width ticks; ``convert`` returns None for values that are not of its Python type."""
    code = WIDTHS[data_type.kind][1]
    nulls = values.count(None)
    ticks = [0 if value is None else _tick(value, data_type.kind, convert) for value in values]
    try:
        packed = array(code, ticks).tobytes()
    except OverflowError:
        if data_type.kind == "date32":
            raise ArrowInvalid("Integer too large for date32") from None
        if code == "i":
            raise ArrowInvalid("Integer too large for int32") from None
        if data_type.kind == "duration":
            raise ArrowInvalid("Timedelta too large to fit in 64-bit integer") from None
        raise ArrowInvalid(f"Value out of the range of {data_type}") from None
    return _array(data_type, values, nulls, packed)


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
    if number not in _INT64:
        raise OverflowError("Python int too large to convert to C long")
    return number


def _numpy_tick(value: Any, kind: str) -> Any:
    """A numpy scalar that is not already a Python number: timestamps and durations take only their own kind."""
    if kind not in ("timestamp", "duration"):
        return value.item() if hasattr(value, "item") and not isinstance(value, str) else value
    name = {"float64": "double", "float32": "float", "float16": "halffloat"}.get(
        value.dtype.name, value.dtype.name
    )
    wanted = "np.datetime64" if kind == "timestamp" else "np.timedelta64"
    raise ArrowNotImplementedError(
        f"Expected {wanted} but got: {'string' if isinstance(value, str) else name}"
    )


def _encode_date(values: Sequence[Any], data_type: DataType) -> ArrayData:
    per_day = 1 if data_type.kind == "date32" else 86_400_000

    def convert(value: Any) -> int | None:
        if isinstance(value, datetime.date):
            return (value.toordinal() - _EPOCH_ORDINAL) * per_day
        return None

    return _encode_ticks(values, data_type, convert)


def _encode_timestamp(values: Sequence[Any], data_type: DataType) -> ArrayData:
    assert isinstance(data_type, TimestampType)
    per_us, us_per = _factors(data_type.unit)

    def convert(value: Any) -> int | None:
        if isinstance(value, datetime.datetime):
            since = value - _EPOCH if value.tzinfo is None else value - _EPOCH_UTC
            # microseconds by integer arithmetic: a third of the time of dividing timedeltas
            micros = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
            return micros * per_us // us_per
        return None

    return _encode_ticks(values, data_type, convert)


def _factors(unit: str) -> tuple[int, int]:
    nanos = _NANOS[unit]
    return (1000 // nanos, 1) if nanos <= 1000 else (1, nanos // 1000)


def _encode_duration(values: Sequence[Any], data_type: DataType) -> ArrayData:
    per_us, us_per = _factors(data_type.unit)  # type: ignore[attr-defined]

    def convert(value: Any) -> int | None:
        if isinstance(value, datetime.timedelta):
            return (value // _MICROSECOND) * per_us // us_per
        return None

    return _encode_ticks(values, data_type, convert)


def _encode_time(values: Sequence[Any], data_type: DataType) -> ArrayData:
    per_us, us_per = _factors(data_type.unit)  # type: ignore[attr-defined]

    def convert(value: Any) -> int | None:
        if isinstance(value, datetime.time):
            seconds = (value.hour * 60 + value.minute) * 60 + value.second
            return (seconds * 1_000_000 + value.microsecond) * per_us // us_per
        return None

    return _encode_ticks(values, data_type, convert)


def _encode_month_day_nano(values: Sequence[Any], data_type: DataType) -> ArrayData:
    packed = b"".join([bytes(16) if value is None else struct.pack("<iiq", *value) for value in values])
    return _array(data_type, values, values.count(None), packed)


# ---------------------------------------------------------------- nested


def _is_sequence(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset, range, array, str, bytes, bytearray)) or (
        hasattr(value, "__len__") and hasattr(value, "__getitem__") and not isinstance(value, Mapping)
    )


def _items(values: Sequence[Any]) -> tuple[list[int], list[Any]]:
    """Lengths and the concatenated items of list values."""
    lengths: list[int] = []
    flat: list[Any] = []
    for value in values:
        if value is None:
            lengths.append(0)
        elif _is_sequence(value):
            lengths.append(len(value))
            flat.extend(value)
        else:
            _invalid(
                value, "was not a sequence or recognized null for conversion to list type", ArrowTypeError
            )
    return lengths, flat


def _encode_list(values: Sequence[Any], data_type: DataType) -> ArrayData:
    if set(map(type, values)) <= {list}:
        lengths, flat = list(map(len, values)), list(chain.from_iterable(values))
    else:
        lengths, flat = _items(values)
    child = encode(flat, data_type.children[0].type)
    offsets = _offsets(lengths, offset_code(data_type)[1], data_type)
    return _array(data_type, values, values.count(None), offsets, children=[child])


def _encode_fixed_list(values: Sequence[Any], data_type: DataType) -> ArrayData:
    assert isinstance(data_type, FixedSizeListType)
    size = data_type.list_size
    flat: list[Any] = []
    for value in values:
        lengths, items = _items([value])
        if value is None:
            items = [None] * size
        elif lengths[0] != size:
            raise ArrowInvalid(
                f"Length of item not correct: expected {size} but got array of size {lengths[0]}"
            )
        flat.extend(items)
    child = encode(flat, data_type.value_type)
    return _array(data_type, values, values.count(None), children=[child])


def _encode_map(values: Sequence[Any], data_type: DataType) -> ArrayData:
    assert isinstance(data_type, MapType)
    pairs = [list(value.items()) if isinstance(value, Mapping) else value for value in values]
    lengths, flat = _items(pairs)
    for pair in flat:
        if isinstance(pair, str):
            _invalid(pair, "was expecting tuple of (key, value) pair", ArrowTypeError)
        if not isinstance(pair, (tuple, list)):
            _invalid(
                pair,
                "was not a dict, tuple, or recognized null value for conversion to struct type",
                ArrowTypeError,
            )
        if len(pair) != 2:
            raise ArrowInvalid("Tuple size must be equal to number of struct fields")
    keys = encode([pair[0] for pair in flat], data_type.key_type)
    if keys.null_count:
        raise ArrowInvalid("Invalid Map: key field cannot contain null values")
    items = encode([pair[1] for pair in flat], data_type.item_type)
    entries = ArrayData(data_type.entries_field.type, len(flat), 0, [None], [keys, items])
    offsets = _offsets(lengths, "i", data_type)
    return _array(data_type, values, values.count(None), offsets, children=[entries])


def _encode_struct(values: Sequence[Any], data_type: DataType) -> ArrayData:
    assert isinstance(data_type, StructType)
    names = data_type.names
    if set(map(type, values)) <= {dict, type(None)}:
        rows: Sequence[Any] = values
    else:
        rows = [None if value is None else _to_mapping(value, names) for value in values]
    if values.count(None) == 0:
        columns = [[row.get(name) for row in rows] for name in names]
    else:
        columns = [[None if row is None else row.get(name) for row in rows] for name in names]
    children = [encode(column, field.type) for column, field in zip(columns, data_type.children, strict=True)]
    if values.count(None):
        for child, column in zip(children, columns, strict=True):
            _validate_under_nulls(child, column, values)
    return _array(data_type, values, values.count(None), children=children)


def _validate_under_nulls(child: ArrayData, column: Sequence[Any], parents: Sequence[Any]) -> None:
    """Mark a child's items under a null struct as valid, as pyarrow does: the child may not be nullable."""
    if child.type.kind == "null":
        return
    valid = [item is not None or parent is None for item, parent in zip(column, parents, strict=True)]
    child.null_count = valid.count(False)
    child.buffers[0] = pack_bits(valid) if child.null_count else None


def _to_mapping(value: Any, names: list[str]) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, tuple):
        if len(value) != len(names):
            raise ArrowInvalid("Tuple size must be equal to number of struct fields")
        return dict(zip(names, value, strict=True))
    if not _is_sequence(value) or isinstance(value, (set, frozenset)):
        reason = "was not a dict, tuple, or recognized null value for conversion to struct type"
        _invalid(value, reason, ArrowTypeError)
    for pair in value:
        if not isinstance(pair, tuple) or len(pair) != 2:
            _invalid(pair, "was expecting tuple of (key, value) pair", ArrowTypeError)
    return dict(value)


_Encoder = Callable[[Sequence[Any], DataType], ArrayData]
_ENCODERS: dict[str, _Encoder] = {
    "null": _encode_null,
    "bool": _encode_bool,
    **dict.fromkeys(("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"), _encode_int),
    **dict.fromkeys(("halffloat", "float", "double"), _encode_float),
    **dict.fromkeys(("decimal32", "decimal64", "decimal128", "decimal256"), _encode_decimal),
    **dict.fromkeys(("string", "binary", "large_string", "large_binary"), _encode_binary),
    "fixed_size_binary": _encode_fixed_binary,
    **dict.fromkeys(("date32", "date64"), _encode_date),
    "timestamp": _encode_timestamp,
    "duration": _encode_duration,
    **dict.fromkeys(("time32", "time64"), _encode_time),
    "month_day_nano_interval": _encode_month_day_nano,
    **dict.fromkeys(("list", "large_list"), _encode_list),
    "fixed_size_list": _encode_fixed_list,
    "map": _encode_map,
    "struct": _encode_struct,
}
