"""`Table.to_pandas()`: by the real pyarrow and pandas, and not before somebody uses the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark_connect_web.lean import full
from pyspark_connect_web.lean.standin_types import StandInObject, real_object


class LazyDataFrame:
    """The pandas DataFrame of a command's result.

    PySpark converts the result of every command and then drops it; the conversion, and with it pandas, waits until
    somebody uses it.
    """

    def __init__(self, table: StandInObject, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._table = table
        self._args = args
        self._kwargs = kwargs
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.made(), name)

    def __getitem__(self, key: Any) -> Any:
        return self.made()[key]

    def __len__(self) -> int:
        return len(self.made())

    def made(self) -> Any:
        """The DataFrame itself.

        Raises:
            PackageNotLoaded: pandas or pyarrow is not there.
        """
        if self._made is None:
            full.require("pandas", "Using a command's result as a pandas DataFrame")
            self._made = real_object(self._table).to_pandas(*self._args, **self._kwargs)
        return self._made


def to_pandas(table: StandInObject, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The DataFrame at once where PySpark works with the real pandas, else a `LazyDataFrame`."""
    frame = LazyDataFrame(table, args, kwargs)
    return frame.made() if full.state("pandas") is full.State.REAL else frame
