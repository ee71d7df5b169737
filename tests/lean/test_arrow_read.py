"""IPC streams that pyarrow writes, read without it: equal row by row."""

from __future__ import annotations

import datetime as dt
import sys

import pyarrow as pa
import pytest
from pyspark_connect_web.lean.arrow import errors
from pyspark_connect_web.lean.arrow.streams import RecordBatchStreamReader, stream_bytes
from pyspark_connect_web.lean.arrow.tables import Table

from tests.lean.matrix import ARRAYS, INNER, stream

ORDINARY = pa.table({name: array for name, array in ARRAYS.items() if len(array) == 3})


def read(table: pa.Table, **options: object) -> Table:
    return RecordBatchStreamReader(stream(table, **options)).read_all()


def same(ours: object, theirs: object) -> None:
    """Equal values of equal types, all the way down; NaN equals NaN and -0.0 is not 0.0."""
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("name", ARRAYS)
def test_every_type_reads_like_pyarrow(name: str) -> None:
    array = ARRAYS[name]
    table = read(pa.table({"c": array}))
    same(table.column(0).to_pylist(), array.to_pylist())
    assert str(table.schema.field(0).type) == str(array.type)
    assert table.schema.field(0).type.id == array.type.id
    assert table.num_rows == len(array)
    for i in range(len(array)):
        same(table[0][i].as_py(), array[i].as_py())


@pytest.mark.parametrize("name", ARRAYS)
def test_every_type_without_rows(name: str) -> None:
    array = ARRAYS[name].slice(0, 0)
    assert read(pa.table({"c": array})).column(0).to_pylist() == []


@pytest.mark.parametrize("name", ARRAYS)
def test_every_type_all_null_and_no_null(name: str) -> None:
    array = ARRAYS[name]
    if array.null_count:
        alone = pa.concat_arrays([array.slice(i, 1) for i in range(len(array)) if not array[i].is_valid])
        same(read(pa.table({"c": alone})).column(0).to_pylist(), alone.to_pylist())
    full = pa.concat_arrays(
        [array.slice(i, 1) for i in range(len(array)) if array[i].is_valid] or [array[:0]]
    )
    same(read(pa.table({"c": full})).column(0).to_pylist(), full.to_pylist())


@pytest.mark.parametrize("name", [n for n in ARRAYS if n != "run_end"])
def test_every_type_sliced_by_the_writer(name: str) -> None:
    array = pa.concat_arrays([ARRAYS[name]] * 5) if "view" not in name else ARRAYS[name]
    part = array.slice(3, len(array) - 4)
    same(read(pa.table({"c": part})).column(0).to_pylist(), part.to_pylist())


@pytest.mark.parametrize("name", [n for n in ARRAYS if n not in ("run_end", "list_view")])
def test_every_type_inside_a_list_and_a_struct(name: str) -> None:
    array = ARRAYS[name]
    n = len(array)
    lists = pa.ListArray.from_arrays(pa.array([0, 1, n, n], pa.int32()), array)
    structs = pa.StructArray.from_arrays([array, pa.array(range(n))], ["a", "b"])
    masked = pa.StructArray.from_arrays([array], ["a"], mask=pa.array([i % 2 == 0 for i in range(n)]))
    for nested in (lists, structs, masked):
        same(read(pa.table({"c": nested})).column(0).to_pylist(), nested.to_pylist())


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
@pytest.mark.parametrize("name", ARRAYS)
def test_every_type_compressed(name: str, codec: str) -> None:
    table = pa.table({"c": ARRAYS[name]})
    same(read(table, compression=codec).column(0).to_pylist(), table.column(0).to_pylist())


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_large_compressed_buffers(codec: str) -> None:
    numbers = list(range(300_000))
    words = [f"row {i % 1000} of many, text that repeats" for i in numbers]
    table = pa.table({"n": numbers, "w": words})
    ours = read(table, compression=codec)
    assert ours.column("n").to_pylist() == numbers
    assert ours.column("w").to_pylist() == words


