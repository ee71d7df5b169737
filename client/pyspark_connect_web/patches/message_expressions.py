"""Expressions that become messages in fewer steps, where messages share their parts.

PySpark notes in every expression where in the notebook it was made: of the five messages of a literal three say that,
and they are the same for all values of one `isin`. Here the expressions that were made at one place share one snapshot
of it, and of a plain literal that is an argument nothing but its snapshots is made, with their bytes. The same bytes
come out.

Only what is usual is made here. Every other value is left to PySpark's own code, for its conversions and its errors.
docs/decisions/plans.md says why it is done this way.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final

from pyspark_connect_web.patches.apply import replace
from pyspark_connect_web.patches.message_bytes import KINDS, SMALL, TEXT, varint
from pyspark_connect_web.patches.messages import new_snapshot, snapshot_of

__all__ = ["shorten_expressions"]

_EXPRESSIONS: Final = "pyspark.sql.connect.expressions"
_INT: Final = range(-(1 << 31), 1 << 31)
_LONG: Final = range(-(1 << 63), 1 << 63)

#: How many places in notebooks are remembered; then they are begun anew.
_PLACES: Final = 512


class _Places:
    """Where expressions were made: snapshots of `Origin`, and of the `ExpressionCommon` that holds one.

    An origin is found by what it says, what holds it by the origin itself, which is kept so that its id stays its own.
    """

    def __init__(self, common: Any) -> None:
        self._new_common = common
        self._origins: dict[tuple[str, str], Any] = {}
        self._commons: dict[int, tuple[Any, Any]] = {}

    def origin(self, fragment: str, call_site: str) -> Any:
        """The origin that was kept for a place, or None."""
        return self._origins.get((fragment, call_site))

    def keep(self, fragment: str, call_site: str, origin: Any) -> Any:
        """A snapshot of an origin, which is given from now on."""
        if len(self._origins) >= _PLACES:
            self._origins.clear()
        kept = self._origins[fragment, call_site] = snapshot_of(origin)
        return kept

    def common(self, origin: Any) -> Any:
        """The snapshot that holds an origin; None where that may still change."""
        found = self._commons.get(id(origin))
        if found is not None:
            return found[1]
        if snapshot_of(origin) is not origin:
            return None
        if len(self._commons) >= _PLACES:
            self._commons.clear()
        common = snapshot_of(self._new_common(origin=origin))
        self._commons[id(origin)] = (origin, common)
        return common


def shorten_expressions() -> None:
    """Make PySpark's expressions and their messages with less; for messages that share their parts. Idempotent.

    Raises:
        UnsupportedVersion: PySpark has no such place.
    """
    expressions: Any = importlib.import_module(_EXPRESSIONS)
    proto = expressions.proto
    places = _Places(proto.ExpressionCommon)
    literals = _Literals(expressions, places)
    replace(
        f"{_EXPRESSIONS}:Expression.__init__", lambda original: _constructor(expressions, places, original)
    )
    replace(
        f"{_EXPRESSIONS}:Expression._create_proto_expression",
        lambda original: _beginning(proto.Expression, places, original),
    )
    replace(f"{_EXPRESSIONS}:LiteralExpression._from_value", literals.from_value)
    replace(f"{_EXPRESSIONS}:LiteralExpression.to_plan", literals.to_plan)
    replace(
        f"{_EXPRESSIONS}:UnresolvedFunction.to_plan",
        lambda original: _function(expressions.LiteralExpression, literals),
    )


def _constructor(expressions: Any, places: _Places, original: Callable[[Any], None]) -> Callable[[Any], None]:
    """Notes where an expression is made."""

    def __init__(self: Any) -> None:
        noted = expressions.current_origin()
        fragment, call_site = noted.fragment, noted.call_site
        if fragment is None or call_site is None:
            self.origin = None
            return
        origin = places.origin(fragment, call_site)
        if origin is None:
            original(self)
            if type(fragment) is not str or type(call_site) is not str:
                return
            origin = places.keep(fragment, call_site, self.origin)
        self.origin = origin

    return __init__


def _beginning(expression: Any, places: _Places, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Begins the message of an expression: where that was made."""
    field = expression.DESCRIPTOR.fields_by_name["common"]

    def _create_proto_expression(self: Any) -> Any:
        origin = self.origin
        if origin is None:
            return expression()
        common = places.common(origin)
        if common is None:
            return original(self)
        made = expression()
        made._fields[field] = common
        made._Modified()
        return made

    return _create_proto_expression


