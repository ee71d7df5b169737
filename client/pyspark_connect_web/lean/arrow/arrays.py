"""Scalars, arrays and chunked arrays with pyarrow's names."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from typing import Any

from pyspark_connect_web.lean.arrow.data import ArrayData
from pyspark_connect_web.lean.arrow.decode import to_pylist
from pyspark_connect_web.lean.arrow.encode import encode
from pyspark_connect_web.lean.arrow.errors import ArrowInvalid
from pyspark_connect_web.lean.arrow.types import DataType
from pyspark_connect_web.lean.standin_types import StandInObject, StandInType


class Scalar(metaclass=StandInType):
    """One value; list scalars iterate over the scalars of their items."""

    __real__ = ("pyarrow", "Scalar")
    __slots__ = ("_value", "type")

    def __init__(self, value: Any, data_type: DataType) -> None:
        self._value = value
        self.type = data_type

    def as_py(self, *, maps_as_pydicts: str | None = None) -> Any:
        if maps_as_pydicts is not None and self.type.kind == "map" and self._value is not None:
            return dict(self._value)
        return self._value

    @property
    def is_valid(self) -> bool:
        return self._value is not None

    def _item_type(self) -> DataType:
        if not self.type.children:
            raise TypeError(f"'{self.type}' scalar is not iterable")
        return self.type.children[0].type

    def __iter__(self) -> Iterator[Scalar]:
        item_type = self._item_type()
        return iter([Scalar(item, item_type) for item in self._value or ()])

    def __len__(self) -> int:
        return len(self._value)

    def __getitem__(self, key: int | str) -> Scalar:
        if isinstance(key, str):
            return Scalar(self._value[key], self.type.field(key))  # type: ignore[arg-type]
        return Scalar(self._value[key], self._item_type())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scalar) and self.type == other.type and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __str__(self) -> str:
        return str(self._value)

    def __repr__(self) -> str:
        return f"<pyarrow.Scalar of {self.type}: {self._value!r}>"


class Array(StandInObject):
    """A column of one type, in one piece."""

    __real__ = ("pyarrow", "Array")
    __slots__ = ("__weakref__", "data")

    def __init__(self, data: ArrayData) -> None:
        self.data = data

    @property
    def type(self) -> DataType:
        return self.data.type

    @property
    def null_count(self) -> int:
        return self.data.null_count

    @property
    def nbytes(self) -> int:
        return self.data.nbytes()

    @property
    def offset(self) -> int:
        return self.data.offset

    def to_pylist(self, *, maps_as_pydicts: str | None = None) -> list[Any]:
        values = to_pylist(self.data)
        if maps_as_pydicts is not None and self.type.kind == "map":
            return [None if value is None else dict(value) for value in values]
        return values

    tolist = to_pylist

    def slice(self, offset: int = 0, length: int | None = None) -> Array:
        start = min(offset, len(self))
        rest = len(self) - start
        return Array(self.data.slice(start, rest if length is None else min(length, rest)))

    def field(self, index: int | str) -> Array:
        """A struct's child, sliced like the struct; the struct's own nulls are not applied."""
        if isinstance(index, str):
            index = [f.name for f in self.type.children].index(index)
        return Array(self.data.children[index].slice(self.data.offset, self.data.length))

    def __len__(self) -> int:
        return self.data.length

    def __getitem__(self, index: int | builtins.slice[Any, Any, Any]) -> Any:
        if isinstance(index, builtins.slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                raise NotImplementedError("Slices of Arrow arrays with a step")
            return self.slice(start, max(stop - start, 0))
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError("index out of bounds")
        return Scalar(to_pylist(self.data.slice(index, 1))[0], self.type)

    def __iter__(self) -> Iterator[Scalar]:
        data_type = self.type
        return iter([Scalar(value, data_type) for value in to_pylist(self.data)])

    def equals(self, other: Array) -> bool:
        return self.type == other.type and self.to_pylist() == other.to_pylist()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Array) and self.equals(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<pyarrow.Array of {self.type}, {len(self)} items>"


class ChunkedArray(StandInObject):
    """A column of one type, in any number of pieces."""

    __real__ = ("pyarrow", "ChunkedArray")
    __slots__ = ("__weakref__", "chunks", "type")

    def __init__(self, chunks: Sequence[Array], data_type: DataType) -> None:
        self.chunks = list(chunks)
        self.type = data_type

    @property
    def num_chunks(self) -> int:
        return len(self.chunks)

    @property
    def null_count(self) -> int:
        return sum(chunk.null_count for chunk in self.chunks)

    @property
    def nbytes(self) -> int:
        return sum(chunk.nbytes for chunk in self.chunks)

    def chunk(self, i: int) -> Array:
        return self.chunks[i]

    def iterchunks(self) -> Iterator[Array]:
        return iter(self.chunks)

    def to_pylist(self, *, maps_as_pydicts: str | None = None) -> list[Any]:
        out: list[Any] = []
        for chunk in self.chunks:
            out += chunk.to_pylist(maps_as_pydicts=maps_as_pydicts)
        return out

    def combine_chunks(self) -> Array:
        return concat_arrays(self.chunks) if self.chunks else Array(encode([], self.type))

    def __len__(self) -> int:
        return sum(map(len, self.chunks))

    def __getitem__(self, index: int) -> Scalar:
        at = index + len(self) if index < 0 else index
        for chunk in self.chunks:
            if 0 <= at < len(chunk):
                found: Scalar = chunk[at]
                return found
            at -= len(chunk)
        raise IndexError("index out of bounds")

    def __iter__(self) -> Iterator[Scalar]:
        return iter([scalar for chunk in self.chunks for scalar in chunk])

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ChunkedArray)
            and self.type == other.type
            and self.to_pylist() == other.to_pylist()
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<pyarrow.ChunkedArray of {self.type}, {len(self)} items>"


def concat_arrays(arrays: Sequence[Array]) -> Array:
    """One array of several of the same type."""
    if not arrays:
        raise ArrowInvalid("Must pass at least one array")
    if len(arrays) == 1:
        return arrays[0]
    values = [value for array in arrays for value in array.to_pylist()]
    return Array(encode(values, arrays[0].type))


def chunked_array(arrays: Sequence[Array], type: DataType | None = None) -> ChunkedArray:
    chunks = list(arrays)
    if type is None:
        if not chunks:
            raise ValueError("When passing an empty collection of arrays you must also pass the data type")
        type = chunks[0].type
    return ChunkedArray(chunks, type)


for _class in (Scalar, Array, ChunkedArray):
    _class.__module__ = "pyarrow.lib"
