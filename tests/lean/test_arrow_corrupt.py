"""Truncated and corrupted streams: a clear error or a plain result; never a crash, a hang or another exception."""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark_connect_web.lean.arrow.codecs import LZ4_FRAME, ZSTD, decompress
from pyspark_connect_web.lean.arrow.errors import ArrowInvalid, ArrowNotImplementedError
from pyspark_connect_web.lean.arrow.flatbuf import Node, Structs, Table, build
from pyspark_connect_web.lean.arrow.lz4 import decompress_frame
from pyspark_connect_web.lean.arrow.metadata import SchemaReader
from pyspark_connect_web.lean.arrow.streams import RecordBatchStreamReader

from tests.lean.matrix import ARRAYS, stream

#: What reading may raise, and what converting a column of corrupt values may raise besides.
READING = (ArrowInvalid, ArrowNotImplementedError)
CONVERTING = (*READING, ValueError, OverflowError, KeyError)

STREAMS = {
    name: stream(pa.table({"c": array, "n": pa.array(range(len(array)))})) for name, array in ARRAYS.items()
}
STREAMS["zstd"] = stream(pa.table({"c": list(range(1000)), "s": ["abc"] * 1000}), compression="zstd")
STREAMS["lz4"] = stream(pa.table({"c": list(range(1000)), "s": ["abc"] * 1000}), compression="lz4")


def read(raw: bytes) -> None:
    """Read and convert everything, letting only the documented errors pass; no bytes cost more than two seconds."""
    with two_seconds():
        try:
            batches = list(RecordBatchStreamReader(raw))
        except READING:
            return
        for batch in batches:
            for column in batch:
                with contextlib.suppress(CONVERTING):
                    column.to_pylist()


@contextlib.contextmanager
def two_seconds() -> Iterator[None]:
    """The block may use that much of a processor; how long it waits for one is the machine's business."""
    started = time.process_time()
    yield
    assert time.process_time() - started < 2


