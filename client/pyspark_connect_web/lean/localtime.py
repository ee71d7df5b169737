"""Local times with a second to spare, in the browser.

Until well into the 20th century many places kept local mean time, for example 4:56:02 behind UTC in New York. In
Emscripten the *offset* of local time comes from JavaScript's ``getTimezoneOffset()``, in whole minutes, so
``datetime.astimezone()``, which PySpark uses in both directions, is off by some seconds there. The *fields* of local
time are right, and with them ``fromtimestamp()`` and ``timestamp()``; the two conversions below use only those.
"""

from __future__ import annotations

import datetime
import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from . import scope

#: The last place to give up an offset with seconds did so in 1972 (Liberia).
FIRST_WHOLE_YEAR = 1973

_CONVERSION = "pyspark.sql.conversion"


def local_from_aware(value: datetime.datetime) -> datetime.datetime:
    """The naive local time of an aware value."""
    whole = value.replace(microsecond=0)
    return datetime.datetime.fromtimestamp(int(whole.timestamp())).replace(microsecond=value.microsecond)


def utc_from_naive(value: datetime.datetime) -> datetime.datetime:
    """The aware UTC time of a naive local one; ``fold`` is respected."""
    whole = int(value.replace(microsecond=0).timestamp())
    return datetime.datetime.fromtimestamp(whole, datetime.timezone.utc).replace(
        microsecond=value.microsecond
    )


def install() -> None:
    """Correct PySpark's conversions of old timestamps where the platform needs it."""
    if sys.platform == "emscripten":
        scope.after_import(_CONVERSION, patch)


def patch(conversion: ModuleType) -> None:
    """Wrap the converters that ``pyspark.sql.conversion`` makes for timestamps, nested ones included."""
    _wrap(conversion.ArrowTableToRowsConversion, conversion.TimestampType, _to_rows)
    _wrap(conversion.LocalDataToArrowConversion, conversion.TimestampType, _to_arrow)


def _wrap(owner: Any, timestamp_type: type, correct: Callable[[Any], Any]) -> None:
    original = owner._create_converter

    @functools.wraps(original)
    def create(data_type: Any, *args: Any, **kwargs: Any) -> Any:
        converter = original(data_type, *args, **kwargs)
        return correct(converter) if isinstance(data_type, timestamp_type) else converter

    owner._create_converter = staticmethod(create)


def _to_rows(converter: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if isinstance(value, datetime.datetime) and value.year < FIRST_WHOLE_YEAR:
            return local_from_aware(value)
        return converter(value)

    return convert


def _to_arrow(converter: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if isinstance(value, datetime.datetime) and value.tzinfo is None and value.year < FIRST_WHOLE_YEAR:
            return utc_from_naive(value)
        return converter(value)

    return convert
