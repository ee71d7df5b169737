"""Plans of any size with protobuf in pure Python, as it is in a browser: parts are shared, nothing recurses.

PySpark builds a plan from its leaves: each step copies what is below it into a new message. Compiled protobuf does
that fast enough. In pure Python 300 steps took nine seconds, and some steps more ended in a RecursionError.

With `share_messages` a copy holds snapshots of the parts of its original. A snapshot is a message that nobody can reach
and that never changes, so the next copy holds the same one, and its size is computed once. Whoever reads a part, an
element or the fields of a message gets a message of its own in the snapshot's place, with the same snapshots in it.
So each message can be changed at any time, as protobuf says, and only what is new since the last copy is copied.

Sizes and bytes are computed with a stack of their own instead of Python's. The same bytes come out.
docs/decisions/plans.md says why it is done this way.
"""

from __future__ import annotations

import importlib
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from pyspark_connect_web.errors import UnsupportedVersion
from pyspark_connect_web.patches.apply import check_version, find
from pyspark_connect_web.patches.message_bytes import (
    KINDS,
    MANY,
    MAP,
    ONE,
    PLAIN,
    SMALL,
    TEXT,
    pieces_of_list,
    refer,
    varint,
)
from pyspark_connect_web.patches.message_fields import (
    constructor,
    list_constructor,
    modified,
    part_constructor,
    reading,
    setting,
    telling,
    updating,
)
from pyspark_connect_web.patches.table import PATCHES

__all__ = ["new_snapshot", "put_copy", "share_messages", "snapshot_of"]

_INTERNAL = "google.protobuf.internal"


class _Snapshot:
    """What `_frozen` of a snapshot and of its lists is; True is protobuf's own, for options."""

    __slots__ = ()


_SNAPSHOT: Final = _Snapshot()
_NUMBER: Final = operator.attrgetter("number")
_new: Final = object.__new__

# The fields that hold a message, and those that hold a list of messages, with their tags. Maps are in neither.
_one: dict[Any, bytes] = {}
_many: dict[Any, bytes] = {}
# Of any other field: what measures its value, what writes it, and whether it is left out when empty (lists, maps).
_codecs: dict[Any, tuple[Callable[[Any], int], Callable[..., object], bool]] = {}
_patched: set[Any] = set()
# The names in PySpark's package of messages whose messages are patched: a kernel's start asks again.
_known: set[str] = set()


def share_messages() -> bool:
    """Let the messages of Spark Connect share their parts, where protobuf is pure Python. Idempotent.

    Returns:
        False where protobuf is compiled, or of a version that was not tested: there messages are copied.
    """
    implementation: Any = importlib.import_module(f"{_INTERNAL}.api_implementation")
    if implementation.Type() != "python":
        return False
    protocol: Any = importlib.import_module("pyspark.sql.connect.proto")
    if _patched and _known.issuperset(vars(protocol)):
        return True
    classes = [cls for cls in _message_classes(protocol) if cls not in _patched]
    try:
        check_version("protobuf")
        for patch in PATCHES:
            if patch.package == "protobuf":
                find(patch.target)
    except UnsupportedVersion:
        return False
    functions = {
        "ByteSize": _byte_size,
        "_InternalSerialize": _serializer(),
        "_Modified": modified,
        "SetInParent": modified,
        "_UpdateOneofState": updating,
    }
    if not any(field.is_required for cls in classes for field in cls.DESCRIPTOR.fields):
        functions["IsInitialized"] = _is_initialized
    list_class = _list_class()
    for cls in classes:
        _patched.add(cls)
        _patch_fields(cls, list_class)
        cls.__init__ = constructor(cls, cls.__init__, _assigned)
        for name, make in _METHODS.items():
            setattr(cls, name, make(getattr(cls, name)))
        for name, function in functions.items():
            setattr(cls, name, function)
    _known.update(vars(protocol))
    return True