def test_several_batches_of_different_sizes() -> None:
    table = pa.table({"n": range(100), "s": [None if i % 7 == 0 else str(i) for i in range(100)]})
    batches = [table.slice(0, 1), table.slice(1, 0), table.slice(1, 98), table.slice(99, 1)]
    ours = read(pa.concat_tables(batches))
    same(ours.to_pylist(), table.to_pylist())
    assert [b.num_rows for b in ours.to_batches()] == [1, 98, 1]


def test_dictionary_deltas_and_replacements() -> None:
    first = pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int8()), ["a", "b"])
    grown = pa.DictionaryArray.from_arrays(pa.array([2, 0, 1], pa.int8()), ["a", "b", "c"])
    other = pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), ["z"])
    for arrays, deltas in (([first, grown], True), ([first, other], False), ([first, grown, other], False)):
        chunked = pa.chunked_array(arrays)
        ours = read(pa.table({"c": chunked}), emit_dictionary_deltas=deltas)
        same(ours.column(0).to_pylist(), chunked.to_pylist())


def test_schema_metadata_nullability_and_names() -> None:
    schema = pa.schema(
        [
            pa.field("a", pa.int32(), nullable=False, metadata={"k": "v", "é": "ü"}),
            pa.field("a", pa.list_(pa.field("element", pa.string(), nullable=False))),
            pa.field("", pa.struct([pa.field("x", pa.int8(), metadata={b"variant": b"true"})])),
            pa.field("m", pa.map_(pa.string(), pa.field("v", pa.int8(), nullable=False))),
        ],
        metadata={"whole": "schema"},
    )
    ours = read(schema.empty_table()).schema
    assert ours.names == schema.names
    assert ours.metadata == schema.metadata
    for mine, theirs in zip(ours, schema, strict=True):
        assert str(mine.type) == str(theirs.type)
        assert (mine.nullable, mine.metadata) == (theirs.nullable, theirs.metadata)
    assert ours[2].type.field("x").metadata == {b"variant": b"true"}
    assert ours[1].type.value_field.nullable is False
    assert (ours[3].type.key_field.nullable, ours[3].type.item_field.nullable) == (False, False)


def test_no_columns_and_rows_without_columns() -> None:
    assert read(pa.table({})).shape == (0, 0)
    rows = pa.Table.from_struct_array(pa.array([{}] * 5))
    assert read(rows).num_rows == rows.num_rows


def test_duplicate_names() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array(["x"])], names=["c", "c"])
    ours = read(table)
    assert [c.to_pylist() for c in ours.columns] == [[1], ["x"]]
    with pytest.raises(KeyError):
        ours.column("c")
    nested = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["d", "d"])
    with pytest.raises(ValueError, match="duplicate field names"):
        read(pa.table({"c": nested})).column(0).to_pylist()


def test_wide_tables() -> None:
    table = pa.table({f"c{i}": pa.array([i, None, i + 2]) for i in range(2000)})
    same(read(table).to_pylist(), table.to_pylist())


def test_wide_structs() -> None:
    table = pa.table({"s": [{f"f{i}": i for i in range(300)}, None]})
    same(read(table).to_pylist(), table.to_pylist())


def test_struct_field_names_that_look_like_code() -> None:
    names = ['"', "'", "\\", "{}", "a b", "lambda", "\n", "__import__('os')", "é"]
    table = pa.table({"s": pa.StructArray.from_arrays([pa.array([i]) for i in range(len(names))], names)})
    same(read(table).to_pylist(), table.to_pylist())


def test_values_under_nulls_do_not_matter() -> None:
    raw = pa.array([2**62, 1], pa.int64()).buffers()[1]
    validity = pa.py_buffer(b"\x02")
    for data_type in (pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.duration("s"), pa.date64()):
        array = pa.Array.from_buffers(data_type, 2, [validity, raw], 1)
        same(read(pa.table({"c": array})).column(0).to_pylist(), array.to_pylist())
    same(read(pa.table({"c": pa.array([None, dt.date(1, 1, 1)])})).column(0).to_pylist()[0], None)


