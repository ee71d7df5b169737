"""Runs with protobuf in pure Python: random changes of shared messages beside messages that protobuf copies itself.

    PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python python -m tests.client.plan_messages FIRST_SEED SEEDS

The second kind comes from a descriptor pool of its own, which `share_messages` does not know. The same changes are made
to both; after each, every message of one has the bytes of its counterpart, the ones that were taken out of another
message before that was copied included.
"""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Callable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.internal import api_implementation
from pyspark.sql.connect import proto
from pyspark_connect_web.patches.messages import share_messages

ROOTS = ("Plan", "Relation", "Relation", "Expression", "Expression", "DataType")
SCALARS: dict[int, Callable[[random.Random], Any]] = {
    Field.CPPTYPE_INT32: lambda chance: chance.choice((0, 1, -1, 300, 2**31 - 1)),
    Field.CPPTYPE_INT64: lambda chance: chance.choice((0, 7, -(2**63), 2**40)),
    Field.CPPTYPE_UINT32: lambda chance: chance.choice((0, 5, 2**32 - 1)),
    Field.CPPTYPE_UINT64: lambda chance: chance.choice((0, 5, 2**64 - 1)),
    Field.CPPTYPE_DOUBLE: lambda chance: chance.choice((0.0, -1.5, float("inf"))),
    Field.CPPTYPE_FLOAT: lambda chance: chance.choice((0.0, 0.5)),
    Field.CPPTYPE_BOOL: lambda chance: chance.random() < 0.5,
    Field.CPPTYPE_ENUM: lambda chance: chance.choice((0, 1)),
}
#: A few messages and fields, so that changes meet; of other messages the first two fields.
FIELDS = {
    "Relation": ("common", "sql", "project", "filter", "with_relations"),
    "RelationCommon": ("plan_id", "origin"),
    "SQL": ("query", "args", "named_arguments", "pos_arguments"),
    "Project": ("input", "expressions"),
    "Filter": ("input", "condition"),
    "WithRelations": ("root", "references"),
    "Expression": ("common", "literal", "alias", "unresolved_function"),
    "Alias": ("expr", "name", "metadata"),
    "UnresolvedFunction": ("function_name", "arguments", "is_distinct"),
    "Literal": ("integer", "string", "array", "null"),
    "DataType": ("long", "struct", "array", "udt"),
    "StructField": ("name", "data_type", "metadata"),
}


def copying_classes() -> dict[str, Any]:
    """Classes of the same messages that protobuf copies."""
    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()

    def add(file: Any) -> None:
        if file.name not in added:
            added.add(file.name)
            for other in file.dependencies:
                add(other)
            description = descriptor_pb2.FileDescriptorProto()
            file.CopyToProto(description)
            pool.Add(description)

    add(proto.base_pb2.DESCRIPTOR)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"spark.connect.{name}"))
        for name in ROOTS
    }


