"""Schemas: an ordered collection of fields, with metadata."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pyspark_connect_web.lean.arrow.types import DataType, Field, metadata_bytes
from pyspark_connect_web.lean.standin_types import StandInType


class Schema(metaclass=StandInType):
    """An ordered collection of fields, names not necessarily unique."""

    __real__ = ("pyarrow", "Schema")
    __slots__ = ("_fields", "metadata")

    def __init__(self, fields: Iterable[Field], metadata: Mapping[Any, Any] | None = None) -> None:
        self._fields = tuple(fields)
        self.metadata = metadata_bytes(metadata)

    @property
    def names(self) -> list[str]:
        return [f.name for f in self._fields]

    @property
    def types(self) -> list[DataType]:
        return [f.type for f in self._fields]

    def field(self, i: int | str) -> Field:
        if isinstance(i, int):
            return self._fields[i]
        found = [f for f in self._fields if f.name == i]
        if len(found) != 1:
            raise KeyError(f"Column {i} does not exist in schema")
        return found[0]

    def get_field_index(self, name: str) -> int:
        """The field's position, or -1 when it is missing or not unique."""
        found = [i for i, f in enumerate(self._fields) if f.name == name]
        return found[0] if len(found) == 1 else -1

    def equals(self, other: object, check_metadata: bool = False) -> bool:
        return (
            isinstance(other, Schema)
            and len(self) == len(other)
            and all(a.equals(b, check_metadata) for a, b in zip(self._fields, other._fields, strict=True))
            and (not check_metadata or self.metadata == other.metadata)
        )

    def __eq__(self, other: object) -> bool:
        return self.equals(other)

    def __hash__(self) -> int:
        return hash(self._fields)

    def __iter__(self) -> Iterator[Field]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    __getitem__ = field

    def __str__(self) -> str:
        return "\n".join(map(str, self._fields))

    __repr__ = __str__


Schema.__module__ = "pyarrow.lib"