def _message_classes(protocol: Any) -> Iterator[Any]:
    """The classes of all messages of Spark Connect and of what these hold, but for the entries of maps."""
    waiting = [
        descriptor
        for module in list(vars(protocol).values())
        for descriptor in getattr(getattr(module, "DESCRIPTOR", None), "message_types_by_name", {}).values()
    ]
    seen = set()
    while waiting:
        descriptor = waiting.pop()
        if descriptor.full_name in seen:
            continue
        seen.add(descriptor.full_name)
        waiting += descriptor.nested_types
        waiting += [field.message_type for field in descriptor.fields if field.message_type is not None]
        if not descriptor.GetOptions().map_entry:
            yield descriptor._concrete_class


def _patch_fields(cls: Any, list_class: Any) -> None:
    """Replace the properties of a class's fields that hold a message, e.g. `root`, or a scalar, e.g. `user_id`."""
    encoder: Any = importlib.import_module(f"{_INTERNAL}.encoder")
    for field in cls.DESCRIPTOR.fields:
        original = cls.__dict__[field.name]
        if field.message_type is None and not field.is_repeated:
            setattr(cls, field.name, setting(field, original))
        elif field.message_type is None or field.message_type.GetOptions().map_entry:
            field._default_constructor = list_constructor(field._default_constructor)
        elif field.is_repeated:
            _many[field] = encoder.TagBytes(field.number, 2)
            field._default_constructor = list_constructor(_list_constructor(field, list_class))
        else:
            _one[field] = encoder.TagBytes(field.number, 2)
            field._default_constructor = part_constructor(field)
            setattr(cls, field.name, reading(field, original, _own_part, _SNAPSHOT))


# --- snapshots


def _snapshot(message: Any) -> Any:
    """A message with the same content that never changes, with its bytes; of a snapshot, itself."""
    if message._frozen is _SNAPSHOT:
        return message
    copied = _new(message.__class__)
    copied._frozen = _SNAPSHOT
    copied._is_present_in_parent = True
    copied._cached_byte_size_dirty = False
    copied._listener_for_children = None  # nobody is told of what never happens
    copied._fields = fields = {}
    given = message._fields
    large: list[Any] = []  # the rope as far as the last piece that is not copied
    pieces: list[bytes] = []
    size, unordered = 0, False
    for field in given if len(given) < 2 else sorted(given, key=_NUMBER):
        value = given[field]
        kind, tag, encode = KINDS[field]
        if kind == ONE:
            if not value._is_present_in_parent:
                continue
            fields[field] = part = value if value._frozen is _SNAPSHOT else _snapshot(value)
            data = part._listener
            if type(data) is bytes:
                pieces += (tag, varint(len(data)), data)
            else:
                pieces += (tag, varint(part._cached_byte_size))
                size += part._cached_byte_size + refer(large, pieces, part)
        elif kind == PLAIN:
            fields[field] = value
            pieces.append(encode(value))
        elif kind == TEXT:
            fields[field] = value
            data = encode(value)
            pieces += (tag, varint(len(data)))
            if len(data) <= SMALL:
                pieces.append(data)
            else:
                size += len(data) + refer(large, pieces, data)
        elif kind == MANY:
            if not value._values:
                continue
            fields[field] = several = field._default_constructor(copied)
            several._frozen = _SNAPSHOT
            several._values = parts = [_snapshot(part) for part in value._values]
            for part in parts:
                data = part._listener
                if type(data) is bytes:
                    pieces += (tag, varint(len(data)), data)
                else:
                    pieces += (tag, varint(part._cached_byte_size))
                    size += part._cached_byte_size + refer(large, pieces, part)
        elif value:
            fields[field] = several = field._default_constructor(copied)
            _fill(several, value)
            if kind == MAP:  # in which order it is written is said when it is
                unordered = True
            else:
                pieces += pieces_of_list(field, value)
    oneofs = message._oneofs
    copied._oneofs = (
        oneofs.copy()
        if len(fields) == len(given)
        else {oneof: field for oneof, field in oneofs.items() if field in fields}
    )
    copied._unknown_fields = ()
    if message._unknown_fields:
        copied._unknown_fields = tuple(message._unknown_fields)
        for unknown in message._unknown_fields:
            pieces += unknown
    # A snapshot's rope is where a message names whom to tell of changes.
    if unordered:
        copied._listener = None
        copied._cached_byte_size = _measured(copied)
        return copied
    last = b"".join(pieces)
    copied._cached_byte_size = size + len(last)
    if large:
        if last:
            large.append(last)
        copied._listener = large
    else:
        copied._listener = last if len(last) <= SMALL else [last]
    return copied


