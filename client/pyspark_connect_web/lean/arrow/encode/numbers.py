"""Nulls, booleans, integers, floats and decimals."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal, InvalidOperation
from itertools import repeat
from operator import index as as_index
from typing import Any, NoReturn

from pyspark_connect_web.lean.arrow.data import WIDTHS, ArrayData, pack_bits
from pyspark_connect_web.lean.arrow.encode.dispatch import invalid, kinds_of, make_array, type_name, unwrap
from pyspark_connect_web.lean.arrow.errors import ArrowInvalid, ArrowTypeError
from pyspark_connect_web.lean.arrow.types import DataType, DecimalType

NONE = type(None)
INT64 = range(-(2**63), 2**63)
_EXACT = Context(prec=80)


def encode_null(values: Sequence[Any], data_type: DataType) -> ArrayData:
    if values.count(None) != len(values):
        raise ArrowInvalid("Invalid null value")
    return ArrayData(data_type, len(values), len(values), [])


def encode_bool(values: Sequence[Any], data_type: DataType) -> ArrayData:
    if not kinds_of(values) <= {bool, NONE}:
        values = [_to_bool(value) for value in values]
    return make_array(data_type, values, values.count(None), pack_bits(values))


def _to_bool(value: Any) -> Any:
    plain = unwrap(value)
    if plain is not None and type(plain) is not bool:
        invalid(value, "tried to convert to boolean")
    return plain


def encode_int(values: Sequence[Any], data_type: DataType) -> ArrayData:
    code = WIDTHS[data_type.kind][1]
    kinds = kinds_of(values)
    nulls = values.count(None) if NONE in kinds else 0
    if kinds <= {int, NONE}:
        try:
            filled = [0 if value is None else value for value in values] if nulls else values
            return make_array(data_type, values, nulls, array(code, filled).tobytes())
        except OverflowError:
            pass  # the slow path names the value
    low, high = _range(code)
    items = [0 if value is None else _to_int(value, data_type, low, high) for value in values]
    return make_array(data_type, values, nulls, array(code, items).tobytes())


def _range(code: str) -> tuple[int, int]:
    bits = 8 * struct.calcsize(code)
    return (0, 2**bits - 1) if code.isupper() else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _to_int(value: Any, data_type: DataType, low: int, high: int) -> int:
    if isinstance(value, bool):
        raise ArrowTypeError("Expected integer, got bool")
    plain = unwrap(value)
    try:
        number = int(plain) if isinstance(plain, (float, Decimal)) else as_index(plain)
    except (TypeError, ValueError, OverflowError):
        invalid(value, f"tried to convert to {data_type}")
    if not isinstance(plain, int) and not low <= number <= high:
        invalid(value, f"tried to convert to {data_type}")
    if low == 0:
        if number < 0:
            raise OverflowError("can't convert negative value to unsigned int")
        if number >= 2**64:
            raise OverflowError("Python int too large to convert to C unsigned long")
    elif number not in INT64:
        raise OverflowError("Python int too large to convert to C long")
    if not low <= number <= high:
        raise ArrowInvalid(f"Value {number} too large to fit in C integer type")
    return number


def encode_float(values: Sequence[Any], data_type: DataType) -> ArrayData:
    code = WIDTHS[data_type.kind][1]
    kinds = kinds_of(values)
    nulls = values.count(None) if NONE in kinds else 0
    if kinds <= {float, NONE}:
        items: Iterable[float] = [0.0 if value is None else value for value in values] if nulls else values
    else:
        items = [0.0 if value is None else _to_float(value, data_type) for value in values]
    # array() casts as C does: doubles out of the range of a float become infinite
    packed = b"".join(map(_pack_half, items)) if code == "e" else array(code, items).tobytes()
    return make_array(data_type, values, nulls, packed)


def _pack_half(value: float) -> bytes:
    try:
        return struct.pack("<e", value)
    except OverflowError:
        return struct.pack("<e", float("inf") if value > 0 else float("-inf"))


def _to_float(value: Any, data_type: DataType) -> float:
    name = {"halffloat": "float16", "float": "float32"}.get(data_type.kind, "double")
    plain = unwrap(value)
    if isinstance(plain, float):
        if name == "float16" and type_name(value) in ("numpy.float32", "numpy.longdouble"):
            raise ArrowTypeError(
                f"conversion to float16 expects a `float` or `np.float16` object, got {type_name(value)}"
            )
        return plain
    if not isinstance(plain, int) or (isinstance(plain, bool) and plain is not value):
        invalid(value, f"tried to convert to {name}")
    if plain not in INT64:
        raise ArrowInvalid("PyLong is too large to fit int64")
    bits = 24 if data_type.kind == "float" else 53
    if abs(plain) > 2**bits:
        which = "single" if bits == 24 else "double"
        raise ArrowInvalid(
            f"Integer value {value} is outside of the range exactly representable by a IEEE 754 {which} "
            "precision value"
        )
    return float(plain)


# ---------------------------------------------------------------- decimals


def encode_decimal(values: Sequence[Any], data_type: DataType) -> ArrayData:
    assert isinstance(data_type, DecimalType)
    kinds = kinds_of(values)
    nulls = values.count(None) if NONE in kinds else 0
    scale = data_type.scale
    quantum = Decimal(1).scaleb(-scale, _EXACT)
    filled = [quantum if value is None else value for value in values] if nulls else values
    limit = 10**data_type.precision
    unscaled: list[int] | None = None
    if kinds <= {Decimal, NONE} and all(map(quantum.same_quantum, filled)):
        # every value has just this scale (PySpark quantizes them): shifting the point loses nothing
        shifted = map(Decimal.scaleb, filled, repeat(scale), repeat(_EXACT))
        unscaled = list(map(int, shifted))
        if unscaled and not (-limit < min(unscaled) and max(unscaled) < limit):
            unscaled = None
    if unscaled is None:
        unscaled = [_unscaled(value, data_type, limit) for value in filled]
    return make_array(data_type, values, nulls, _pack_decimals(unscaled, data_type.byte_width))


def _pack_decimals(unscaled: list[int], width: int) -> bytes:
    if width < 16:
        return array("i" if width == 4 else "q", unscaled).tobytes()
    if width == 16:
        try:
            low = array("q", unscaled)
        except OverflowError:
            pass
        else:  # they fit 64 bits: the upper words only repeat the sign
            words = array("q", bytes(16 * len(unscaled)))
            words[0::2] = low
            if unscaled and min(unscaled) < 0:
                words[1::2] = array("q", [number >> 63 for number in unscaled])
            return words.tobytes()
    return b"".join([number.to_bytes(width, "little", signed=True) for number in unscaled])


def _unscaled(value: Any, data_type: DecimalType, limit: int) -> int:
    if isinstance(value, Decimal):
        try:
            shifted = value.scaleb(data_type.scale, _EXACT)
            number = int(shifted)
        except (InvalidOperation, ValueError, OverflowError):
            raise ArrowInvalid(f"The string '{value}' is not a valid {data_type.kind} number") from None
        if number != shifted:
            raise ArrowInvalid("Rescaling Decimal value would cause data loss")
    elif isinstance(value, bool):
        raise ArrowInvalid(f"The string '{value}' is not a valid {data_type.kind} number")
    elif isinstance(value, int):
        number = value * 10**data_type.scale
    else:
        raise ArrowTypeError(f"int or Decimal object expected, got {type_name(value)}")
    if not -limit < number < limit:
        _too_precise(value, data_type)
    return number


def _too_precise(value: Any, data_type: DecimalType) -> NoReturn:
    digits = Decimal(value).as_tuple()
    exponent = digits.exponent
    assert isinstance(exponent, int)
    if -exponent <= data_type.scale:
        inferred = max(len(digits.digits) + max(exponent, 0), -exponent)
        raise ArrowInvalid(
            f"Decimal type with precision {inferred} does not fit into precision inferred from first array "
            f"element: {data_type.precision}"
        )
    raise ArrowInvalid("Rescaling Decimal value would cause data loss")
