"""Arrays built from Python values and streams written without pyarrow: what pyarrow would have built, and reads."""

from __future__ import annotations

import datetime as dt
from array import array
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark_connect_web.lean.arrow.arrays import Array
from pyspark_connect_web.lean.arrow.data import pack_bits, unpack_bits
from pyspark_connect_web.lean.arrow.encode import encode
from pyspark_connect_web.lean.arrow.schema import Schema
from pyspark_connect_web.lean.arrow.streams import (
    BufferOutputStream,
    RecordBatchStreamReader,
    RecordBatchStreamWriter,
    stream_bytes,
)
from pyspark_connect_web.lean.arrow.tables import Table
from pyspark_connect_web.lean.arrow.types import DataType

from tests.lean.matrix import ARRAYS, BUILDABLE, stream

D = Decimal


def our_type(theirs: pa.DataType) -> DataType:
    """Our type for pyarrow's, by way of a stream without rows."""
    raw = stream(pa.schema([pa.field("c", theirs)]).empty_table())
    return RecordBatchStreamReader(raw).schema[0].type


def ours(values: Any, theirs: pa.DataType) -> Array:
    return Array(encode(values, our_type(theirs)))


def to_pyarrow(column: Array, full: bool = True) -> pa.Array:
    table = Table.from_arrays([column], names=["c"])
    read = pa.ipc.open_stream(stream_bytes(table)).read_all()
    read.validate(full=full)
    found = read.column(0)
    return found.combine_chunks() if found.num_chunks != 1 else found.chunk(0)


@pytest.mark.parametrize("name", BUILDABLE)
def test_every_type_is_built_like_pyarrow(name: str) -> None:
    theirs = ARRAYS[name]
    values = theirs.to_pylist()
    mine = ours(values, theirs.type)
    built = pa.array(values, theirs.type)
    got = to_pyarrow(mine)
    assert got.type == built.type
    assert got.equals(built), (got, built)
    assert mine.nbytes == built.nbytes
    assert mine.null_count == built.null_count
    assert repr(mine.to_pylist()) == repr(values)


@pytest.mark.parametrize("name", ARRAYS)
def test_every_type_that_was_read_can_be_written(name: str) -> None:
    table = pa.table({"c": ARRAYS[name], "again": ARRAYS[name]})
    mine = RecordBatchStreamReader(stream(table)).read_all()
    back = pa.ipc.open_stream(stream_bytes(mine)).read_all()
    back.validate(full=True)
    assert back.equals(table)
    assert back.schema.equals(table.schema, check_metadata=True)


@pytest.mark.parametrize("size", [1, 2, 3, 8, 1024])
@pytest.mark.parametrize("name", [n for n in ARRAYS if n != "run_end"])
def test_slices_are_written_like_slices(name: str, size: int) -> None:
    repeated = ARRAYS[name] if name.endswith("_view") else pa.concat_arrays([ARRAYS[name]] * 3)
    theirs = pa.table({"c": repeated})
    mine = RecordBatchStreamReader(stream(theirs)).read_all()
    batches = mine.to_batches(max_chunksize=size)
    expected = theirs.to_batches(max_chunksize=size)
    assert [b.num_rows for b in batches] == [b.num_rows for b in expected]
    if "view" not in name and "dictionary" not in name:
        # a byte of a bitmap that two slices share is counted differently now and then
        assert [b.nbytes for b in batches] == pytest.approx([b.nbytes for b in expected], abs=1)
    sink = BufferOutputStream()
    with RecordBatchStreamWriter(sink, mine.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    back = pa.ipc.open_stream(sink.getvalue().to_pybytes()).read_all()
    back.validate(full=True)
    assert back.equals(theirs)


def test_metadata_and_nullability_travel() -> None:
    schema = pa.schema(
        [
            pa.field("a", pa.int32(), nullable=False, metadata={"k": "v"}),
            pa.field("m", pa.map_(pa.string(), pa.field("value", pa.int8(), nullable=False))),
            pa.field("l", pa.list_(pa.field("element", pa.string(), nullable=False))),
        ],
        metadata={"whole": "schema"},
    )
    mine = RecordBatchStreamReader(stream(schema.empty_table())).read_all()
    back = pa.ipc.open_stream(stream_bytes(mine)).read_all()
    assert back.schema.equals(schema, check_metadata=True)


def test_rows_without_columns_keep_their_number() -> None:
    column = Array(encode([{}] * 5, our_type(pa.struct([]))))
    table = Table.from_struct_array(column)
    assert table.shape == (5, 0)
    assert pa.ipc.open_stream(stream_bytes(table)).read_next_batch().num_rows == 5


def test_empty_stream() -> None:
    assert pa.ipc.open_stream(stream_bytes(Table.from_batches([], Schema([])))).read_all().shape == (0, 0)


class Odd:
    """Something that no Arrow type takes."""

    def __repr__(self) -> str:
        return "Odd()"


VALUES: list[Any] = [
    True, 1, 300, -1, 2**24 + 1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 1.5, 1.0, 300.7, float("nan"),
    float("inf"), 2.0**60, 1e300, D("1.5"), D("1.005"), D("123456.789"), D("1E+3"), D("NaN"), D("Infinity"), "abc",
    "\ud800", b"abc", b"\xff", bytearray(b"x"), dt.date(2020, 1, 1), dt.datetime(2020, 1, 1, 2, 3, 4, 5),
    dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc),
    dt.datetime(2020, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=5))), dt.datetime.max, dt.time(1, 2, 3, 4),
    dt.timedelta(1, 2, 3), dt.timedelta.max, [1, 2], (1, 2), {1}, {"a": 1}, [("a", 1)], {"k": 1},
    {"a": None}, [("a", 1, 2)], [(None, 1)], Odd(), object, range(3), 1j, array("i", [1, 2]),
    np.int64(7), np.float32(1.5), np.bool_(True), np.str_("s"), pd.Timestamp("2020-01-01"),
]  # fmt: skip
TYPES = [
    pa.null(), pa.bool_(), pa.int8(), pa.int32(), pa.int64(), pa.uint8(), pa.uint64(), pa.float16(), pa.float32(),
    pa.float64(), pa.decimal128(5, 2), pa.decimal128(38, 18), pa.string(), pa.large_string(), pa.binary(),
    pa.binary(2), pa.date32(), pa.date64(), pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.timestamp("s"),
    pa.time64("ns"), pa.time64("us"), pa.time32("s"), pa.duration("us"), pa.duration("s"), pa.list_(pa.int64()),
    pa.list_(pa.int64(), 2), pa.struct([("a", pa.int64())]), pa.map_(pa.string(), pa.int64()),
]  # fmt: skip


