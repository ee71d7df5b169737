"""Arrow data types and fields, with pyarrow's names, identifiers and text.

One ``DataType`` class holds every type that needs no parameters; parametric types are subclasses with
pyarrow's names. ``DataType.kind`` names the type ("int64", "list", ...) and is what readers and writers
dispatch on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pyspark_connect_web.lean.arrow.errors import ArrowInvalid
from pyspark_connect_web.lean.standin_types import StandInType

# arrow/type_fwd.h, enum Type::type
_IDS = {
    "null": 0, "bool": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "uint32": 6, "int32": 7,
    "uint64": 8, "int64": 9, "halffloat": 10, "float": 11, "double": 12, "string": 13, "binary": 14,
    "fixed_size_binary": 15, "date32": 16, "date64": 17, "timestamp": 18, "time32": 19, "time64": 20,
    "month_interval": 21, "day_time_interval": 22, "decimal128": 23, "decimal256": 24, "list": 25,
    "struct": 26, "dictionary": 29, "map": 30, "fixed_size_list": 32, "duration": 33, "large_string": 34,
    "large_binary": 35, "large_list": 36, "month_day_nano_interval": 37, "run_end_encoded": 38,
    "string_view": 39, "binary_view": 40, "list_view": 41, "large_list_view": 42, "decimal32": 43,
    "decimal64": 44,
}  # fmt: skip
_TEXT = {"date32": "date32[day]", "date64": "date64[ms]"}
UNITS = ("s", "ms", "us", "ns")
_DECIMAL_DIGITS = {32: 9, 64: 18, 128: 38, 256: 76}


class DataType(metaclass=StandInType):
    """An Arrow type. Immutable; equal types compare and hash equal."""

    __real__ = ("pyarrow", "DataType")
    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind

    @property
    def id(self) -> int:
        """The Arrow C++ type identifier, as in ``pyarrow.lib.Type_*``."""
        return _IDS[self.kind]

    @property
    def children(self) -> tuple[Field, ...]:
        """The child fields, in the order of their arrays."""
        return ()

    @property
    def num_fields(self) -> int:
        return len(self.children)

    def field(self, i: int) -> Field:
        return self.children[i]

    def _key(self) -> tuple[object, ...]:
        return (self.kind,)

    def equals(self, other: object, *, check_metadata: bool = False) -> bool:
        if not check_metadata:
            return self == other
        return (
            isinstance(other, DataType)
            and self._key() == other._key()
            and all(
                a.equals(b, check_metadata=True) for a, b in zip(self.children, other.children, strict=True)
            )
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataType) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        return _TEXT.get(self.kind, self.kind)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"


def _as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def metadata_bytes(metadata: Mapping[Any, Any] | None) -> dict[bytes, bytes] | None:
    """Key-value metadata with str converted to bytes; None when there is none."""
    return {_as_bytes(k): _as_bytes(v) for k, v in metadata.items()} if metadata else None


class Field(metaclass=StandInType):
    """A named, typed, nullable column; ``metadata`` is None or bytes to bytes."""

    __real__ = ("pyarrow", "Field")
    __slots__ = ("metadata", "name", "nullable", "type")

    def __init__(
        self, name: str, type: DataType, nullable: bool = True, metadata: Mapping[Any, Any] | None = None
    ) -> None:
        self.name = name
        self.type = type
        self.nullable = bool(nullable)
        self.metadata = metadata_bytes(metadata)

    def with_name(self, name: str) -> Field:
        return Field(name, self.type, self.nullable, self.metadata)

    def _key(self) -> tuple[object, ...]:
        return (self.name, self.nullable, self.type._key())

    def equals(self, other: object, check_metadata: bool = False) -> bool:
        return (
            isinstance(other, Field)
            and self._key() == other._key()
            and (not check_metadata or self.metadata == other.metadata)
        )

    def __eq__(self, other: object) -> bool:
        return self.equals(other)

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        return f"{self.name}: {self.type}{'' if self.nullable else ' not null'}"

    def __repr__(self) -> str:
        return f"pyarrow.Field<{self}>"


def as_field(item: Field | Sequence[Any]) -> Field:
    """A field from a field or a ``(name, type[, nullable])`` tuple."""
    return item if isinstance(item, Field) else Field(*item)


class FixedSizeBinaryType(DataType):
    __real__ = ("pyarrow", "FixedSizeBinaryType")
    __slots__ = ("byte_width",)

    def __init__(self, byte_width: int, kind: str = "fixed_size_binary") -> None:
        super().__init__(kind)
        self.byte_width = byte_width

    def _key(self) -> tuple[object, ...]:
        return (self.kind, self.byte_width)

    def __str__(self) -> str:
        return f"fixed_size_binary[{self.byte_width}]"


class DecimalType(FixedSizeBinaryType):
    """``decimal32`` to ``decimal256``: ``precision`` digits, ``scale`` of them behind the point."""

    __slots__ = ("precision", "scale")

    def __init__(self, precision: int, scale: int = 0, bit_width: int = 128) -> None:
        limit = _DECIMAL_DIGITS[bit_width]
        if not 1 <= precision <= limit:
            raise ArrowInvalid(f"Decimal precision out of range [1, {limit}]: {precision}")
        super().__init__(bit_width // 8, f"decimal{bit_width}")
        self.precision = precision
        self.scale = scale

    def _key(self) -> tuple[object, ...]:
        return (self.kind, self.precision, self.scale)

    def __str__(self) -> str:
        return f"{self.kind}({self.precision}, {self.scale})"

    def __repr__(self) -> str:
        return f"{self.kind.capitalize()}Type({self})"


class _UnitType(DataType):
    __slots__ = ("unit",)

    def __init__(self, kind: str, unit: str) -> None:
        super().__init__(kind)
        if unit not in UNITS:
            raise ValueError(f"{unit!r} is not a time unit; use one of {', '.join(UNITS)}")
        self.unit = unit

    def _key(self) -> tuple[object, ...]:
        return (self.kind, self.unit)

    def __str__(self) -> str:
        return f"{self.kind}[{self.unit}]"


class TimestampType(_UnitType):
    """Ticks since the epoch; ``tz`` is None for wall-clock values, else a zone name or ``+HH:MM``."""

    __real__ = ("pyarrow", "TimestampType")
    __slots__ = ("tz",)

    def __init__(self, unit: str, tz: str | None = None) -> None:
        super().__init__("timestamp", unit)
        self.tz = tz

    def _key(self) -> tuple[object, ...]:
        return (self.kind, self.unit, self.tz)

    def __str__(self) -> str:
        return f"timestamp[{self.unit}, tz={self.tz}]" if self.tz is not None else f"timestamp[{self.unit}]"


class Time32Type(_UnitType):
    __real__ = ("pyarrow", "Time32Type")
    __slots__ = ()


class Time64Type(_UnitType):
    __real__ = ("pyarrow", "Time64Type")
    __slots__ = ()


class DurationType(_UnitType):
    __real__ = ("pyarrow", "DurationType")
    __slots__ = ()


class _ListLike(DataType):
    __slots__ = ("value_field",)

    def __init__(self, kind: str, value_field: Field) -> None:
        super().__init__(kind)
        self.value_field = value_field

    @property
    def value_type(self) -> DataType:
        return self.value_field.type

    @property
    def children(self) -> tuple[Field, ...]:
        return (self.value_field,)

    def _key(self) -> tuple[object, ...]:
        # the name of the child does not matter to pyarrow's equality
        return (self.kind, self.value_field.nullable, self.value_field.type._key())

    def __str__(self) -> str:
        return f"{self.kind}<{self.value_field}>"


class ListType(_ListLike):
    __real__ = ("pyarrow", "ListType")
    __slots__ = ()


class LargeListType(_ListLike):
    __real__ = ("pyarrow", "LargeListType")
    __slots__ = ()


class ListViewType(_ListLike):
    __slots__ = ()


class FixedSizeListType(_ListLike):
    __real__ = ("pyarrow", "FixedSizeListType")
    __slots__ = ("list_size",)

    def __init__(self, value_field: Field, list_size: int) -> None:
        super().__init__("fixed_size_list", value_field)
        self.list_size = list_size

    def _key(self) -> tuple[object, ...]:
        return (*super()._key(), self.list_size)

    def __str__(self) -> str:
        return f"fixed_size_list<{self.value_field}>[{self.list_size}]"


class StructType(DataType):
    """Named child fields; iterates over them, as pyarrow's does."""

    __real__ = ("pyarrow", "StructType")
    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[Field]) -> None:
        super().__init__("struct")
        self._fields = tuple(fields)

    @property
    def children(self) -> tuple[Field, ...]:
        return self._fields

    @property
    def fields(self) -> list[Field]:
        return list(self._fields)

    @property
    def names(self) -> list[str]:
        return [f.name for f in self._fields]

    def field(self, i: int | str) -> Field:
        if isinstance(i, int):
            return self._fields[i]
        found = [f for f in self._fields if f.name == i]
        if not found:
            raise KeyError(i)
        return found[0]

    def get_field_index(self, name: str) -> int:
        """The field's position, or -1 when it is missing or not unique."""
        found = [i for i, f in enumerate(self._fields) if f.name == name]
        return found[0] if len(found) == 1 else -1

    def _key(self) -> tuple[object, ...]:
        return (self.kind, *(f._key() for f in self._fields))

    def __iter__(self) -> Iterator[Field]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    __getitem__ = field

    def __str__(self) -> str:
        return f"struct<{', '.join(map(str, self._fields))}>"


