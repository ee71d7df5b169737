"""What PySpark sees as pandas.

====================================================  ================================================
asked for                                             answer
====================================================  ================================================
``DataFrame``, ``Series``, ``Index``, dtype classes   recognise real objects; then pandas is real
``Timedelta(delta).isoformat()``                      supported (text of interval literals)
``api.types.is_datetime64_dtype``, ...                the real function
``__version__``                                       2.2.3: new enough, and PySpark warns of 3.x
everything else                                       the real pandas is loaded, or ``PackageNotLoaded``
====================================================  ================================================
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pyspark_connect_web.lean import full
from pyspark_connect_web.lean.standins._module import make, placeholder

_CLASSES = (
    "DataFrame", "Series", "Index", "MultiIndex", "Timestamp", "Categorical", "DatetimeTZDtype",
    "CategoricalDtype", "ArrowDtype",
)  # fmt: skip
_DTYPE_TESTS = (
    "is_datetime64_dtype", "is_timedelta64_dtype", "is_datetime64_any_dtype", "is_integer_dtype",
    "is_object_dtype", "is_list_like",
)  # fmt: skip


class Timedelta:
    """Only ``isoformat``, which PySpark uses for the text of a day-time interval literal."""

    def __init__(self, value: datetime.timedelta) -> None:
        self._value = value

    def isoformat(self) -> str:
        value = self._value
        minutes, seconds = divmod(value.seconds, 60)
        hours, minutes = divmod(minutes, 60)
        fraction = f".{value.microseconds:06d}".rstrip("0").rstrip(".")
        return f"P{value.days}DT{hours}H{minutes}M{seconds}{fraction}S"


def _delegate(name: str) -> Callable[..., Any]:
    def test(*args: Any, **kwargs: Any) -> Any:
        real = full.require("pandas", f"pandas.api.types.{name}")
        return getattr(real.api.types, name)(*args, **kwargs)

    return test


def build() -> ModuleType:
    types = make("pandas.api.types", {name: _delegate(name) for name in _DTYPE_TESTS}, "")
    api = make("pandas.api", {"types": types}, "")
    members: dict[str, object] = {name: placeholder("pandas", name) for name in _CLASSES}
    members.update({"__version__": "2.2.3", "Timedelta": Timedelta, "api": api})
    return make("pandas", members, __doc__ or "")
