"""Calls of a person's functions that become messages in fewer steps, where messages share their parts.

A plan is made again for every action, with all of its functions. What is in a function is pickled anew each time, since
the variables that it uses may have changed. Around that, PySpark copies the message of the function into the one of its
call, and that into the expression's; here each is made a snapshot once. The same bytes come out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from pyspark_connect_web.patches.apply import replace
from pyspark_connect_web.patches.messages import put_copy, snapshot_of

__all__ = ["shorten_functions"]

_EXPRESSIONS: Final = "pyspark.sql.connect.expressions"

#: Types of data that say nothing more than which one they are.
_PLAIN_TYPES: Final = (
    "BinaryType",
    "BooleanType",
    "ByteType",
    "DateType",
    "DoubleType",
    "FloatType",
    "IntegerType",
    "LongType",
    "NullType",
    "ShortType",
    "TimestampNTZType",
    "TimestampType",
)


def shorten_functions(expressions: Any, plans: Callable[[Iterable[Any], Any], list[Any]]) -> None:
    """Make the messages of calls of a person's functions with less. Idempotent.

    Args:
        expressions: PySpark's module of expressions.
        plans: makes the messages of a call's arguments.

    Raises:
        UnsupportedVersion: PySpark has no such place.
    """
    replace(f"{_EXPRESSIONS}:pyspark_types_to_proto_types", lambda original: _types(expressions, original))
    replace(
        f"{_EXPRESSIONS}:CommonInlineUserDefinedFunction.to_plan",
        lambda original: _inline_function(expressions, plans, original),
    )


def _types(expressions: Any, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Makes the message of a type of data, which may be changed."""
    message = expressions.proto.DataType
    plain: dict[Any, Any] = {getattr(expressions, name): None for name in _PLAIN_TYPES}

    def pyspark_types_to_proto_types(data_type: Any) -> Any:
        kind = type(data_type)
        if kind not in plain:
            return original(data_type)
        kept = plain[kind]
        if kept is None:
            kept = plain[kind] = snapshot_of(original(data_type))
        made = message()
        made.CopyFrom(kept)
        return made

    return pyspark_types_to_proto_types


def _inline_function(
    expressions: Any, plans: Callable[[Iterable[Any], Any], list[Any]], original: Callable[[Any, Any], Any]
) -> Callable[[Any, Any], Any]:
    """Makes the message of a call."""
    python_udf = expressions.PythonUDF
    call_message = expressions.proto.CommonInlineUserDefinedFunction
    inner = call_message.DESCRIPTOR.fields_by_name["python_udf"]
    outer = expressions.proto.Expression.DESCRIPTOR.fields_by_name["common_inline_user_defined_function"]

    def to_plan(self: Any, session: Any) -> Any:
        function = self._function
        if type(function) is not python_udf:
            return original(self, session)
        made = self._create_proto_expression()
        call = call_message()
        call.function_name = self._function_name
        call.deterministic = self._deterministic
        if len(self._arguments) > 0:
            call.arguments.extend(plans(self._arguments, session))
        put_copy(call, inner, function.to_plan(session))
        put_copy(made, outer, call)
        return made

    return to_plan
