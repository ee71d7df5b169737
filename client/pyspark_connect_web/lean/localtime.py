"""Local times with a second to spare, in the browser.

Until well into the 20th century many places kept local mean time, for example 4:56:02 behind UTC in New York. In
Emscripten the *offset* of local time comes from JavaScript's ``getTimezoneOffset()``, in whole minutes, so
``datetime.astimezone()``, which PySpark uses in both directions, is off by some seconds there. The *fields* of local
time are right, and with them ``fromtimestamp()`` and ``timestamp()``; the two conversions below use only those.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pyspark_connect_web.lean import scope
from pyspark_connect_web.patches.apply import replace

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
    _wrap(conversion, "ArrowTableToRowsConversion", _to_rows)
    _wrap(conversion, "LocalDataToArrowConversion", _to_arrow)


def _wrap(conversion: ModuleType, owner: str, correct: Callable[[Any], Any]) -> None:
    timestamp_type = conversion.TimestampType

    def creator(original: Callable[..., Any]) -> Callable[..., Any]:
        def create(data_type: Any, *args: Any, **kwargs: Any) -> Any:
            converter = original(data_type, *args, **kwargs)
            return correct(converter) if isinstance(data_type, timestamp_type) else converter

        return create

    replace(f"{_CONVERSION}:{owner}._create_converter", creator, owner=getattr(conversion, owner))


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
