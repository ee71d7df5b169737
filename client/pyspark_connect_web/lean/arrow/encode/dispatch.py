"""The one entrance to all encoders, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from pyspark_connect_web.lean.arrow.data import ArrayData, pack_bits
from pyspark_connect_web.lean.arrow.errors import ArrowInvalid, ArrowNotImplementedError
from pyspark_connect_web.lean.arrow.types import DataType

Encoder = Callable[[Sequence[Any], DataType], ArrayData]

#: DataType.kind -> encoder; filled by this package's ``__init__``
ENCODERS: dict[str, Encoder] = {}

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_C_MODULES = ("array", "numpy")  # whose heap types are named with their module all the same


def encode(values: Sequence[Any], data_type: DataType) -> ArrayData:
    """The array of ``values``, None for null.

    Raises :class:`ArrowInvalid` or :class:`ArrowTypeError` for values that do not fit, ``OverflowError`` for
    integers beyond 64 bits, as pyarrow does.
    """
    encoder = ENCODERS.get(data_type.kind)
    if encoder is None:
        raise ArrowNotImplementedError(f"Building an array of type {data_type} from Python objects")
    if not isinstance(values, (list, tuple)):
        values = list(values)
    return encoder(values, data_type)


def make_array(
    data_type: DataType,
    values: Sequence[Any],
    nulls: int,
    *buffers: bytes,
    children: Sequence[ArrayData] = (),
) -> ArrayData:
    """An array with a validity bitmap made from the Nones among ``values``, of which there are ``nulls``."""
    validity = pack_bits([value is not None for value in values]) if nulls else None
    return ArrayData(data_type, len(values), nulls, [validity, *buffers], children)


def kinds_of(values: Sequence[Any]) -> set[type]:
    """The exact types among ``values``."""
    return set(map(type, values))


def invalid(value: object, reason: str, error: type[Exception] = ArrowInvalid) -> NoReturn:
    """Raise pyarrow's error for a value that cannot be converted."""
    raise error(f"Could not convert {value!r} with type {type_name(value)}: {reason}")


def type_name(value: object) -> str:
    """The C level name of a value's type: with its module for C types outside of builtins."""
    kind = type(value)
    is_heap = bool(kind.__flags__ & _HEAP_TYPE)
    bare = kind.__module__ == "builtins" or (is_heap and kind.__module__ not in _C_MODULES)
    return kind.__name__ if bare else f"{kind.__module__}.{kind.__name__}"


def unwrap(value: Any) -> Any:
    """A numpy scalar as the Python value it holds; everything else unchanged."""
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        return value.item()
    return value