class Side:
    """One kind of messages, and all of them that are still held, in the order they were taken."""

    def __init__(self, classes: dict[str, Any]) -> None:
        self.held = [classes[name]() for name in ROOTS]

    def change(self, seed: int) -> str:
        """Make the change that belongs to a seed; says what it was."""
        chance = random.Random(seed)
        target = self._walk(chance)
        name = target.DESCRIPTOR.name
        what = chance.choice(
            (
                "set",
                "set",
                "set",
                "list",
                "list",
                "copy",
                "copy",
                "merge",
                "merge",
                "clear",
                "parse",
                "add",
                "in",
            )
        )
        alike = [
            message for message in self.held if message.DESCRIPTOR.full_name == target.DESCRIPTOR.full_name
        ]
        source = chance.choice(alike) if alike else type(target)()
        if what in ("copy", "merge") and not (holds(source, target) or holds(target, source)):
            (target.CopyFrom if what == "copy" else target.MergeFrom)(source)
        elif what == "clear":
            target.ClearField(field_of(target, chance).name) if chance.random() < 0.8 else target.Clear()
        elif what == "parse":
            (target.ParseFromString if chance.random() < 0.3 else target.MergeFromString)(bytes_of(source))
        elif what == "in":
            target.SetInParent()
        else:
            self._set(target, field_of(target, chance), chance, what)
        if chance.random() < 0.3 and len(self.held) < 30:
            self.held.append(target)
        return f"{what} {name}"

    def in_roots(self) -> list[int]:
        """Which of the held messages are in one of the roots, or are one."""
        roots = self.held[: len(ROOTS)]
        return [at for at, message in enumerate(self.held) if any(holds(root, message) for root in roots)]

    def keep(self, kept: list[int]) -> None:
        """Let go of the others."""
        self.held = [self.held[at] for at in kept]

    def _walk(self, chance: random.Random) -> Any:
        message = chance.choice(self.held)
        while chance.random() < 0.75:
            field = field_of(message, chance)
            if field.message_type is None or field.message_type.GetOptions().map_entry:
                return message
            value = getattr(message, field.name)
            if field.is_repeated:
                if not value:
                    return message
                value = value[chance.randrange(len(value))] if chance.random() < 0.7 else list(value)[-1]
            message = value
        return message

    def _set(self, target: Any, field: Any, chance: random.Random, what: str) -> None:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            values, key = getattr(target, field.name), chance.choice("ab")
            inner = field.message_type.fields_by_name["value"]
            if inner.message_type is None:
                values[key] = scalar(inner, chance)
            else:
                values[key].SetInParent()
                self.held.append(values[key])
        elif field.is_repeated:
            self._change_list(target, field, chance, what)
        elif field.message_type is not None:
            getattr(target, field.name).SetInParent()
        else:
            setattr(target, field.name, scalar(field, chance))

    def _change_list(self, target: Any, field: Any, chance: random.Random, what: str) -> None:
        values = getattr(target, field.name)
        if len(values) > 4:
            del values[chance.randrange(len(values))]
        elif field.message_type is None:
            values.append(scalar(field, chance))
        elif what == "add":
            self.held.append(values.add())
        else:
            full_name = field.message_type.full_name
            alike = [message for message in self.held if message.DESCRIPTOR.full_name == full_name]
            alike = [message for message in alike if not holds(message, target)]
            some = chance.sample(alike, min(len(alike), 2))
            way = chance.randrange(6)
            if way < 3:
                values.extend(some)
            elif way == 3 and some:
                values.append(some[0])
            elif way == 4 and some:
                values.insert(0, some[0])
            elif values:
                self.held.append(values.pop())
            values.reverse() if chance.random() < 0.2 else None


def field_of(message: Any, chance: random.Random) -> Any:
    description = message.DESCRIPTOR
    names = FIELDS.get(description.name) or [field.name for field in description.fields[:2]]
    return description.fields_by_name[chance.choice(names)] if names else NoField


class NoField:
    """Stands for a field of a message that has none."""

    name = "no_field"
    message_type = None
    is_repeated = False


def scalar(field: Any, chance: random.Random) -> Any:
    if field.full_name == "google.protobuf.Any.type_url":  # it would be unpacked to be compared
        return ""
    if field.type == Field.TYPE_STRING:
        return chance.choice(("", "a", "é" * 70))
    if field.type == Field.TYPE_BYTES:
        return chance.choice((b"", b"\0\xff" * 80))
    return SCALARS[field.cpp_type](chance)


def holds(message: Any, part: Any) -> bool:
    """Whether `part` is `message` or in it. Protobuf in pure Python does not end copying a message into itself."""
    seen = [message]
    while seen:
        found = seen.pop()
        if found is part:
            return True
        for field, value in found._fields.items():
            if field.message_type is None:
                continue
            if field.message_type.GetOptions().map_entry:
                seen += [inner for inner in value._values.values() if hasattr(inner, "_fields")]
            else:
                seen += value._values if field.is_repeated else [value]
    return False