def _function(literal: Any, literals: _Literals) -> Callable[[Any, Any], Any]:
    """Makes the message of a function's call."""
    snapshot = literals.snapshot

    def to_plan(self: Any, session: Any) -> Any:
        made = self._create_proto_expression()
        call = made.unresolved_function
        call.function_name = self._name
        if len(self._args) > 0:
            arguments = []
            for argument in self._args:
                found = snapshot(argument) if type(argument) is literal else None
                arguments.append(argument.to_plan(session) if found is None else found)
            call.arguments.extend(arguments)
        call.is_distinct = self._is_distinct
        return made

    return to_plan


class _Literals:
    """Makes expressions of plain values, and their messages."""

    def __init__(self, expressions: Any, places: _Places) -> None:
        self._places = places
        self._literal = expressions.LiteralExpression
        self._new = object.__new__
        self._begin = expressions.Expression
        self._types = (
            expressions.IntegerType,
            expressions.LongType,
            expressions.DoubleType,
            expressions.StringType,
            expressions.BooleanType,
        )
        self._expression = expressions.proto.Expression
        self._message = expressions.proto.Expression.Literal
        fields = self._message.DESCRIPTOR.fields_by_name
        #: Of a data type: the field, the class of its values, and of numbers which ones it holds.
        self._kinds = {
            expressions.IntegerType: (fields["integer"], int, _INT),
            expressions.LongType: (fields["long"], int, _LONG),
            expressions.DoubleType: (fields["double"], float, None),
            expressions.StringType: (fields["string"], str, None),
            expressions.BooleanType: (fields["boolean"], bool, None),
        }
        outer = self._expression.DESCRIPTOR.fields_by_name
        self._field, self._common = outer["literal"], outer["common"]
        assert self._field.number < self._common.number  # in which order they are written

    def from_value(self, original: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Makes the expression of a value."""
        integer, long, double, string, boolean = self._types
        literal, new, begin = self._literal, self._new, self._begin

        def _from_value(cls: Any, value: Any) -> Any:
            kind = type(value)
            if kind is int:
                if value in _INT:
                    data_type = integer()
                elif value in _LONG:
                    data_type = long()
                else:
                    return original(cls, value)
            elif kind is str:
                data_type = string()
            elif kind is float:
                data_type = double()
            elif kind is bool:
                data_type = boolean()
            else:
                return original(cls, value)
            made = new(literal)
            begin.__init__(made)
            made._value = value
            made._dataType = data_type
            return made

        return _from_value

    def to_plan(self, original: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Makes the message of a literal, which may be changed."""

        def to_plan(literal: Any, session: Any) -> Any:
            found = self.snapshot(literal)
            if found is None:
                return original(literal, session)
            made = self._expression()
            made.CopyFrom(found)
            return made

        return to_plan

    def snapshot(self, literal: Any) -> Any:
        """The message of a plain literal, which never changes; None for any other."""
        usual = self._kinds.get(type(literal._dataType))
        if usual is None:
            return None
        field, kind, numbers = usual
        value = literal._value
        if type(value) is not kind or (numbers is not None and value not in numbers):
            return None
        form, tag, encode = KINDS[field]
        if form == TEXT:
            try:
                data = encode(value)
            except UnicodeEncodeError:
                return None
            data = tag + varint(len(data)) + data
        else:
            data = encode(value)
        if len(data) > SMALL:
            return None
        inner = new_snapshot(self._message, {field: value}, {field.containing_oneof: field}, data)
        outer = self._field
        fields = {outer: inner}
        data = KINDS[outer][1] + varint(len(data)) + data
        if literal.origin is not None:
            common = self._places.common(literal.origin)
            if common is None or type(common._listener) is not bytes:
                return None
            fields[self._common] = common
            data += KINDS[self._common][1] + varint(len(common._listener)) + common._listener
            if len(data) > SMALL:
                return None
        return new_snapshot(self._expression, fields, {outer.containing_oneof: outer}, data)