def outcome(make: Any) -> tuple[str, ...]:
    try:
        column = make()
        # the physical values: some cannot be shown as Python objects
        return (
            "value",
            str(column.type),
            str(column.to_string() if isinstance(column, pa.Array) else column),
        )
    except Exception as error:  # noqa: BLE001 - the classes of all errors are what is compared
        return ("error", type(error).__module__, type(error).__name__, str(error))


@pytest.mark.parametrize("theirs", TYPES, ids=str)
def test_unusual_values_end_as_in_pyarrow(theirs: pa.DataType) -> None:
    different = []
    for value in VALUES:
        expected = outcome(lambda value=value: pa.array([value, None], theirs))
        got = outcome(lambda value=value: to_pyarrow(ours([value, None], theirs), full=False))
        if expected != got and not known_difference(theirs, value, expected, got):
            different.append(f"{value!r}: {got} instead of {expected}")
    assert not different, "\n" + "\n".join(different)


def known_difference(
    theirs: pa.DataType, value: Any, expected: tuple[str, ...], got: tuple[str, ...]
) -> bool:
    """Cases in which the outcome differs and why that is right."""
    # pyarrow builds an array here that its own validation refuses
    return "<Invalid array" in expected[-1] and got[0] == "error"


@given(st.lists(st.booleans()), st.integers(0, 20), st.integers(0, 300))
def test_bits_round_trip(bits: list[bool], offset: int, length: int) -> None:
    packed = pack_bits(bits)
    part = bits[offset : offset + length]
    assert unpack_bits(packed, offset, len(part)) == part
    assert packed == (pa.array(bits).buffers()[1].to_pybytes()[: len(packed)] if bits else b"")


def _values(data_type: pa.DataType) -> st.SearchStrategy[Any]:
    leaf: dict[pa.DataType, st.SearchStrategy[Any]] = {
        pa.bool_(): st.booleans(),
        pa.int8(): st.integers(-128, 127),
        pa.int64(): st.integers(-(2**63), 2**63 - 1),
        pa.float64(): st.floats(allow_nan=False),
        pa.string(): st.text(max_size=20),
        pa.binary(): st.binary(max_size=20),
        pa.date32(): st.dates(),
        pa.timestamp("us"): st.datetimes(),
        pa.duration("us"): st.timedeltas(dt.timedelta(-99999999), dt.timedelta(99999999)),
        pa.time64("us"): st.times(),
        pa.decimal128(20, 3): st.decimals(-(10**16), 10**16, places=3, allow_nan=False),
    }
    if data_type in leaf:
        found = leaf[data_type]
    elif pa.types.is_list(data_type):
        found = st.lists(_values(data_type.value_type), max_size=5)
    elif pa.types.is_map(data_type):
        key = _values(data_type.key_type).filter(lambda k: k is not None)
        found = st.lists(st.tuples(key, _values(data_type.item_type)), max_size=4)
    else:
        found = st.fixed_dictionaries({f.name: _values(f.type) for f in data_type})
    return st.none() | found


LEAVES = st.sampled_from(
    [pa.bool_(), pa.int8(), pa.int64(), pa.float64(), pa.string(), pa.binary(), pa.date32(), pa.timestamp("us"),
     pa.duration("us"), pa.time64("us"), pa.decimal128(20, 3)]
)  # fmt: skip
ANY_TYPE = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(pa.list_),
        inner.map(lambda t: pa.map_(pa.string(), t)),
        st.lists(inner, max_size=3).map(lambda ts: pa.struct([(f"f{i}", t) for i, t in enumerate(ts)])),
    ),
    max_leaves=4,
)


@settings(max_examples=300)
@given(st.data())
def test_any_nested_type_with_any_values(data: st.DataObject) -> None:
    theirs = data.draw(ANY_TYPE)
    values = data.draw(st.lists(_values(theirs), max_size=12))
    expected = pa.array(values, theirs)
    mine = ours(values, theirs)
    got = to_pyarrow(mine)
    assert got.equals(expected)
    assert mine.nbytes == expected.nbytes
    read = RecordBatchStreamReader(stream(pa.table({"c": expected}))).read_all()
    assert repr(read.column(0).to_pylist()) == repr(expected.to_pylist())
    assert repr(mine.to_pylist()) == repr(expected.to_pylist())
