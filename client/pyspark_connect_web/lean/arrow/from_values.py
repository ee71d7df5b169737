"""Arrays from Python values, as `pyarrow.array` makes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark_connect_web.lean import full
from pyspark_connect_web.lean.arrow.arrays import Array
from pyspark_connect_web.lean.arrow.encode import encode
from pyspark_connect_web.lean.arrow.types import DataType, StructType


def array(obj: Any, type: DataType | None = None, **options: Any) -> Any:
    """An array of values of a given type, or of empty structs; the rest takes pyarrow's inference."""
    values = obj if isinstance(obj, Sequence) else None
    if values is not None and not options:
        if type is not None:
            return Array(encode(values, type))
        if values and all(value == {} and isinstance(value, dict) for value in values):
            return Array(encode(values, StructType([])))
    real = full.require("pyarrow", "pyarrow.array() of values without a type")
    return real.array(obj, type=type, **options)
