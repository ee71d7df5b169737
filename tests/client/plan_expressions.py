"""Runs with protobuf in pure Python: messages of random expressions beside those that PySpark's own code makes.

    PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python python -m tests.client.plan_expressions FIRST_SEED SEEDS

Of each expression the bytes, the fields, or the error are compared; then the message is changed, which must change
nothing else.
"""

from __future__ import annotations

import copy
import datetime
import decimal
import enum
import math
import random
import sys
from collections.abc import Callable
from typing import Any

from google.protobuf.internal import api_implementation
from pyspark.errors import utils as errors
from pyspark.sql import types as T
from pyspark.sql.connect import expressions, proto
from pyspark.sql.connect import functions as F
from pyspark.sql.connect.column import Column
from pyspark_connect_web.patches.message_expressions import shorten_expressions
from pyspark_connect_web.patches.messages import share_messages


class Number(int):
    """An int that is not exactly one."""


class Text(str):
    """A str that is not exactly one."""


class Kind(enum.Enum):
    FIRST = "first"
    SECOND = 2


VALUES: tuple[Any, ...] = (
    0, 1, -1, 127, 128, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63 - 1, -(2**63), 2**63, True, False,
    0.0, -0.0, 1.5, float("inf"), float("-inf"), float("nan"), 5e-324, "", "a", "é" * 90, "\ud800", "x" * 1010,
    "x" * 1100, "é" * 600, None, decimal.Decimal("1.50"), datetime.date(1960, 2, 29), datetime.timedelta(3, 4, 5),
    datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc), datetime.time(1, 2), b"", b"\0\xff", bytearray(b"z"),
    [1, 2], [], ["a", None], Number(7), Text("t"), Kind.FIRST, Kind.SECOND, object, {},
)  # fmt: skip
PLACES: tuple[tuple[Any, Any], ...] = (
    (None, None), ("isin", None), ("isin", "line 1 in cell [1]"), ("alias", "line 1 in cell [1]"), ("", ""),
    ("isin", "é" * 40), ("lit", "long " * 300), (Text("isin"), Text("line 2 in cell [1]")),
)  # fmt: skip
NAMES: tuple[Any, ...] = ("id", "a.b", "", "é", "é" * 600, "x" * 1015, "x" * 1100, "\ud800", Text("t"))
PLANS: tuple[Any, ...] = (None, None, 0, 5, -1, 2**63 - 1, 2**63, True, Number(7), "5")
RETURNED: tuple[Any, ...] = (
    T.LongType(), T.StringType(), T.StringType("UNICODE"), T.NullType(), T.BinaryType(), T.ByteType(), T.ShortType(),
    T.DateType(), T.TimestampType(), T.TimestampNTZType(), T.FloatType(), T.DoubleType(), T.BooleanType(),
    T.IntegerType(), T.DecimalType(9, 2), T.VarcharType(5), T.DayTimeIntervalType(0, 2), T.ArrayType(T.LongType()),
    T.MapType(T.StringType(), T.DateType()), T.StructType().add("a", "long").add("b", T.StringType(), False),
    T.VariantType(), "long", object(),
)  # fmt: skip
FUNCTIONS: tuple[Any, ...] = (abs, len, max, "a".join, lambda x: x, math.sqrt)
TYPES = (T.IntegerType(), T.LongType(), T.DoubleType(), T.StringType(), T.BooleanType(), T.ShortType())


def value_of(chance: random.Random) -> Any:
    kind = chance.randrange(8)
    if kind == 0:
        return chance.randrange(-(2 ** chance.randrange(1, 70)), 2 ** chance.randrange(1, 70))
    if kind == 1:
        return chance.uniform(-1e9, 1e9)
    if kind == 2:
        letters = (chr(chance.choice((65, 233, 0x20AC, 0x1F600))) for _ in range(chance.randrange(40)))
        return "".join(letters)
    return chance.choice(VALUES)


