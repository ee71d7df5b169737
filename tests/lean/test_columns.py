"""Rows become tables a column at a time, and the tables are those that PySpark's own code makes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark_connect_web.lean.arrow import ondemand
from pyspark_connect_web.lean.arrow.batches import RecordBatch
from pyspark_connect_web.lean.arrow.data import ArrayData
from pyspark_connect_web.lean.arrow.encode import encode
from pyspark_connect_web.lean.arrow.errors import ArrowInvalid
from pyspark_connect_web.lean.arrow.schema import Schema
from pyspark_connect_web.lean.arrow.types import DataType, Field
from pyspark_connect_web.lean.columns import columns_of

from tests.lean.running import run_script


def test_tables_are_those_of_pyspark_s_own_code() -> None:
    assert run_script("local_rows.py", "0", "600", hidden=True) == ["600"]


@pytest.mark.nightly
def test_many_tables_are_those_of_pyspark_s_own_code() -> None:
    assert run_script("local_rows.py", "1000", "5000", hidden=True) == ["5000"]


class Pair(tuple[Any, ...]):
    """A tuple that is not exactly one."""


rows = st.lists(
    st.one_of(
        st.tuples(st.integers(), st.text()),
        st.tuples(st.integers(), st.text()).map(Pair),
        st.tuples(st.integers(), st.text()).map(list),
    ),
    min_size=1,
    max_size=6,
)


@given(rows, st.sampled_from((1, 400)))
def test_columns_hold_the_values_of_the_rows(some: list[Any], times: int) -> None:
    data = some * times
    found = columns_of(data, 2)
    if Pair in map(type, data) and list in map(type, data):
        assert found is None  # a list beside a class of tuples is PySpark's to look at
    else:
        assert found == [[row[0] for row in data], [row[1] for row in data]]


@pytest.mark.parametrize(
    "data",
    [
        [],
        [()],
        [(1, 2), (1, 2, 3)],
        [(1, 2, 3), (1, 2)],
        [(1, 2)] * 1024 + [(1,)],
        [(1, 2)] * 1024 + [(1, 2, 3)] * 3,
        [(1, 2), None],
        [{"a": 1, "b": 2}],
        ["ab"],
        [Pair((1, 2)), Pair((1,))],
        ((1, 2), (3, 4)),
    ],
)
def test_other_rows_are_left_to_pyspark(data: Any) -> None:
    assert columns_of(data, 2) is None


KINDS = ("int64", "int16", "double", "bool", "string", "large_string", "binary")
columns = st.lists(
    st.sampled_from(KINDS)
    .map(DataType)
    .flatmap(
        lambda kind: st.tuples(
            st.just(kind),
            st.lists(
                st.none()
                | {
                    "int64": st.integers(-(2**63), 2**63 - 1),
                    "int16": st.integers(-(2**15), 2**15 - 1),
                    "double": st.floats(),
                    "bool": st.booleans(),
                    "binary": st.binary(),
                }.get(kind.kind, st.text()),
                max_size=40,
            ),
        )
    ),
    min_size=1,
    max_size=4,
)


@given(columns)
def test_a_table_is_never_larger_than_what_is_expected_of_it(drawn: list[Any]) -> None:
    length = min(len(values) for _, values in drawn)
    lists = [values[:length] for _, values in drawn]
    schema = Schema([Field(f"c{at}", kind) for at, (kind, _) in enumerate(drawn)])
    assert ondemand._at_most(lists, schema) >= RecordBatch.from_arrays(lists, schema=schema).nbytes


def test_of_values_that_do_not_fit_nothing_is_expected() -> None:
    schema = Schema([Field("c", DataType("string"))])
    assert ondemand._at_most([["a", 1]], schema) == ondemand.LARGE
    assert ondemand._at_most([["a" * 1024] * 5000], schema) == ondemand.LARGE


@given(st.lists(st.none() | st.text()), st.data())
def test_span_is_the_ends_of_the_offsets(values: list[Any], data: st.DataObject) -> None:
    whole = encode(values, DataType("string"))
    start = data.draw(st.integers(0, len(values)))
    part = whole.slice(start, data.draw(st.integers(0, len(values) - start)))
    offsets = part.offsets()
    assert part.span() == (offsets[0], offsets[-1])


@pytest.mark.parametrize("ends", [(-1, 3), (5, 2)])
def test_corrupt_ends_are_an_error(ends: tuple[int, int]) -> None:
    raw = b"".join(end.to_bytes(4, "little", signed=True) for end in ends)
    with pytest.raises(ArrowInvalid, match="Corrupt offsets of a string array"):
        ArrayData(DataType("string"), 1, 0, [None, raw, b"abc"]).span()
