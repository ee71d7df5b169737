"""Arrow schemas to and from their FlatBuffers form (format/Schema.fbs, format/Message.fbs)."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark_connect_web.lean.arrow.errors import ArrowInvalid, ArrowNotImplementedError
from pyspark_connect_web.lean.arrow.flatbuf import Node, Table
from pyspark_connect_web.lean.arrow.schema import Schema
from pyspark_connect_web.lean.arrow.types import (
    UNITS,
    DataType,
    DecimalType,
    DictionaryType,
    DurationType,
    Field,
    FixedSizeBinaryType,
    FixedSizeListType,
    LargeListType,
    ListType,
    ListViewType,
    MapType,
    RunEndEncodedType,
    StructType,
    Time32Type,
    Time64Type,
    TimestampType,
)

METADATA_V4, METADATA_V5 = 3, 4
SCHEMA, DICTIONARY_BATCH, RECORD_BATCH = 1, 2, 3

# enum Type of Schema.fbs
_INT, _FLOAT, _DECIMAL, _DATE, _TIME, _TIMESTAMP, _INTERVAL = 2, 3, 7, 8, 9, 10, 11
_LIST, _STRUCT, _UNION, _FIXED_BINARY, _FIXED_LIST, _MAP, _DURATION = 12, 13, 14, 15, 16, 17, 18
_LARGE_LIST, _RUN_END, _LIST_VIEW, _LARGE_LIST_VIEW = 21, 22, 25, 26
_PLAIN = {
    1: "null", 4: "binary", 5: "string", 6: "bool", 19: "large_binary", 20: "large_string", 23: "binary_view",
    24: "string_view",
}  # fmt: skip
_PLAIN_CODES = {kind: code for code, kind in _PLAIN.items()}
_FLOATS = ("halffloat", "float", "double")
_DATES = ("date32", "date64")
_INTERVALS = ("month_interval", "day_time_interval", "month_day_nano_interval")

#: pyarrow's limit on nesting when it reads a stream (ipc/options.h, max_recursion_depth).
MAX_DEPTH = 64


class SchemaReader:
    """Reads one schema and remembers which dictionary ids its fields use."""

    def __init__(self, table: Table, metadata_size: int) -> None:
        if table.scalar(0, "h"):
            raise ArrowNotImplementedError(
                "The Arrow stream is big-endian; only little-endian data can be read"
            )
        # Every field takes at least one offset of its parent's vector. Vectors may be shared, so without
        # this bound a small corrupt message could describe exponentially many fields.
        self._budget = metadata_size // 4
        #: dictionary id -> type of the dictionary's values
        self.dictionaries: dict[int, DataType] = {}
        #: id(dictionary type object) -> dictionary id
        self.ids: dict[int, int] = {}
        self.schema = Schema([self._field(f, 1) for f in table.tables(1)], _key_values(table, 2))

    def _field(self, table: Table, depth: int) -> Field:
        self._budget -= 1
        if depth > MAX_DEPTH or self._budget < 0:
            raise ArrowInvalid(f"Arrow schema is nested deeper than {MAX_DEPTH} levels or is corrupt")
        children = [self._field(child, depth + 1) for child in table.tables(5)]
        data_type = _read_type(table.scalar(2, "B"), table.table(3), children)
        encoding = table.table(4)
        if encoding is not None:
            index = encoding.table(1)
            index_type = _read_type(_INT, index, []) if index is not None else DataType("int32")
            number = encoding.scalar(0, "q")
            known = self.dictionaries.setdefault(number, data_type)
            if known != data_type:
                raise ArrowInvalid(
                    f"Arrow dictionary {number} is used with the types {known} and {data_type}"
                )
            data_type = DictionaryType(index_type, data_type, bool(encoding.scalar(2, "?")))
            self.ids[id(data_type)] = number
        return Field(table.string(0) or "", data_type, bool(table.scalar(1, "?")), _key_values(table, 6))


def _key_values(table: Table, index: int) -> dict[str, str] | None:
    return {item.string(0) or "": item.string(1) or "" for item in table.tables(index)} or None


def _unit(table: Table, index: int, default: int = 0) -> str:
    unit = table.scalar(index, "h", default)
    if not 0 <= unit < len(UNITS):
        raise ArrowInvalid(f"Arrow schema is corrupt: time unit {unit}")
    return UNITS[unit]


def _one_of(names: tuple[str, ...], choice: int, what: str) -> DataType:
    if not 0 <= choice < len(names):
        raise ArrowInvalid(f"Arrow schema is corrupt: {what} {choice}")
    return DataType(names[choice])


def _read_type(code: int, table: Table | None, children: list[Field]) -> DataType:
    if code in _PLAIN:
        return DataType(_PLAIN[code])
    if code == _STRUCT:
        return StructType(children)
    if code in (_LIST, _LARGE_LIST, _FIXED_LIST, _MAP, _LIST_VIEW, _LARGE_LIST_VIEW) and len(children) != 1:
        raise ArrowInvalid(f"Arrow schema is corrupt: a list type with {len(children)} child fields")
    if code == _LIST:
        return ListType("list", children[0])
    if code == _LARGE_LIST:
        return LargeListType("large_list", children[0])
    if code in (_LIST_VIEW, _LARGE_LIST_VIEW):
        return ListViewType("list_view" if code == _LIST_VIEW else "large_list_view", children[0])
    if code == _RUN_END and len(children) == 2:
        return RunEndEncodedType(children[0], children[1])
    if code == _UNION:
        raise ArrowNotImplementedError("Arrow union types cannot be read without pyarrow")
    if table is None:
        raise ArrowInvalid(f"Arrow schema is corrupt: type {code} lacks its parameters")
    return _read_parametric(code, table, children)


def _read_parametric(code: int, table: Table, children: list[Field]) -> DataType:
    if code == _INT:
        bits = table.scalar(0, "i")
        if bits not in (8, 16, 32, 64):
            raise ArrowInvalid(f"Arrow schema is corrupt: integers of {bits} bits")
        return DataType(f"{'' if table.scalar(1, '?') else 'u'}int{bits}")
    if code == _FLOAT:
        return _one_of(_FLOATS, table.scalar(0, "h"), "floating point precision")
    if code == _DECIMAL:
        bits = table.scalar(2, "i", 128)
        if bits not in (32, 64, 128, 256):
            raise ArrowInvalid(f"Arrow schema is corrupt: decimals of {bits} bits")
        return DecimalType(table.scalar(0, "i"), table.scalar(1, "i"), bits)
    if code == _DATE:
        return _one_of(_DATES, table.scalar(0, "h", 1), "date unit")
    if code == _TIME:
        unit = _unit(table, 0, 1)
        return Time32Type("time32", unit) if unit in ("s", "ms") else Time64Type("time64", unit)
    if code == _TIMESTAMP:
        return TimestampType(_unit(table, 0), table.string(1))
    if code == _INTERVAL:
        return _one_of(_INTERVALS, table.scalar(0, "h"), "interval unit")
    if code == _DURATION:
        return DurationType("duration", _unit(table, 0, 1))
    if code in (_FIXED_BINARY, _FIXED_LIST):
        size = table.scalar(0, "i")
        if size < 0:
            raise ArrowInvalid(f"Arrow schema is corrupt: a fixed size of {size}")
        return FixedSizeBinaryType(size) if code == _FIXED_BINARY else FixedSizeListType(children[0], size)
    if code == _MAP:
        return MapType(children[0], bool(table.scalar(0, "?")))
    raise ArrowNotImplementedError(f"Arrow type number {code} is not known")


# ---------------------------------------------------------------- writing


class SchemaWriter:
    """The FlatBuffers form of a schema; numbers its dictionaries in the order met."""

    def __init__(self, schema: Schema) -> None:
        #: id(dictionary type object) -> dictionary id
        self.ids: dict[int, int] = {}
        fields = [self._field(field) for field in schema]
        self.node = Node({0: ("h", 0), 1: fields, 2: _key_value_nodes(schema.metadata)})

    def _field(self, field: Field) -> Node:
        data_type, encoding = field.type, None
        if isinstance(data_type, DictionaryType):
            number = self.ids.setdefault(id(data_type), len(self.ids))
            index = _write_type(data_type.index_type)[1]
            encoding = Node({0: ("q", number), 1: index, 2: ("?", data_type.ordered)})
            data_type = data_type.value_type
        code, parameters = _write_type(data_type)
        return Node(
            {
                0: field.name,
                1: ("?", field.nullable),
                2: ("B", code),
                3: parameters,
                4: encoding,
                5: [self._field(child) for child in data_type.children],
                6: _key_value_nodes(field.metadata),
            }
        )


def _key_value_nodes(metadata: Mapping[bytes, bytes] | None) -> list[Node] | None:
    return [Node({0: k.decode(), 1: v.decode()}) for k, v in metadata.items()] if metadata else None


def _write_type(data_type: DataType) -> tuple[int, Node]:
    kind = data_type.kind
    if kind in _PLAIN_CODES:
        return _PLAIN_CODES[kind], Node({})
    if "int" in kind and kind.lstrip("uint").isdigit():
        return _INT, Node({0: ("i", int(kind.lstrip("uint"))), 1: ("?", not kind.startswith("u"))})
    if kind in _FLOATS:
        return _FLOAT, Node({0: ("h", _FLOATS.index(kind))})
    if kind in _DATES:
        return _DATE, Node({0: ("h", _DATES.index(kind))})
    if kind in _INTERVALS:
        return _INTERVAL, Node({0: ("h", _INTERVALS.index(kind))})
    if isinstance(data_type, DecimalType):
        bits = 8 * data_type.byte_width
        return _DECIMAL, Node({0: ("i", data_type.precision), 1: ("i", data_type.scale), 2: ("i", bits)})
    if isinstance(data_type, FixedSizeBinaryType):
        return _FIXED_BINARY, Node({0: ("i", data_type.byte_width)})
    if isinstance(data_type, FixedSizeListType):
        return _FIXED_LIST, Node({0: ("i", data_type.list_size)})
    if isinstance(data_type, TimestampType):
        return _TIMESTAMP, Node({0: ("h", UNITS.index(data_type.unit)), 1: data_type.tz})
    if isinstance(data_type, DurationType):
        return _DURATION, Node({0: ("h", UNITS.index(data_type.unit))})
    if isinstance(data_type, (Time32Type, Time64Type)):
        bits = 32 if isinstance(data_type, Time32Type) else 64
        return _TIME, Node({0: ("h", UNITS.index(data_type.unit)), 1: ("i", bits)})
    if isinstance(data_type, MapType):
        return _MAP, Node({0: ("?", data_type.keys_sorted)})
    codes = {
        "struct": _STRUCT, "list": _LIST, "large_list": _LARGE_LIST, "run_end_encoded": _RUN_END,
        "list_view": _LIST_VIEW, "large_list_view": _LARGE_LIST_VIEW,
    }  # fmt: skip
    if kind not in codes:
        raise ArrowNotImplementedError(f"Writing Arrow type {data_type}")
    return codes[kind], Node({})
