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
from collections.abc import Callable, Iterable
from typing import Any, Final

from pyspark_connect_web.patches.apply import replace
from pyspark_connect_web.patches.message_bytes import KINDS, SMALL, TEXT, varint
from pyspark_connect_web.patches.message_functions import shorten_functions
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
    arguments = Arguments(expressions, places)
    literals, references = arguments.literals, arguments.references
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
        lambda original: _function(arguments),
    )
    replace(f"{_EXPRESSIONS}:ColumnReference.to_plan", references.to_plan)
    shorten_functions(expressions, arguments.plans)


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


def _function(arguments: Arguments) -> Callable[[Any, Any], Any]:
    """Makes the message of a function's call."""

    def to_plan(self: Any, session: Any) -> Any:
        made = self._create_proto_expression()
        call = made.unresolved_function
        call.function_name = self._name
        if len(self._args) > 0:
            call.arguments.extend(arguments.plans(self._args, session))
        call.is_distinct = self._is_distinct
        return made

    return to_plan


class Arguments:
    """Makes the messages of expressions that become parts of another one's."""

    def __init__(self, expressions: Any, places: _Places) -> None:
        outer = _Outer(expressions.proto.Expression, places)
        self.literals = _Literals(expressions, outer)
        self.references = _References(expressions, outer)
        self._snapshots = {
            expressions.LiteralExpression: self.literals.snapshot,
            expressions.ColumnReference: self.references.snapshot,
        }

    def plans(self, given: Iterable[Any], session: Any) -> list[Any]:
        """One message each; what is usual is one that never changes."""
        made = []
        for argument in given:
            snapshot = self._snapshots.get(type(argument))
            found = snapshot(argument) if snapshot is not None else None
            made.append(argument.to_plan(session) if found is None else found)
        return made


class _Outer:
    """Makes the message of an expression around what kind of expression it is."""

    def __init__(self, expression: Any, places: _Places) -> None:
        self._places = places
        self._expression = expression
        self._common = expression.DESCRIPTOR.fields_by_name["common"]

    def field(self, name: str) -> Any:
        """The field of a kind of expression."""
        field = self._expression.DESCRIPTOR.fields_by_name[name]
        assert field.number < self._common.number  # in which order they are written
        return field

    def around(self, field: Any, inner: Any, origin: Any) -> Any:
        """The message, which never changes; None where it is large or the origin may change."""
        data = inner._listener
        fields = {field: inner}
        data = KINDS[field][1] + varint(len(data)) + data
        if origin is not None:
            common = self._places.common(origin)
            if common is None or type(common._listener) is not bytes:
                return None
            fields[self._common] = common
            data += KINDS[self._common][1] + varint(len(common._listener)) + common._listener
        if len(data) > SMALL:
            return None
        return new_snapshot(self._expression, fields, {field.containing_oneof: field}, data)

    def changeable(
        self, snapshot: Callable[[Any], Any], original: Callable[[Any, Any], Any]
    ) -> Callable[[Any, Any], Any]:
        """A `to_plan` whose message may be changed."""

        def to_plan(expression: Any, session: Any) -> Any:
            found = snapshot(expression)
            if found is None:
                return original(expression, session)
            made = self._expression()
            made.CopyFrom(found)
            return made

        return to_plan


class _References:
    """Makes the messages of references to columns."""

    def __init__(self, expressions: Any, outer: _Outer) -> None:
        self._outer = outer
        self._field = outer.field("unresolved_attribute")
        self._message = expressions.proto.Expression.UnresolvedAttribute
        fields = self._message.DESCRIPTOR.fields_by_name
        self._name = fields["unparsed_identifier"]
        self._plan_id = fields["plan_id"]
        self._metadata = fields["is_metadata_column"]
        assert self._name.number < self._plan_id.number < self._metadata.number

    def to_plan(self, original: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Makes the message of a reference, which may be changed."""
        return self._outer.changeable(self.snapshot, original)

    def snapshot(self, reference: Any) -> Any:
        """The message of a usual reference, which never changes; None for any other."""
        name, plan_id = reference._unparsed_identifier, reference._plan_id
        metadata = reference._is_metadata_column
        if type(name) is not str or not name or type(metadata) is not bool:
            return None
        try:
            data = name.encode()
        except UnicodeEncodeError:
            return None
        fields: dict[Any, Any] = {self._name: name}
        data = KINDS[self._name][1] + varint(len(data)) + data
        if plan_id is not None:
            if type(plan_id) is not int or plan_id not in _LONG:
                return None
            fields[self._plan_id] = plan_id
            data += KINDS[self._plan_id][2](plan_id)
        fields[self._metadata] = metadata
        data += KINDS[self._metadata][2](metadata)
        if len(data) > SMALL:
            return None
        return self._outer.around(
            self._field, new_snapshot(self._message, fields, {}, data), reference.origin
        )


class _Literals:
    """Makes expressions of plain values, and their messages."""

    def __init__(self, expressions: Any, outer: _Outer) -> None:
        self._outer = outer
        self._field = outer.field("literal")
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
        return self._outer.changeable(self.snapshot, original)

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
        return self._outer.around(self._field, inner, literal.origin)
