"""Makes protobuf's messages in pure Python faster to construct and to set.

protobuf makes five objects for each message: itself, two dictionaries, and two that tell of changes. Most messages of a
plan have no parts that could change, so what tells a message of changes of its parts is made for the first one it gets.
Fields that hold a scalar are set here when the value has exactly the type and range of the field. Any other value, and
any other argument of a constructor, is left to protobuf's own code, which converts it or says what is wrong with it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Final

__all__ = [
    "NOBODY",
    "constructor",
    "list_constructor",
    "modified",
    "part_constructor",
    "reading",
    "setting",
    "telling",
    "updating",
]


class _Nobody:
    """Whom a message tells of its changes that is in no other one."""

    __slots__ = ()

    def Modified(self) -> None:
        pass


NOBODY: Final = _Nobody()


class _Telling:
    """Tells a message that one of its parts or lists has changed."""

    __slots__ = ("__weakref__", "_parent", "dirty")

    def __init__(self, parent: Any, dirty: bool) -> None:
        self._parent = weakref.ref(parent)
        self.dirty = dirty

    def Modified(self) -> None:
        if not self.dirty:
            parent = self._parent()
            if parent is not None:
                parent._Modified()


class _TellingOfOne:
    """Tells a message that the part in a field has changed which is one of several that exclude each other."""

    __slots__ = ("__weakref__", "_field", "_parent")

    dirty = False  # it is always told

    def __init__(self, parent: Any, field: Any) -> None:
        self._parent = weakref.ref(parent)
        self._field = field

    def Modified(self) -> None:
        parent = self._parent()
        if parent is not None:
            parent._UpdateOneofState(self._field)
            if not parent._cached_byte_size_dirty:
                parent._Modified()


def telling(message: Any) -> Any:
    """What tells a message that a part of it has changed."""
    found = message._listener_for_children
    if found is None:
        found = _Telling(message, message._cached_byte_size_dirty)
        message._listener_for_children = found
    return found


def modified(self: Any) -> None:
    """Protobuf's `_Modified`: note that the message has changed, and tell the one it is in, once."""
    if not self._cached_byte_size_dirty:
        self._cached_byte_size_dirty = True
        if self._listener_for_children is not None:
            self._listener_for_children.dirty = True
        self._is_present_in_parent = True
        self._listener.Modified()


def updating(self: Any, field: Any) -> None:
    """Protobuf's `_UpdateOneofState`: a field was set that excludes others."""
    oneof, oneofs = field.containing_oneof, self._oneofs
    other = oneofs.get(oneof)
    if other is not field:
        if other is not None:
            del self._fields[other]
        oneofs[oneof] = field


def constructor(cls: Any, original: Callable[..., None], assign: Callable[[Any, Any, Any], bool]) -> Any:
    """A constructor for messages of a class.

    Args:
        cls: the class.
        original: protobuf's own constructor, which is given the arguments that are unusual.
        assign: puts a message of a field's class into that field, or says that it is none.
    """
    fields = {field.name: field for field in cls.DESCRIPTOR.fields if not field.is_repeated}

    def __init__(self: Any, **values: Any) -> None:
        self._cached_byte_size = 0
        self._cached_byte_size_dirty = False
        self._fields = {}
        self._oneofs = {}
        self._unknown_fields = ()
        self._is_present_in_parent = False
        self._listener = NOBODY
        self._listener_for_children = None
        self._frozen = False
        if not values:
            return
        self._cached_byte_size_dirty = True
        for name, value in values.items():
            field = fields.get(name)
            if field is None:
                break
            if value is None:
                continue
            if field.message_type is not None:
                if not assign(self, field, value):
                    break
            elif field.enum_type is not None:
                break
            else:
                try:
                    setattr(self, name, value)
                except (TypeError, ValueError):
                    break
        else:
            return
        original(self, **values)

    return __init__


def list_constructor(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Makes the list or map of a field, which tells its message of changes."""

    def make(message: Any) -> Any:
        if not message._frozen:
            telling(message)
        return original(message)

    return make


def part_constructor(field: Any) -> Callable[[Any], Any]:
    """Makes the message in a field, which tells the message it is in of changes."""
    cls, new = field.message_type._concrete_class, object.__new__
    alone = field.containing_oneof is None

    def make(message: Any) -> Any:
        part: Any = new(cls)
        part._cached_byte_size = 0
        part._cached_byte_size_dirty = False
        part._fields = {}
        part._oneofs = {}
        part._unknown_fields = ()
        part._is_present_in_parent = False
        part._listener = telling(message) if alone else _TellingOfOne(message, field)
        part._listener_for_children = None
        part._frozen = False
        return part

    return make


def reading(field: Any, original: Any, own_part: Callable[[Any, Any, Any], Any], snapshot: object) -> Any:
    """The property of a field that holds a message, e.g. `root` of a plan.

    Args:
        field: the field.
        original: protobuf's own property.
        own_part: puts a message that may change in the place of a snapshot.
        snapshot: what `_frozen` of a snapshot is.
    """
    read, make = original.fget, field._default_constructor

    def getter(self: Any) -> Any:
        value = self._fields.get(field)
        if value is None:
            if self._frozen:
                return read(self)
            value = self._fields[field] = make(self)
        elif value._frozen is snapshot and self._frozen is not snapshot:
            return own_part(self, field, value)
        return value

    getter.__doc__ = read.__doc__
    return type(original)(field, getter, original.fset, read.__doc__)


def setting(field: Any, original: Any) -> Any:
    """The property of a field that holds a scalar, e.g. `function_name` of a function's call."""
    usual = next(
        (usual for name, usual in _USUAL.items() if field.type == getattr(field, f"TYPE_{name}")), None
    )
    if usual is None:
        return original
    kind: Any
    kind, least, most = usual
    set_any, oneof, always = original.fset, field.containing_oneof, field.has_presence

    def setter(self: Any, value: Any) -> None:
        if (
            type(value) is not kind
            or self._frozen
            or not (value or always)
            or (least is not None and not least <= value <= most)
            or (kind is str and not value.isascii())
        ):
            set_any(self, value)
            return
        self._fields[field] = value
        if oneof is not None:
            other = self._oneofs.get(oneof)
            if other is not field:
                if other is not None:
                    del self._fields[other]
                self._oneofs[oneof] = field
        if not self._cached_byte_size_dirty:
            self._Modified()

    return type(original)(field, original.fget, setter, original.fget.__doc__)


#: Of kinds of fields: the type and, of numbers, the least and the highest of the values that are stored as they are.
_USUAL: Final[dict[str, tuple[type, Any, Any]]] = {
    "INT32": (int, -(1 << 31), (1 << 31) - 1),
    "ENUM": (int, -(1 << 31), (1 << 31) - 1),
    "INT64": (int, -(1 << 63), (1 << 63) - 1),
    "UINT32": (int, 0, (1 << 32) - 1),
    "UINT64": (int, 0, (1 << 64) - 1),
    "STRING": (str, None, None),
    "BYTES": (bytes, None, None),
    "BOOL": (bool, None, None),
    "DOUBLE": (float, None, None),
}