class MapType(DataType):
    """Physically a list of ``struct<key, value>`` entries."""

    __real__ = ("pyarrow", "MapType")
    __slots__ = ("entries_field", "keys_sorted")

    def __init__(self, entries_field: Field, keys_sorted: bool = False) -> None:
        super().__init__("map")
        if not isinstance(entries_field.type, StructType) or len(entries_field.type) != 2:
            raise ArrowInvalid("Map's keys and items must be the two fields of a struct")
        self.entries_field = entries_field
        self.keys_sorted = keys_sorted

    @property
    def children(self) -> tuple[Field, ...]:
        return (self.entries_field,)

    @property
    def key_field(self) -> Field:
        return self.entries_field.type.children[0]

    @property
    def item_field(self) -> Field:
        return self.entries_field.type.children[1]

    @property
    def key_type(self) -> DataType:
        return self.key_field.type

    @property
    def item_type(self) -> DataType:
        return self.item_field.type

    def _key(self) -> tuple[object, ...]:
        # field names of the entries do not matter to pyarrow's equality
        item = self.item_field
        return (self.kind, self.keys_sorted, self.key_type._key(), item.nullable, item.type._key())

    def __str__(self) -> str:
        key, item = self.key_field, self.item_field
        key_text = str(key.type) + (f" ('{key.name}')" if key.name != "key" else "")
        item_text = str(item.type) + (f" ('{item.name}')" if item.name != "value" else "")
        return f"map<{key_text}, {item_text}{', keys_sorted' if self.keys_sorted else ''}>"


