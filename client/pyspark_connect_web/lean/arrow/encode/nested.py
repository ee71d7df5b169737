"""Lists, maps and structs."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from pyspark_connect_web.lean.arrow.data import ArrayData, pack_bits
from pyspark_connect_web.lean.arrow.encode.dispatch import encode, invalid, kinds_of, make_array
from pyspark_connect_web.lean.arrow.encode.text import pack_offsets
from pyspark_connect_web.lean.arrow.errors import ArrowInvalid, ArrowTypeError
from pyspark_connect_web.lean.arrow.types import DataType, FixedSizeListType, MapType, StructType

NONE = type(None)
_NOT_A_STRUCT = "was not a dict, tuple, or recognized null value for conversion to struct type"
_NOT_A_LIST = "was not a sequence or recognized null for conversion to list type"


def _is_sequence(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset, range, array, str, bytes, bytearray)) or (
        hasattr(value, "__len__") and hasattr(value, "__getitem__") and not isinstance(value, Mapping)
    )


def _flatten(values: Sequence[Any], kinds: set[type]) -> tuple[list[int], list[Any]]:
    """Lengths and the concatenated items of list values."""
    if kinds <= {list, NONE}:
        filled = [() if value is None else value for value in values] if NONE in kinds else values
        return list(map(len, filled)), list(chain.from_iterable(filled))
    lengths: list[int] = []
    flat: list[Any] = []
    for value in values:
        if value is None:
            lengths.append(0)
        elif _is_sequence(value):
            lengths.append(len(value))
            flat.extend(value)
        else:
            invalid(value, _NOT_A_LIST, ArrowTypeError)
    return lengths, flat


def encode_list(values: Sequence[Any], data_type: DataType) -> ArrayData:
    lengths, flat = _flatten(values, kinds_of(values))
    child = encode(flat, data_type.children[0].type)
    return make_array(
        data_type, values, values.count(None), pack_offsets(lengths, data_type), children=[child]
    )


def encode_fixed_list(values: Sequence[Any], data_type: DataType) -> ArrayData:
    assert isinstance(data_type, FixedSizeListType)
    size = data_type.list_size
    flat: list[Any] = []
    for value in values:
        lengths, items = _flatten([value], {type(value)})
        if value is None:
            items = [None] * size
        elif lengths[0] != size:
            raise ArrowInvalid(
                f"Length of item not correct: expected {size} but got array of size {lengths[0]}"
            )
        flat.extend(items)
    child = encode(flat, data_type.value_type)
    return make_array(data_type, values, values.count(None), children=[child])


def encode_map(values: Sequence[Any], data_type: DataType) -> ArrayData:
    """From dicts or from lists of pairs."""
    assert isinstance(data_type, MapType)
    kinds = kinds_of(values)
    if kinds <= {list, NONE}:
        pairs = values
    else:
        pairs = [list(value.items()) if isinstance(value, Mapping) else value for value in values]
        kinds = kinds_of(pairs)
    lengths, flat = _flatten(pairs, kinds)
    if not (kinds_of(flat) <= {tuple} and set(map(len, flat)) <= {2}):
        for pair in flat:
            _check_pair(pair)
    keys = encode([pair[0] for pair in flat], data_type.key_type)
    if keys.null_count:
        raise ArrowInvalid("Invalid Map: key field cannot contain null values")
    items = encode([pair[1] for pair in flat], data_type.item_type)
    entries = ArrayData(data_type.entries_field.type, len(flat), 0, [None], [keys, items])
    offsets = pack_offsets(lengths, data_type)
    return make_array(data_type, values, values.count(None), offsets, children=[entries])


def _check_pair(pair: Any) -> None:
    if isinstance(pair, str):
        invalid(pair, "was expecting tuple of (key, value) pair", ArrowTypeError)
    if not isinstance(pair, (tuple, list)):
        invalid(pair, _NOT_A_STRUCT, ArrowTypeError)
    if len(pair) != 2:
        raise ArrowInvalid("Tuple size must be equal to number of struct fields")


def encode_struct(values: Sequence[Any], data_type: DataType) -> ArrayData:
    """From dicts by name (missing ones are null, others ignored), or from tuples by position."""
    assert isinstance(data_type, StructType)
    names = data_type.names
    if kinds_of(values) <= {dict, NONE}:
        rows: Sequence[Any] = values
    else:
        rows = [None if value is None else _to_mapping(value, names) for value in values]
    nulls = values.count(None)
    if nulls:
        columns = [[None if row is None else row.get(name) for row in rows] for name in names]
    else:
        columns = [[row.get(name) for row in rows] for name in names]
    children = [encode(column, field.type) for column, field in zip(columns, data_type.children, strict=True)]
    if nulls:
        for child, column in zip(children, columns, strict=True):
            _validate_under_nulls(child, column, values)
    return make_array(data_type, values, nulls, children=children)


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
        invalid(value, _NOT_A_STRUCT, ArrowTypeError)
    for pair in value:
        if not isinstance(pair, tuple) or len(pair) != 2:
            invalid(pair, "was expecting tuple of (key, value) pair", ArrowTypeError)
    return dict(value)