def snapshot_of(message: Any) -> Any:
    """A message with the same content that never changes, with its bytes; of such a message, itself."""
    return _snapshot(message)


def new_snapshot(cls: Any, fields: dict[Any, Any], oneofs: dict[Any, Any], data: bytes) -> Any:
    """A message that never changes, made of what is known.

    Args:
        cls: its class.
        fields: what it holds; messages must be snapshots.
        oneofs: which field is set of several that exclude each other.
        data: its bytes, at most `SMALL` of them.
    """
    made = _new(cls)
    made._frozen = _SNAPSHOT
    made._is_present_in_parent = True
    made._cached_byte_size = len(data)
    made._cached_byte_size_dirty = False
    made._listener_for_children = None
    made._fields = fields
    made._oneofs = oneofs
    made._unknown_fields = ()
    made._listener = data
    return made


def _snapshots(message: Any, owner: Any) -> dict[Any, Any]:
    """The fields of a message for another one: snapshots of its parts, copies of its lists and maps."""
    fields = {}
    for field, value in message._fields.items():
        kind = KINDS[field][0]
        if kind == ONE:
            if value._is_present_in_parent:
                fields[field] = value if value._frozen is _SNAPSHOT else _snapshot(value)
        elif kind == MANY:
            if value._values:
                fields[field] = copied = field._default_constructor(owner)
                copied._values = [_snapshot(part) for part in value._values]
        elif kind in (PLAIN, TEXT):
            fields[field] = value
        elif value:
            fields[field] = copied = field._default_constructor(owner)
            _fill(copied, value)
    return fields


def _fill(copied: Any, value: Any) -> None:
    """Copy a list of scalars, or a map, into a new one that nobody watches yet."""
    copied._values = value._values.copy()
    if not isinstance(value._values, dict):
        return
    for key, found in value._values.items():
        if not hasattr(found, "_fields"):
            return
        snapshot = _snapshot(found)
        if copied._message_listener is not None:  # the owner may change, and a map gives what it holds
            own = copied._values[key] = found.__class__()
            own._SetListener(copied._message_listener)
            _filled(own, snapshot)
        else:
            copied._values[key] = snapshot


def put_copy(message: Any, field: Any, value: Any) -> None:
    """Put a copy of a message into a field of another one, in the place of what is there.

    Raises:
        TypeError: it is no message of that field.
    """
    if not _assigned(message, field, value):
        getattr(message, field.name).CopyFrom(value)  # which says that it cannot be
    message._Modified()


def _assigned(message: Any, field: Any, value: Any) -> bool:
    """Put a copy of a message into a field of a new one; False where it is no message of that field."""
    if type(value) is not field.message_type._concrete_class:
        return False
    message._fields[field] = _snapshot(value)
    if field.containing_oneof is not None:
        message._UpdateOneofState(field)
    return True


def _own_part(message: Any, field: Any, snapshot: Any) -> Any:
    """Put a message of its own in the place of a snapshot."""
    part = message._fields[field] = field._default_constructor(message)
    return _filled(part, snapshot)


def _filled(message: Any, snapshot: Any) -> Any:
    """Give a new message the content of a snapshot; its owner has that already, so it is not told."""
    message._fields = _snapshots(snapshot, message)
    message._oneofs = snapshot._oneofs.copy()
    if snapshot._unknown_fields:
        message._unknown_fields = list(snapshot._unknown_fields)
    message._is_present_in_parent = True
    message._cached_byte_size = snapshot._cached_byte_size
    message._cached_byte_size_dirty = False
    if message._listener_for_children is not None:
        message._listener_for_children.dirty = False
    return message


def _list_constructor(field: Any, list_class: Any) -> Callable[[Any], Any]:
    def make(message: Any) -> Any:
        return list_class(message._listener_for_children, field.message_type)

    return make


