"""What PySpark sees as pyarrow.

===============================================================  ==========================================
asked for                                                        answer
===============================================================  ==========================================
type factories, ``field``, ``schema``, ``pyarrow.types.is_*``    supported (``lean.arrow``)
``ipc.open_stream``, ``ipc.new_stream``, ``BufferOutputStream``  supported
``Table``, ``RecordBatch``, ``ChunkedArray``, ``Array``,         supported: what collect, createDataFrame,
``Scalar``: build from Python values, read, slice, rename        catalog and statistics calls use
``array(values, type)``, ``array([{}, ...])``                    supported
``array(ndarray)``, type inference                               the real pyarrow
``Table.to_pandas()``                                            converts when the result is first used
errors (``ArrowInvalid``, ...)                                   the same names, bases and messages
``__version__``                                                  26: PySpark calls plain ``to_pylist()``
``compute``, ``from_pandas``, all else                           the real pyarrow, or ``PackageNotLoaded``
===============================================================  ==========================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from pyspark_connect_web.lean import full
from pyspark_connect_web.lean.arrow import errors, streams
from pyspark_connect_web.lean.arrow import types as t
from pyspark_connect_web.lean.arrow.arrays import Array, ChunkedArray, Scalar, chunked_array, concat_arrays
from pyspark_connect_web.lean.arrow.batches import RecordBatch
from pyspark_connect_web.lean.arrow.decode import MonthDayNano
from pyspark_connect_web.lean.arrow.from_values import array
from pyspark_connect_web.lean.arrow.schema import Schema
from pyspark_connect_web.lean.arrow.tables import Table
from pyspark_connect_web.lean.arrow.types import Field, as_field
from pyspark_connect_web.lean.standin_types import on_conversion
from pyspark_connect_web.lean.standins._module import make, placeholder

_PLAIN = {
    "null": "null", "bool_": "bool", "int8": "int8", "int16": "int16", "int32": "int32", "int64": "int64",
    "uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "uint64": "uint64", "float16": "halffloat",
    "float32": "float", "float64": "double", "string": "string", "utf8": "string",
    "large_string": "large_string", "large_utf8": "large_string", "large_binary": "large_binary",
    "date32": "date32", "date64": "date64", "string_view": "string_view", "binary_view": "binary_view",
    "month_day_nano_interval": "month_day_nano_interval",
}  # fmt: skip


def _plain(kind: str) -> Any:
    instance = t.DataType(kind)
    return lambda: instance


def binary(length: int = -1) -> t.DataType:
    return t.DataType("binary") if length == -1 else t.FixedSizeBinaryType(length)


def decimal128(precision: int, scale: int = 0) -> t.DataType:
    return t.DecimalType(precision, scale)


def decimal256(precision: int, scale: int = 0) -> t.DataType:
    return t.DecimalType(precision, scale, 256)


def timestamp(unit: str, tz: str | None = None) -> t.DataType:
    return t.TimestampType(unit, tz)


def duration(unit: str) -> t.DataType:
    return t.DurationType("duration", unit)


def time32(unit: str) -> t.DataType:
    if unit not in ("s", "ms"):
        raise ValueError(f"Invalid time unit for time32: {unit!r}")
    return t.Time32Type("time32", unit)


def time64(unit: str) -> t.DataType:
    if unit not in ("us", "ns"):
        raise ValueError(f"Invalid time unit for time64: {unit!r}")
    return t.Time64Type("time64", unit)


def _value_field(value: t.DataType | Field) -> Field:
    return value if isinstance(value, Field) else Field("item", value)


def list_(value_type: t.DataType | Field, list_size: int = -1) -> t.DataType:
    field = _value_field(value_type)
    return t.ListType("list", field) if list_size == -1 else t.FixedSizeListType(field, list_size)


def large_list(value_type: t.DataType | Field) -> t.DataType:
    return t.LargeListType("large_list", _value_field(value_type))


def struct(fields: Iterable[Any] | Mapping[str, t.DataType]) -> t.StructType:
    items = fields.items() if isinstance(fields, Mapping) else fields
    return t.StructType([as_field(item) for item in items])


def map_(key_type: t.DataType | Field, item_type: t.DataType | Field, keys_sorted: bool = False) -> t.MapType:
    key = key_type if isinstance(key_type, Field) else Field("key", key_type, nullable=False)
    if key.nullable:
        raise TypeError("Map key field should be non-nullable")
    item = item_type if isinstance(item_type, Field) else Field("value", item_type)
    return t.MapType(Field("entries", t.StructType([key, item]), nullable=False), keys_sorted)


def dictionary(index_type: t.DataType, value_type: t.DataType, ordered: bool = False) -> t.DataType:
    return t.DictionaryType(index_type, value_type, ordered)


def field(
    name: str, type: t.DataType, nullable: bool = True, metadata: Mapping[Any, Any] | None = None
) -> Field:
    return Field(name, type, nullable, metadata)


def schema(
    fields: Iterable[Any] | Mapping[str, t.DataType], metadata: Mapping[Any, Any] | None = None
) -> Schema:
    items = fields.items() if isinstance(fields, Mapping) else fields
    return Schema([as_field(item) for item in items], metadata)


# ---------------------------------------------------------------- type tests

_TESTS: dict[str, tuple[str, ...]] = {
    "boolean": ("bool",), "float16": ("halffloat",), "float32": ("float",), "float64": ("double",),
    "floating": ("halffloat", "float", "double"), "string": ("string",), "unicode": ("string",),
    "large_string": ("large_string",), "large_unicode": ("large_string",), "binary": ("binary",),
    "large_binary": ("large_binary",), "fixed_size_binary": ("fixed_size_binary",), "null": ("null",),
    "string_view": ("string_view",), "binary_view": ("binary_view",), "date": ("date32", "date64"),
    "decimal": ("decimal32", "decimal64", "decimal128", "decimal256"), "time": ("time32", "time64"),
    "interval": ("month_day_nano_interval",),
    "nested": ("list", "large_list", "fixed_size_list", "list_view", "large_list_view", "struct", "map"),
    "temporal": ("date32", "date64", "time32", "time64", "timestamp", "duration", "month_day_nano_interval"),
}  # fmt: skip
_SAME_NAME = (
    "date32", "date64", "time32", "time64", "timestamp", "duration", "list", "large_list",
    "fixed_size_list", "list_view", "large_list_view", "struct", "map", "dictionary", "run_end_encoded",
    "decimal32", "decimal64", "decimal128", "decimal256", "int8", "int16", "int32", "int64", "uint8",
    "uint16", "uint32", "uint64",
)  # fmt: skip
_SIGNED = ("int8", "int16", "int32", "int64")
_UNSIGNED = ("uint8", "uint16", "uint32", "uint64")


def _test(kinds: tuple[str, ...]) -> Any:
    known = frozenset(kinds)
    return lambda data_type: data_type.kind in known


def _type_tests() -> dict[str, Any]:
    tests = {name: _test(kinds) for name, kinds in _TESTS.items()}
    tests.update({name: _test((name,)) for name in _SAME_NAME})
    tests.update(
        integer=_test(_SIGNED + _UNSIGNED), signed_integer=_test(_SIGNED), unsigned_integer=_test(_UNSIGNED)
    )
    return {f"is_{name}": test for name, test in tests.items()}


# ---------------------------------------------------------------- over to the real pyarrow


def to_real(value: Any) -> Any:
    """The real pyarrow object with the content of one of our tables, batches, chunked arrays or arrays."""
    real = full.require("pyarrow", f"pyarrow.{type(value).__name__}")
    if isinstance(value, Table):
        if not len(value.schema) and value.num_rows:  # reading a stream of no columns loses the row count
            return real.Table.from_struct_array(real.array([{}] * value.num_rows))
        return real.ipc.open_stream(streams.stream_bytes(value)).read_all()
    if isinstance(value, RecordBatch):
        batches = to_real(Table(value.schema, [value])).to_batches()
        return (
            batches[0]
            if batches
            else real.RecordBatch.from_pylist([], schema=to_real(Table(value.schema, [])).schema)
        )
    if isinstance(value, ChunkedArray):
        schema = Schema([Field("", value.type)])
        return to_real(Table(schema, [RecordBatch(schema, [c], len(c)) for c in value.chunks])).column(0)
    if isinstance(value, Array):
        return to_real(ChunkedArray([value], value.type)).combine_chunks()
    raise TypeError(f"{type(value).__name__} has no counterpart in pyarrow")


_PUBLIC: tuple[Any, ...] = (
    binary, decimal128, decimal256, timestamp, duration, time32, time64, list_, large_list, struct, map_,
    dictionary, field, schema, array, chunked_array, concat_arrays, t.DataType, Field, Schema, t.StructType,
    t.ListType, t.LargeListType, t.FixedSizeListType, t.MapType, t.DictionaryType, t.TimestampType,
    t.DurationType, t.Time64Type, t.FixedSizeBinaryType, Array, ChunkedArray, Scalar, RecordBatch, Table,
    MonthDayNano, streams.BufferOutputStream, streams.Buffer,
)  # fmt: skip
_PLACEHOLDERS = (
    "TimestampArray", "StructArray", "ListArray", "MapArray", "DictionaryArray", "FixedSizeListArray",
)  # fmt: skip


def build() -> ModuleType:
    on_conversion(to_real)
    types = make("pyarrow.types", _type_tests(), "")
    ipc = make(
        "pyarrow.ipc",
        {
            "open_stream": streams.RecordBatchStreamReader,
            "new_stream": streams.RecordBatchStreamWriter,
            "RecordBatchStreamReader": streams.RecordBatchStreamReader,
            "RecordBatchStreamWriter": streams.RecordBatchStreamWriter,
        },
        "",
    )
    compute = make("pyarrow.compute", {}, "")
    members: dict[str, Any] = {name: _plain(kind) for name, kind in _PLAIN.items()}
    members.update({name: value for name, value in vars(errors).items() if name.startswith("Arrow")})
    for value in _PUBLIC:
        members[value.__name__] = value
    for name in _PLACEHOLDERS:
        members[name] = placeholder("pyarrow", name)
    lib = make("pyarrow.lib", dict(members), "")
    members.update({"__version__": "26.0.1", "types": types, "ipc": ipc, "compute": compute, "lib": lib})
    return make("pyarrow", members, __doc__ or "")