@pytest.mark.parametrize(
    ("data_type", "raw"),
    [
        (pa.timestamp("us"), 2**62),
        (pa.timestamp("us", "UTC"), 2**62),
        (pa.timestamp("s"), 2**62),
        (pa.timestamp("us", "America/New_York"), -62135596800000000),
        (pa.date32(), 2**30),
        (pa.date32(), -800000),
        (pa.duration("s"), 2**60),
        (pa.date64(), 2**60),
    ],
    ids=str,
)
def test_times_out_of_pythons_range_raise_like_pyarrow(data_type: pa.DataType, raw: int) -> None:
    array = pa.array([raw], pa.int32() if data_type.bit_width == 32 else pa.int64()).view(data_type)
    with pytest.raises(OverflowError):
        array.to_pylist()
    column = read(pa.table({"c": array})).column(0)
    with pytest.raises(OverflowError):
        column.to_pylist()


@pytest.mark.parametrize("raw", [86400000000, -1, 0])
def test_times_of_day_wrap_like_pyarrow(raw: int) -> None:
    for data_type in (pa.time64("us"), pa.time64("ns")):
        array = pa.array([raw], pa.int64()).view(data_type)
        same(read(pa.table({"c": array})).column(0).to_pylist(), array.to_pylist())


def test_nanoseconds() -> None:
    exact = pa.array([None if m is None else m.replace(year=2000) for m in INNER], pa.timestamp("ns"))
    ours = read(pa.table({"c": exact})).column(0).to_pylist()
    assert ours == [None if v is None else v.to_pydatetime() for v in exact.to_pylist()]
    lossy = read(pa.table({"c": pa.array([1], pa.timestamp("ns"))})).column(0)
    with pytest.raises(ValueError, match="Nanosecond resolution temporal type 1"):
        lossy.to_pylist()


def test_unknown_zone_keeps_the_instant() -> None:
    array = pa.array([0, 86_400_000_000], pa.timestamp("us", "Nowhere/Atlantis"))
    ours = read(pa.table({"c": array})).column(0).to_pylist()
    assert ours == [dt.datetime(1970, 1, day, tzinfo=dt.timezone.utc) for day in (1, 2)]


@pytest.mark.parametrize("kind", ["month_interval", "day_time_interval"])
def test_intervals_that_pyarrow_cannot_represent(kind: str) -> None:
    from pyspark_connect_web.lean.arrow.arrays import Array
    from pyspark_connect_web.lean.arrow.batches import RecordBatch
    from pyspark_connect_web.lean.arrow.data import ArrayData, item_width
    from pyspark_connect_web.lean.arrow.schema import Schema
    from pyspark_connect_web.lean.arrow.types import DataType, Field

    data_type = DataType(kind)
    data = ArrayData(data_type, 1, 0, [None, bytes(item_width(data_type))])
    batch = RecordBatch(Schema([Field("c", data_type)]), [Array(data)], 1)
    raw = stream_bytes(Table.from_batches([batch]))
    theirs = pa.ipc.open_stream(raw).read_all()
    ours = RecordBatchStreamReader(raw).read_all()
    assert ours.schema[0].type.id == theirs.schema[0].type.id
    for table in (theirs, ours):
        with pytest.raises(KeyError):
            table.column(0).to_pylist()
    with pytest.raises(KeyError):
        Array(data.slice(0, 0)).to_pylist()


def test_unions_are_refused() -> None:
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
    with pytest.raises(errors.ArrowNotImplementedError, match="union"):
        read(pa.table({"c": union}))


def test_the_stream_is_not_copied() -> None:
    raw = stream(pa.table({"n": range(1000)}))
    batch = next(RecordBatchStreamReader(raw))
    view = batch.column(0).data.buffers[1]
    assert isinstance(view, memoryview)
    assert view.obj is raw


def test_memoryviews_and_trailing_bytes() -> None:
    raw = stream(pa.table({"n": [1, 2]}))
    for source in (memoryview(raw), bytearray(raw), raw + b"behind the end mark", raw[:-8]):
        assert RecordBatchStreamReader(source).read_all().column(0).to_pylist() == [1, 2]


def test_byte_order_of_this_machine() -> None:
    assert sys.byteorder == "little"
