"""How much the lean client holds of what it uploads: together with the transport's own copy, two at most."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from pyspark_connect_web.lean.arrow import ondemand
from pyspark_connect_web.lean.arrow.errors import ArrowInvalid
from pyspark_connect_web.lean.arrow.schema import Schema
from pyspark_connect_web.lean.arrow.streams import RecordBatchStreamReader, stream_bytes
from pyspark_connect_web.lean.arrow.tables import Table

from tests.lean.matrix import stream
from tests.lean.running import run_script

MIB = 1 << 20


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = json.loads(run_script("upload.py", hidden=True)[-1])
    return found


@pytest.mark.nightly
def test_artifact_is_read_while_it_is_sent(measured: dict[str, dict[str, int]]) -> None:
    artifact = measured["artifact"]
    assert artifact["sent"] > 100 * MIB
    assert artifact["peak"] < 8 * MIB


@pytest.mark.nightly
def test_relation_is_held_once_while_it_is_sent(measured: dict[str, dict[str, int]]) -> None:
    relation = measured["relation"]
    assert relation["sent"] > 64 * MIB
    assert relation["held"] < 1.1 * 64 * MIB
    # The chunk that is being made is there twice: its batches, and their stream.
    assert relation["peak"] < (64 + 2 * 16 + 8) * MIB


SCHEMA = pa.schema([("n", pa.int64()), ("x", pa.float64()), ("s", pa.string()), ("b", pa.binary())])


def columns(rows: int) -> list[list[object]]:
    numbers = range(rows)
    return [
        [None if n % 7 == 0 else n for n in numbers],
        [n * 0.5 for n in numbers],
        [None if n % 5 == 0 else f"röw {n} " * 200 for n in numbers],
        [bytes([n % 256]) * 500 for n in numbers],
    ]


def schema() -> Schema:
    return RecordBatchStreamReader(stream(SCHEMA.empty_table())).schema


def test_table_on_demand_is_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    values = columns(5000)
    table = Table.from_arrays(values, schema=schema())
    assert type(table) is not Table
    whole = pa.table(values, SCHEMA)
    assert pa.ipc.open_stream(stream_bytes(table)).read_all().equals(whole)
    assert (table.num_rows, table.shape, table.num_columns) == (5000, (5000, 4), 4)
    assert abs(table.nbytes - whole.nbytes) < 0.01 * whole.nbytes
    assert [batch.num_rows for batch in table.to_batches(max_chunksize=1024)] == [1024] * 4 + [904]
    assert sum(batch.num_rows for batch in table.to_batches(max_chunksize=100)) == 5000
    assert table.column("n").to_pylist() == values[0]
    assert table.rename_columns(["a", "b", "c", "d"]).to_pydict()["a"] == values[0]
    batches = table.to_batches()
    assert [batch.num_rows for batch in batches[-2:]] == [1024, 904]
    monkeypatch.setattr(ondemand, "LARGE", 1 << 40)
    assert type(Table.from_arrays(values, schema=schema())) is Table


def test_value_that_does_not_fit_is_told_when_the_table_is_made() -> None:
    values = columns(5000)
    values[0][4999] = "no number"
    with pytest.raises(ArrowInvalid, match="Could not convert 'no number'"):
        Table.from_arrays(values, schema=schema())
    values = columns(5000)
    values[1].pop()
    with pytest.raises(ArrowInvalid, match="expected length 5000 but got length 4999"):
        Table.from_arrays(values, schema=schema())
