"""What a library asks of a command's answer as a pandas frame, without pandas.

delta-spark takes the answers of Delta's commands as pandas frames: it reads their first value, or gives them back to
``spark.createDataFrame``. Neither needs pandas, which the kernel may not have.
"""

from __future__ import annotations

from types import FrameType
from typing import Any

from pyspark_connect_web.lean import full
from pyspark_connect_web.lean.arrow.tables import Table

__all__ = ["Answer", "answer_of", "is_asked_for_an_answer"]

_LIBRARY = "delta.connect."


class Answer(Table):
    """A table that also answers ``iloc[row].iloc[column]``; whatever else pandas has is asked of the real pandas."""

    __slots__ = ()

    @property
    def iloc(self) -> _Places:
        """The rows by their place; of each, the values by theirs."""
        return _Places([_Row(list(row.values())) for row in self.to_pylist()])


class _Row:
    def __init__(self, values: list[Any]) -> None:
        self.iloc = _Places(values)


class _Places:
    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def __getitem__(self, place: int) -> Any:
        return self._values[place]


def is_asked_for_an_answer(asking: FrameType) -> bool:
    """Whether the code that asks for a pandas frame is the library's, and pandas is not there."""
    name = asking.f_globals.get("__name__", "")
    return (
        name.startswith(_LIBRARY)
        and full.state("pyarrow") is full.State.LEAN
        and not full.is_available("pandas")
    )


def answer_of(frame: Any) -> Answer:
    """What takes the place of ``frame.toPandas()``; raises what the query raises."""
    table, _ = frame._to_table()
    return Answer(table.schema, table.to_batches())