def bytes_of(message: Any) -> bytes:
    encoded: bytes = message.SerializeToString(deterministic=True)
    return encoded


def check(seed: int, steps: int, copying: dict[str, Any]) -> None:
    """Make one run of changes; AssertionError when the two kinds differ."""
    sharing = {name: getattr(proto, name) for name in ROOTS}
    sides = Side(sharing), Side(copying)
    done = []
    for step in range(steps):
        outcomes = []
        for side in sides:
            try:
                outcomes.append(side.change(seed * 1_000_003 + step))
            except (ValueError, AttributeError) as error:  # of a message that has no fields
                outcomes.append(f"{type(error).__name__}")
        done.append(outcomes[0])
        assert outcomes[0] == outcomes[1], (seed, step, outcomes)
        # What a message has dropped is let go: protobuf in pure Python still tells that message of its changes.
        kept = sides[1].in_roots()
        for side in sides:
            side.keep(kept)
        for mine, theirs in zip(sides[0].held, sides[1].held, strict=True):
            assert bytes_of(mine) == bytes_of(theirs), (seed, step, done[-5:], mine, theirs)
            assert mine.ByteSize() == theirs.ByteSize()
        if step % 50 == 49:
            for mine, theirs in zip(sides[0].held, sides[1].held, strict=True):
                assert text_format.MessageToString(mine) == text_format.MessageToString(theirs), (seed, step)
                assert type(mine).FromString(bytes_of(theirs)) == mine


def number_of(argument: Any) -> int:
    argument.alias.name.append("seen")
    number: int = argument.alias.expr.literal.integer
    return number


def chosen_changes(classes: dict[str, Any]) -> list[bytes]:
    """Changes that seldom come together by chance."""
    first, second, third = (classes["Relation"]() for _ in range(3))
    first.sql.named_arguments["a"].literal.integer = 1
    first.sql.named_arguments["b"].alias.expr.literal.integer = 2
    arguments = first.sql.pos_arguments
    for number in (5, 3, 4):
        arguments.add().alias.expr.literal.integer = number
    second.CopyFrom(first)
    third.CopyFrom(second)
    second.sql.named_arguments["a"].literal.integer = 7
    second.sql.named_arguments["b"].alias.expr.literal.integer = 8
    popped = third.sql.pos_arguments.pop()
    popped.alias.expr.literal.integer = 9
    second.sql.pos_arguments.sort(key=number_of)
    second.sql.pos_arguments[0].alias.name.append("sorted")
    whole = classes["Relation"]()
    whole.filter.input.CopyFrom(first)
    whole.filter.input.project.SetInParent()
    other = classes["Relation"]()
    other.filter.input.CopyFrom(second)
    again = classes["Relation"]()
    again.CopyFrom(other)
    again.MergeFrom(whole)
    other.MergeFrom(other.filter.input)
    other.filter.condition.CopyFrom(popped)
    condition = other.filter.condition
    again.filter.CopyFrom(other.filter)
    condition.alias.expr.literal.integer = 10
    again.filter.condition.alias.expr.literal.integer = 11
    for part in again.filter.input.sql.pos_arguments:
        part.alias.expr.literal.integer += 100
    for _, value in again.filter.ListFields():
        value.Clear()
    return [bytes_of(message) for message in (first, second, third, popped, whole, other, again, condition)]


def main() -> None:
    assert api_implementation.Type() == "python"
    assert share_messages()
    warnings.simplefilter("error", FutureWarning)  # protobuf's, when a snapshot is changed
    copying = copying_classes()
    assert chosen_changes({name: getattr(proto, name) for name in ROOTS}) == chosen_changes(copying)
    first, count = map(int, sys.argv[1:])
    for seed in range(first, first + count):
        check(seed, 150, copying)
    print(count)


if __name__ == "__main__":
    main()