def made(chance: random.Random) -> Any:
    """A column, made at one of several places in a notebook."""
    place = chance.choice((*PLACES, ("lit", f"line {chance.randrange(2000)} in cell [3]")))
    errors.set_current_origin(*place)
    try:
        kind = chance.randrange(10)
        if kind == 0:
            return F.col("id").isin([value_of(chance) for _ in range(chance.randrange(6))])
        if kind == 1:
            return F.col("id") + value_of(chance)
        if kind == 2:
            return F.when(F.col("id") == value_of(chance), value_of(chance)).otherwise(value_of(chance))
        if kind == 3:
            return made(chance).alias("a")
        if kind == 4:
            return F.array(F.lit(value_of(chance)), made(chance), F.count_distinct(F.lit(value_of(chance))))
        if kind == 5:  # a value that a person has put into an expression
            found = F.lit(1)
            found._expr._value = chance.choice((value_of(chance), 2**40))
            found._expr._dataType = chance.choice(TYPES)
            return F.array(found)
        if kind == 6:  # an origin that a person has put there
            found = F.lit("x")
            found._expr.origin = proto.Origin(
                python_origin=proto.PythonOrigin(fragment="f", call_site="mine")
            )
            return found | found
        if kind == 7:
            return (
                reference(chance) if chance.random() < 0.5 else F.array(reference(chance), reference(chance))
            )
        if kind == 8:
            return function(chance)
        return F.lit(value_of(chance))
    finally:
        errors.set_current_origin(None, None)


def reference(chance: random.Random) -> Any:
    """A column by its name, with what a person may have put into it."""
    found = F.col("id")
    found._expr._unparsed_identifier = chance.choice(NAMES)
    found._expr._plan_id = chance.choice(PLANS)
    found._expr._is_metadata_column = chance.choice((True, False, False, 1, None))
    return found


def function(chance: random.Random) -> Any:
    """A call of a person's function."""
    called: Any
    if chance.random() < 0.1:
        called = expressions.JavaUDF("org.example.Function", chance.choice((None, "long")))
    else:
        called = expressions.PythonUDF(chance.choice(RETURNED), 100, chance.choice(FUNCTIONS), "3.11")
    arguments = [
        chance.choice((made, reference, lambda chance: F.lit(value_of(chance))))(chance)._expr
        for _ in range(chance.randrange(4))
    ]
    name = chance.choice(("f", "<lambda>", *NAMES, None))
    inline = expressions.CommonInlineUserDefinedFunction
    return Column(inline(name, called, chance.choice((True, False, 0)), arguments))


def told(work: Callable[[], Any]) -> Any:
    """What a call gives, or its error."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - whatever PySpark and protobuf raise of such a value
        return type(error), str(error)


def bytes_of(message: Any) -> bytes:
    encoded: bytes = message.SerializeToString(deterministic=True)
    return encoded


def plan_of(seed: int) -> Any:
    """The bytes of the expression of a seed, and those of where it was made; or an error."""

    def plan() -> tuple[bytes, str]:
        expression = made(random.Random(seed))._expr
        message = expression.to_plan(None)
        encoded = bytes_of(message)
        assert type(message) is proto.Expression
        assert message.ByteSize() == len(encoded)
        assert bytes_of(copy.deepcopy(expression).to_plan(None)) == encoded
        return encoded, str(expression.origin)

    return told(plan)


def check_changes(seed: int) -> None:
    """Change a message and look whether the expression makes the same one again."""
    found = told(lambda: made(random.Random(seed))._expr)
    first = told(lambda: found.to_plan(None))
    if not isinstance(first, proto.Expression):
        return
    before = bytes_of(first)
    assert proto.Expression.FromString(before) == first or b"\xf8\x7f" in before  # NaN is unequal to itself
    first.common.origin.python_origin.fragment = "changed"
    first.common.origin.python_origin.call_site += "changed"
    for argument in first.unresolved_function.arguments:
        argument.literal.string = "changed"
        argument.common.origin.python_origin.fragment = "changed"
    if first.HasField("common_inline_user_defined_function"):
        call = first.common_inline_user_defined_function
        call.python_udf.command += b"changed"
        call.python_udf.output_type.array.element_type.long.SetInParent()
        for argument in call.arguments:
            argument.unresolved_attribute.unparsed_identifier += "changed"
        call.function_name += "changed"
        assert bytes_of(found.to_plan(None)) == before
    first.unresolved_attribute.unparsed_identifier += "changed"
    first.literal.string = "changed"
    assert bytes_of(found.to_plan(None)) == before
    assert bytes_of(first) != before


def main() -> None:
    assert api_implementation.Type() == "python"
    assert share_messages()
    first, count = map(int, sys.argv[1:])
    seeds = range(first, first + count)
    original = expressions.Expression.__init__
    theirs = [plan_of(seed) for seed in seeds]
    for _ in range(2):
        shorten_expressions()
    assert expressions.Expression.__init__ is not original
    for seed, expected in zip(seeds, theirs, strict=True):
        assert plan_of(seed) == expected, (seed, plan_of(seed), expected)
        check_changes(seed)
        assert plan_of(seed) == expected, seed
    assert sum(type(expected[0]) is bytes for expected in theirs) > count // 2
    print(count)


if __name__ == "__main__":
    main()
