"""Strings and bytes."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from pyspark_connect_web.lean.arrow.data import ArrayData, offset_code
from pyspark_connect_web.lean.arrow.encode.dispatch import invalid, kinds_of, make_array, type_name
from pyspark_connect_web.lean.arrow.errors import ArrowInvalid, ArrowTypeError
from pyspark_connect_web.lean.arrow.types import DataType, FixedSizeBinaryType

NONE = type(None)


def encode_binary(values: Sequence[Any], data_type: DataType) -> ArrayData:
    kinds = kinds_of(values)
    nulls = values.count(None) if NONE in kinds else 0
    is_text = data_type.kind.endswith("string")
    if is_text and kinds <= {str, NONE}:
        filled = ["" if value is None else value for value in values] if nulls else values
        text = "".join(filled)
        blob = text.encode()
        if len(blob) == len(text):  # ASCII: characters are bytes, so their counts are the lengths
            return make_array(data_type, values, nulls, pack_offsets(list(map(len, filled)), data_type), blob)
        parts = list(map(str.encode, filled))
    elif not is_text and kinds <= {bytes, NONE}:
        parts = [b"" if value is None else value for value in values] if nulls else list(values)
    else:
        parts = [b"" if value is None else _to_bytes(value, is_text) for value in values]
    offsets = pack_offsets(list(map(len, parts)), data_type)
    return make_array(data_type, values, nulls, offsets, b"".join(parts))


def pack_offsets(lengths: list[int], data_type: DataType) -> bytes:
    """The offsets buffer for items of these lengths."""
    try:
        return array(offset_code(data_type)[1], list(accumulate(lengths, initial=0))).tobytes()
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
            invalid(value, "was not a utf8 string")
    return raw


def encode_fixed_binary(values: Sequence[Any], data_type: DataType) -> ArrayData:
    assert isinstance(data_type, FixedSizeBinaryType)
    width = data_type.byte_width
    parts = []
    for value in values:
        raw = bytes(width) if value is None else _to_bytes(value, is_text=False)
        if len(raw) != width:
            invalid(value, f"expected to be length {width} was {len(raw)}")
        parts.append(raw)
    return make_array(data_type, values, values.count(None), b"".join(parts))