def _list_class() -> Any:
    containers: Any = importlib.import_module(f"{_INTERNAL}.containers")

    class SharingList(containers.RepeatedCompositeFieldContainer):  # type: ignore[misc]
        """A list of messages that gives one of its own where it holds a snapshot."""

        __slots__ = ()

        def __getitem__(self, key: Any) -> Any:
            if isinstance(key, slice):
                return [self[index] for index in range(*key.indices(len(self._values)))]
            value = self._values[key]
            if value._frozen is _SNAPSHOT and self._frozen is not _SNAPSHOT:
                snapshot, value = value, self._message_descriptor._concrete_class()
                value._SetListener(self._message_listener)
                self._values[key] = _filled(value, snapshot)
            return value

        def __iter__(self) -> Iterator[Any]:
            index = 0
            while index < len(self._values):
                yield self[index]
                index += 1

        def pop(self, key: int = -1) -> Any:
            value = self[key]
            del self[key]
            return value

        def sort(self, *args: Any, **kwargs: Any) -> None:
            list(self)  # a key is given messages
            super().sort(*args, **kwargs)

        def append(self, value: Any) -> None:
            self.extend([value])

        def extend(self, elem_seq: Iterable[Any]) -> None:
            self._AssureWritable()
            kind = self._message_descriptor._concrete_class
            values = self._values
            for message in elem_seq:
                if type(message) is not kind:
                    kind().MergeFrom(message)  # which says that it cannot be
                values.append(_snapshot(message))
            self._message_listener.Modified()

    return SharingList


# --- the methods of a message