class DictionaryType(DataType):
    """``index_type`` positions into a dictionary of ``value_type`` values."""

    __real__ = ("pyarrow", "DictionaryType")
    __slots__ = ("index_type", "ordered", "value_type")

    def __init__(self, index_type: DataType, value_type: DataType, ordered: bool = False) -> None:
        super().__init__("dictionary")
        self.index_type = index_type
        self.value_type = value_type
        self.ordered = ordered

    def _key(self) -> tuple[object, ...]:
        return (self.kind, self.ordered, self.index_type._key(), self.value_type._key())

    def __str__(self) -> str:
        return f"dictionary<values={self.value_type}, indices={self.index_type}, ordered={int(self.ordered)}>"


class RunEndEncodedType(DataType):
    __slots__ = ("run_ends_field", "values_field")

    def __init__(self, run_ends_field: Field, values_field: Field) -> None:
        super().__init__("run_end_encoded")
        self.run_ends_field = run_ends_field
        self.values_field = values_field

    @property
    def children(self) -> tuple[Field, ...]:
        return (self.run_ends_field, self.values_field)

    def _key(self) -> tuple[object, ...]:
        return (self.kind, self.run_ends_field.type._key(), self.values_field.type._key())

    def __str__(self) -> str:
        return f"run_end_encoded<run_ends: {self.run_ends_field.type}, values: {self.values_field.type}>"


#: Names that pyarrow gives its public classes' module; error texts and reprs show it.
for _class in (
    DataType, Field, FixedSizeBinaryType, TimestampType, Time32Type, Time64Type, DurationType, ListType, LargeListType,
    ListViewType, FixedSizeListType, StructType, MapType, DictionaryType,
):  # fmt: skip
    _class.__module__ = "pyarrow.lib"
