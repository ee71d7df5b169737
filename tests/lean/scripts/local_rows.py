"""Makes tables of random rows by columns and with PySpark's own code; prints how many were the same.

local_rows.py FIRST_SEED SEEDS
"""

import datetime
import decimal
import random
import sys

import pyspark_connect_web

pyspark_connect_web.install(lean=True)

from pyspark.sql import Row  # noqa: E402 - PySpark comes after the stand-ins
from pyspark.sql import types as T  # noqa: E402
from pyspark.sql.conversion import LocalDataToArrowConversion  # noqa: E402
from pyspark_connect_web.lean.arrow.streams import stream_bytes  # noqa: E402
from pyspark_connect_web.lean.columns import columns_of  # noqa: E402

by_column = LocalDataToArrowConversion.convert
own = by_column.__wrapped__
assert own.__module__ == "pyspark.sql.conversion"


class Pair(tuple):
    """A tuple that is not exactly one."""


class Plain:
    def __init__(self, **values):
        self.__dict__.update(values)


VALUES = {
    T.LongType(): (0, -1, 2**63 - 1),
    T.IntegerType(): (0, 7, -(2**31)),
    T.DoubleType(): (0.0, -1.5, float("inf")),
    T.BooleanType(): (True, False),
    T.StringType(): ("", "a", "é" * 30, "x" * 300),
    T.BinaryType(): (b"", b"\0\xff", bytearray(b"z")),
    T.DateType(): (datetime.date(1960, 2, 29),),
    T.TimestampType(): (datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),),
    T.DecimalType(10, 2): (decimal.Decimal("1.5"), decimal.Decimal("NaN")),
    T.ArrayType(T.StringType()): ([], ["a", None]),
    T.MapType(T.StringType(), T.LongType()): ({}, {"a": 1}),
    T.StructType([T.StructField("x", T.LongType()), T.StructField("y", T.StringType())]): (
        (1, "a"),
        (2, None),
    ),
}
UNUSUAL = (True, 5, "five", 2**70, "\ud800", b"raw", 1.0, [1], object)
TYPES = tuple(VALUES)


def table_of(seed):
    chance = random.Random(seed)
    width = chance.randrange(1, 5)
    types = [chance.choice(TYPES) for _ in range(width)]
    schema = T.StructType(
        [
            T.StructField(f"c{at}" if at < 3 else "c0", kind, chance.random() < 0.7)
            for at, kind in enumerate(types)
        ]
    )
    spoiled = chance.random()
    rows = []
    for _ in range(chance.choice((0, 1, 3, 10, 1023, 1025, 2100))):
        values = [
            None if field.nullable and chance.random() < 0.2 else chance.choice(VALUES[field.dataType])
            for field in schema.fields
        ]
        if spoiled < 0.2 and chance.random() < 0.05:
            values[chance.randrange(width)] = chance.choice((None, *UNUSUAL))
        if spoiled > 0.9 and chance.random() < 0.05:
            values = values[1:] if chance.random() < 0.5 else [*values, 1]
        rows.append(values)
    kind = chance.randrange(8)
    if kind == 0:
        rows = [Row(*values) for values in rows]
    elif kind == 1:
        rows = [chance.choice((tuple, list, Pair))(values) for values in rows]
    elif kind == 2:
        rows = [chance.choice((tuple, list))(values) for values in rows]
    elif kind == 3:
        rows = [dict(zip(["c0", "c1", "c2", "c3"], values, strict=False)) for values in rows]
    elif kind == 4:
        rows = [chance.choice((tuple(values), None, Plain(c0=values))) for values in rows]
    elif kind == 5:
        rows = [Row(**dict(zip("dcba", values, strict=False))) for values in rows]
    else:
        rows = list(map(tuple, rows))
    return rows, schema, chance.random() < 0.2


def told(convert, *arguments):
    try:
        table = convert(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever PySpark and the encoders raise of such rows
        return type(error), str(error)
    return str(table.schema), table.nbytes, stream_bytes(table)


def main():
    first, count = map(int, sys.argv[1:])
    made = columns = 0
    for seed in range(first, first + count):
        arguments = table_of(seed)
        ours, theirs = told(by_column, *arguments), told(own, *arguments)
        assert ours == theirs, (seed, ours[:2], theirs[:2])
        made += len(theirs) == 3
        columns += columns_of(arguments[0], len(arguments[1].fields)) is not None
    assert made > count // 2, made
    assert columns > count // 2, columns
    print(count)


if __name__ == "__main__":
    main()