def _merge_from(original: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def MergeFrom(self: Any, msg: Any) -> None:
        self._AssureWritable()
        fields = self._fields
        if type(msg) is not type(self) or msg is self:
            original(self, msg)  # which says that it cannot be
        elif fields:
            for field in msg._fields:
                if field in _one and field in fields and fields[field]._frozen is _SNAPSHOT:
                    _own_part(self, field, fields[field])
            original(self, msg)
        else:
            copied = _snapshots(msg, self)
            self._Modified()
            fields.update(copied)
            self._oneofs.update((oneof, field) for oneof, field in msg._oneofs.items() if field in copied)
            if msg._unknown_fields:
                self._unknown_fields = list(msg._unknown_fields)

    return MergeFrom


def _copy_from(original: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def CopyFrom(self: Any, other_msg: Any) -> None:
        if type(other_msg) is not type(self) or other_msg is self or self._frozen:
            original(self, other_msg)
            return
        fields = _snapshots(other_msg, self)
        self._fields = fields
        oneofs = other_msg._oneofs
        self._oneofs = (
            oneofs.copy()
            if len(fields) == len(other_msg._fields)
            else {oneof: field for oneof, field in oneofs.items() if field in fields}
        )
        self._unknown_fields = list(other_msg._unknown_fields) if other_msg._unknown_fields else ()
        if not self._cached_byte_size_dirty:
            self._Modified()

    return CopyFrom


def _merge_from_string(original: Callable[[Any, bytes], int]) -> Callable[[Any, bytes], int]:
    def MergeFromString(self: Any, serialized: bytes) -> int:
        # What is there already is added to in place.
        waiting = [self] if self._fields else []
        while waiting:
            for field, value in waiting.pop().ListFields():
                waiting += (value,) if field in _one else value if field in _many else ()
        return original(self, serialized)

    return MergeFromString


def _internal_parse(original: Callable[..., int]) -> Callable[..., int]:
    def _InternalParse(self: Any, *arguments: Any) -> int:
        telling(self)  # what is parsed gets its parts from protobuf's own constructors
        return original(self, *arguments)

    return _InternalParse


def _list_fields(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def ListFields(self: Any) -> Any:
        if self._frozen is not _SNAPSHOT:
            for field, value in self._fields.items():
                if field in _one and value._frozen is _SNAPSHOT:
                    _own_part(self, field, value)
        return original(self)

    return ListFields


def _is_initialized(self: Any, errors: list[str] | None = None) -> bool:
    return True  # no message of Spark Connect has a required field


_METHODS: Final[dict[str, Callable[[Any], Any]]] = {
    "MergeFrom": _merge_from,
    "CopyFrom": _copy_from,
    "_InternalParse": _internal_parse,
    "MergeFromString": _merge_from_string,
    "ListFields": _list_fields,
}


# --- sizes and bytes


def _byte_size(self: Any) -> int:
    waiting = [self] if self._cached_byte_size_dirty else []
    while waiting:
        message = waiting[-1]
        inner = [part for part in _parts(message) if part._cached_byte_size_dirty]
        if inner:
            waiting += inner
            continue
        waiting.pop()
        message._cached_byte_size = _measured(message)
        message._cached_byte_size_dirty = False
        if message._listener_for_children is not None:
            message._listener_for_children.dirty = False
    size: int = self._cached_byte_size
    return size


def _parts(message: Any) -> Iterator[Any]:
    for field, value in message._fields.items():
        if field in _one:
            yield value
        elif field in _many:
            yield from value._values


def _measured(message: Any) -> int:
    """A message's size; those of its parts are known."""
    size = 0
    for field, value in message._fields.items():
        if field in _one:
            if value._is_present_in_parent:
                inner = value._cached_byte_size
                size += len(_one[field]) + _varint_size(inner) + inner
        elif field in _many:
            size += len(_many[field]) * len(value._values)
            for part in value._values:
                inner = part._cached_byte_size
                size += _varint_size(inner) + inner
        else:
            measure, _, left_out = _codecs.get(field) or _codec(message, field)
            if value or not left_out:
                size += measure(value)
    for tag, data in message._unknown_fields:
        size += len(tag) + len(data)
    return size


def _varint_size(value: int) -> int:
    return 1 if value < 128 else (value.bit_length() + 6) // 7


def _codec(message: Any, field: Any) -> tuple[Callable[[Any], int], Callable[..., object], bool]:
    internals: Any = importlib.import_module(f"{_INTERNAL}.python_message")
    internals._MaybeAddEncoder(type(message), field)
    given = vars(field)
    _codecs[field] = given["_sizer"], given["_encoder"], field.is_repeated
    return _codecs[field]


def _serializer() -> Callable[..., Any]:
    implementation: Any = importlib.import_module(f"{_INTERNAL}.api_implementation")
    encoder: Any = importlib.import_module(f"{_INTERNAL}.encoder")
    write_varint = encoder._EncodeVarint

    def _InternalSerialize(
        self: Any, write: Callable[[bytes], object], deterministic: bool | None = None
    ) -> None:
        if deterministic is None:
            deterministic = implementation.IsPythonDefaultSerializationDeterministic()
        self.ByteSize()
        entered: list[Iterator[Any]] = [_written(self, write, write_varint, bool(deterministic))]
        while entered:
            part = next(entered[-1], None)
            if part is None:
                entered.pop()
                continue
            piece = part._listener if type(part) is not bytes and part._frozen is _SNAPSHOT else part
            if type(piece) is bytes:
                write(piece)
            elif type(piece) is list:
                entered.append(iter(piece))
            else:
                entered.append(_written(part, write, write_varint, bool(deterministic)))

    return _InternalSerialize


def _written(
    message: Any, write: Callable[[bytes], object], write_varint: Callable[..., object], deterministic: bool
) -> Iterator[Any]:
    """Write a message's fields; gives each part whose tag and length are written, which then has to be written."""
    for field, value in ((field, message._fields[field]) for field in sorted(message._fields, key=_NUMBER)):
        if field in _one:
            if value._is_present_in_parent:
                write(_one[field])
                write_varint(write, value._cached_byte_size)
                if value._cached_byte_size:
                    yield value
        elif field in _many:
            for part in value._values:
                write(_many[field])
                write_varint(write, part._cached_byte_size)
                if part._cached_byte_size:
                    yield part
        else:
            _, encode, left_out = _codecs.get(field) or _codec(message, field)
            if value or not left_out:
                encode(write, value, deterministic)
    for tag, data in message._unknown_fields:
        write(tag)
        write(data)