@pytest.mark.parametrize("name", STREAMS)
def test_every_truncation(name: str) -> None:
    raw = STREAMS[name]
    step = max(1, len(raw) // 400)
    for end in range(0, len(raw), step):
        read(raw[:end])
    # within the body of the last batch a cut is always an error
    with pytest.raises(ArrowInvalid):
        list(RecordBatchStreamReader(raw[:-9]))


@settings(max_examples=1500)
@given(st.data())
def test_any_bytes_changed(data: st.DataObject) -> None:
    raw = bytearray(STREAMS[data.draw(st.sampled_from(sorted(STREAMS)))])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        how = data.draw(st.sampled_from(["byte", "word", "long", "cut", "insert"]))
        if how == "byte":
            raw[at] = data.draw(st.integers(0, 255))
        elif how == "word" and at + 4 <= len(raw):
            raw[at : at + 4] = struct.pack("<I", data.draw(st.integers(0, 2**32 - 1)))
        elif how == "long" and at + 8 <= len(raw):
            raw[at : at + 8] = struct.pack("<q", data.draw(st.integers(-(2**63), 2**63 - 1)))
        elif how == "cut":
            del raw[at : at + data.draw(st.integers(1, 64))]
        else:
            raw[at:at] = data.draw(st.binary(max_size=64))
        if not raw:
            break
    read(bytes(raw))


@settings(max_examples=500)
@given(st.binary(max_size=400))
def test_random_bytes(raw: bytes) -> None:
    read(raw)
    read(struct.pack("<II", 0xFFFFFFFF, len(raw)) + raw)


def test_empty_input_says_what_pyarrow_says() -> None:
    with pytest.raises(pa.ArrowInvalid) as theirs:
        pa.ipc.open_stream(b"")
    with pytest.raises(ArrowInvalid) as ours:
        RecordBatchStreamReader(b"")
    assert str(ours.value) == str(theirs.value)


def test_message_other_than_a_schema_first() -> None:
    raw = STREAMS["int64"]
    size = int.from_bytes(raw[4:8], "little")
    with pytest.raises(ArrowInvalid, match="not with a schema"):
        RecordBatchStreamReader(raw[8 + size :])


def _schema_message(field: Node) -> bytes:
    metadata = build(Node({0: ("h", 4), 1: ("B", 1), 2: Node({0: ("h", 0), 1: [field]}), 3: ("q", 0)}))
    return struct.pack("<II", 0xFFFFFFFF, len(metadata)) + metadata


def test_deep_nesting_is_refused_like_in_pyarrow() -> None:
    def nested(depth: int) -> bytes:
        field = Node({0: "leaf", 2: ("B", 1), 3: Node({})})
        for _ in range(depth):
            field = Node({0: "l", 2: ("B", 12), 3: Node({}), 5: [field]})
        return _schema_message(field)

    assert RecordBatchStreamReader(nested(60)).schema.names == ["l"]
    for raw in (nested(64), nested(200)):
        with pytest.raises(ArrowInvalid, match="nested deeper"):
            RecordBatchStreamReader(raw)


def test_shared_children_do_not_multiply() -> None:
    """Child vectors whose offsets all lead to one table describe 2**50 fields in a few kilobytes."""
    vtable = struct.pack("<8H", 16, 12, 0, 0, 8, 0, 0, 4)  # of Field: type code at 8, children at 4
    blob = bytearray(struct.pack("<I4H", 12, 8, 8, 0, 4))  # of Schema: fields at 4
    blob += struct.pack("<iI", 8, 4)
    for _ in range(50):
        # a vector of two offsets to the field behind it, which refers to the next vector
        blob += struct.pack("<III", 2, 8 + len(vtable), 4 + len(vtable)) + vtable
        blob += struct.pack("<iIB3x", len(vtable), 8, 13)
    blob += struct.pack("<I", 0)
    with two_seconds(), pytest.raises(ArrowInvalid, match="nested deeper than 64 levels or is corrupt"):
        SchemaReader(Table.root(memoryview(bytes(blob))), len(blob))


def test_huge_claims_are_refused_before_memory_is_taken() -> None:
    for size in (2**62, 2**40):
        for columns in ([size, size], [size, 0]):
            header = Node({0: ("q", size), 1: Structs(columns, 2), 2: Structs([], 2)})
            metadata = build(Node({0: ("h", 4), 1: ("B", 3), 2: header, 3: ("q", 0)}))
            raw = _schema_message(Node({0: "n", 2: ("B", 1), 3: Node({})}))
            raw += struct.pack("<II", 0xFFFFFFFF, len(metadata)) + metadata
            with pytest.raises(ArrowInvalid, match="without data"):
                list(RecordBatchStreamReader(raw))


@pytest.mark.parametrize("codec", [LZ4_FRAME, ZSTD])
def test_decompression_stops_at_the_size_announced(codec: int) -> None:
    plain = bytes(50_000_000)
    packed = pa.Codec("lz4" if codec == LZ4_FRAME else "zstd").compress(plain, asbytes=True)
    with pytest.raises(ArrowInvalid):
        decompress(codec, memoryview(packed), 1000)
    with pytest.raises(ArrowInvalid):
        decompress(codec, memoryview(packed), len(plain) + 1)
    with pytest.raises(ArrowInvalid):  # no machine has that much to give for a length that is wrong
        decompress(codec, memoryview(packed), 2**61)


@settings(max_examples=300)
@given(st.binary(max_size=3000), st.integers(1, 40))
def test_lz4_round_trip(piece: bytes, repeat: int) -> None:
    plain = piece * repeat
    packed = pa.Codec("lz4").compress(plain, asbytes=True)
    assert decompress_frame(memoryview(packed), len(plain)) == plain


@settings(max_examples=500)
@given(st.data())
def test_lz4_corrupt(data: st.DataObject) -> None:
    packed = bytearray(pa.Codec("lz4").compress(b"some text, some more text " * 40, asbytes=True))
    for _ in range(data.draw(st.integers(1, 5))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        with two_seconds():
            out = decompress_frame(memoryview(bytes(packed)), 26 * 40)
    except ArrowInvalid:
        return
    assert len(out) <= 26 * 40
