"""Arrow arrays of every type that can reach a Spark Connect client, with the values that go wrong easily."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa

D = Decimal
UTC = dt.timezone.utc
MOMENTS = [
    dt.datetime(1970, 1, 1),
    dt.datetime(1, 1, 1),
    dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
    dt.datetime(1883, 11, 18, 12, 3, 57),  # local mean time ends in New York
    dt.datetime(1900, 1, 1, 0, 0, 0, 1),
    dt.datetime(2024, 3, 10, 6, 59, 59, 999999),  # either side of a spring change there
    dt.datetime(2024, 3, 10, 7, 0),
    dt.datetime(2024, 11, 3, 5, 30),  # 01:30 happens twice
    dt.datetime(2024, 11, 3, 6, 30),
    dt.datetime(2024, 3, 31, 1, 0),  # the same in Berlin
    dt.datetime(2024, 10, 27, 0, 30),
    dt.datetime(2024, 10, 27, 1, 30),
    None,
]
# these have a local time in every zone
INNER = [m for m in MOMENTS if m is None or 1 < m.year < 9999]
DECIMALS = [D("0.00"), D("-0.01"), D("1.10"), D("-99999999.99"), D("99999999.99"), None, D("-1.00")]
BIG = [
    D("12345678901234567890123456789012345678"),
    D("-12345678901234567890123456789012345678"),
    D(2**64),
    D(-(2**64)),
    D(2**63),
    D(-(2**63)),
    D(2**63 - 1),
    D(-1),
    D(0),
    None,
]
STRUCT = pa.struct([("x", pa.int32()), ("y", pa.string()), ("z", pa.list_(pa.float64()))])
MAP = pa.map_(pa.string(), pa.struct([("v", pa.decimal128(10, 2)), ("w", pa.map_(pa.int64(), pa.bool_()))]))


def _arrays() -> Iterator[tuple[str, Any, pa.DataType]]:
    yield "null", [None, None, None], pa.null()
    yield "bool", [True, False, None, True, True, False, True, False, None, True], pa.bool_()
    for bits in (8, 16, 32, 64):
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        yield f"int{bits}", [0, low, high, None, -1, 1], getattr(pa, f"int{bits}")()
        yield f"uint{bits}", [0, 2**bits - 1, None, 1], getattr(pa, f"uint{bits}")()
    floats = [0.0, -0.0, 1.5, -1e30, float("inf"), float("-inf"), None, 5e-324, 1.7976931348623157e308]
    yield "float16", [0.0, -1.5, 65504.0, None, float("inf")], pa.float16()
    yield "float32", floats, pa.float32()
    yield "float64", floats, pa.float64()
    yield "decimal", DECIMALS, pa.decimal128(10, 2)
    yield "decimal_whole", BIG, pa.decimal128(38, 0)
    yield "decimal_all_fraction", [D("0." + "9" * 38), D("-0." + "1" * 38), None], pa.decimal128(38, 38)
    yield "decimal_scale_18", [D("1.000000000000000001"), D(0), None], pa.decimal128(38, 18)
    yield "decimal_negative_scale", [D("12300"), D("-100"), None], pa.decimal128(5, -2)
    yield "decimal32", [D("1.23"), D("-9.99"), None], pa.decimal32(5, 2)
    yield "decimal64", [D("1.23"), D("-9999999.99"), None], pa.decimal64(12, 2)
    yield "decimal256", [D("1" * 70 + ".5"), D("-" + "9" * 70 + ".5"), None], pa.decimal256(76, 1)
    text = ["", "a", "ascii only", None, "zoë", "日本語", "🎉 emoji", "x" * 1000, "null\0inside"]
    yield "string", text, pa.string()
    yield "string_ascii", ["", "a", None, "abc" * 50, "d"], pa.string()
    yield "large_string", text, pa.large_string()
    yield "string_view", text, pa.string_view()
    blobs = [b"", b"\0\1\2", None, bytes(range(256)), b"\xff"]
    yield "binary", blobs, pa.binary()
    yield "large_binary", blobs, pa.large_binary()
    yield "binary_view", blobs, pa.binary_view()
    yield "fixed_binary", [b"abc", None, b"\0\0\0"], pa.binary(3)
    days = [dt.date(1970, 1, 1), dt.date(1, 1, 1), dt.date(9999, 12, 31), None, dt.date(1582, 10, 15)]
    yield "date32", days, pa.date32()
    yield "date64", days, pa.date64()
    yield "timestamp_ntz", MOMENTS, pa.timestamp("us")
    for unit in ("s", "ms"):
        whole = [None if m is None else m.replace(microsecond=0) for m in MOMENTS]
        yield f"timestamp_{unit}", whole, pa.timestamp(unit)
    for zone in ("UTC", "+05:30", "-08:00", "America/New_York", "Europe/Berlin", "Asia/Kathmandu"):
        yield f"timestamp {zone}", INNER, pa.timestamp("us", zone)
    spans = [dt.timedelta(0), dt.timedelta(-1, 1, 1), dt.timedelta(999999, 86399, 999999), None]
    yield "duration", spans, pa.duration("us")
    yield "duration_s", [dt.timedelta(5), dt.timedelta(-5), None], pa.duration("s")
    clock = [dt.time(0), dt.time(23, 59, 59, 999999), None, dt.time(12, 34, 56)]
    yield "time64_us", clock, pa.time64("us")
    yield "time64_ns", clock, pa.time64("ns")
    yield "time32", [dt.time(0), dt.time(23, 59, 59), None], pa.time32("s")
    yield "month_day_nano", [(1, 2, 3), (-1, -2, -3), None], pa.month_day_nano_interval()
    yield "list", [[1, None, 3], [], None, [2**31 - 1]], pa.list_(pa.int32())
    yield "list_strings", [["a", None], None, [], ["é", "b" * 20]], pa.list_(pa.string())
    yield "list_lists", [[[1], [], None], None, [], [[2, 3]]], pa.list_(pa.list_(pa.int64()))
    yield "large_list", [[1, None], [], None], pa.large_list(pa.int64())
    yield "fixed_list", [[1, 2], None, [3, None]], pa.list_(pa.int64(), 2)
    yield "list_view", [[1, 2], [], None, [3]], pa.list_view(pa.int64())
    yield "struct", [{"x": 1, "y": "a", "z": [1.5]}, None, {"x": None, "y": None, "z": None}], STRUCT
    yield "struct_empty", [{}, None, {}], pa.struct([])
    yield "list_structs", [[{"x": 1, "y": None, "z": []}], None, [None]], pa.list_(STRUCT)
    yield "map", [[("a", 1), ("b", None)], [], None, [("c", 3)]], pa.map_(pa.string(), pa.int64())
    yield "map_nested", [[("k", {"v": D("1.50"), "w": [(1, True)]}), ("n", None)], None, []], MAP
    yield "dictionary", ["a", "b", None, "a", "c"], pa.dictionary(pa.int8(), pa.string())
    yield "dictionary_decimal", [D("1.50"), None, D("1.50")], pa.dictionary(pa.int32(), pa.decimal128(5, 2))
    yield "run_end", [1, 1, 1, None, None, 2], pa.run_end_encoded(pa.int32(), pa.int64())


def _make(values: Any, data_type: pa.DataType) -> pa.Array:
    if pa.types.is_run_end_encoded(data_type):
        import pyarrow.compute as pc

        return pc.run_end_encode(pa.array(values, data_type.value_type))
    if pa.types.is_dictionary(data_type):
        return pa.array(values, data_type.value_type).dictionary_encode().cast(data_type)
    return pa.array(values, data_type)


ARRAYS: dict[str, pa.Array] = {name: _make(values, data_type) for name, values, data_type in _arrays()}


def stream(table: pa.Table, **options: Any) -> bytes:
    """The table as an IPC stream, written by pyarrow."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


#: Those that the writer builds from Python's values.
BUILDABLE = [
    n for n in ARRAYS if not n.startswith(("dictionary", "run_end", "list_view")) and "_view" not in n
]
