"""The bytes of protobuf messages in pure Python: what a snapshot of a message is written as, made once.

A rope is the bytes of a message: one piece or, of a message that is not small, a list of pieces and of snapshots whose
own ropes come there. So a small message is copied into the bytes of the message it is in, and a large one is referred
to.
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Callable
from typing import Any, Final

__all__ = [
    "KINDS",
    "LIST",
    "MANY",
    "MAP",
    "ONE",
    "PLAIN",
    "SMALL",
    "TEXT",
    "pieces_of_list",
    "refer",
    "varint",
]

_INTERNAL = "google.protobuf.internal"

#: What a field holds: a message, messages, a string or bytes, another scalar, a list of scalars, a map.
ONE: Final = 0
MANY: Final = 1
TEXT: Final = 2
PLAIN: Final = 3
LIST: Final = 4
MAP: Final = 5

#: What is no longer than this is copied into the message it is in. It bounds the work at each step of a deep plan.
SMALL: Final = 1024

_SHORT: Final = [bytes((number,)) for number in range(128)]


def varint(value: int) -> bytes:
    """A number that is not negative, as protobuf writes it."""
    if value < 128:
        return _SHORT[value]
    if value < 16384:
        return bytes((value & 127 | 128, value >> 7))
    digits = []
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    digits.append(value)
    return bytes(digits)


class Kinds(dict[Any, tuple[int, bytes, Callable[[Any], bytes]]]):
    """Of a field: what it holds, its tag before a length, and what makes the bytes of a scalar with their tag."""

    def __missing__(self, field: Any) -> tuple[int, bytes, Callable[[Any], bytes]]:
        encoder: Any = importlib.import_module(f"{_INTERNAL}.encoder")
        made = self[field] = (_kind(field), encoder.TagBytes(field.number, 2), _plain(field, encoder))
        return made


KINDS: Final = Kinds()


def _kind(field: Any) -> int:
    if field.message_type is not None:
        if field.message_type.GetOptions().map_entry:
            return MAP
        return MANY if field.is_repeated else ONE
    if field.is_repeated:
        return LIST
    return TEXT if field.type in (field.TYPE_STRING, field.TYPE_BYTES) else PLAIN


def _plain(field: Any, encoder: Any) -> Callable[[Any], bytes]:
    tag = encoder.TagBytes(field.number, 0)
    if field.is_repeated:
        return lambda value: b"".join(pieces_of_list(field, value))
    if field.type == field.TYPE_STRING:
        return str.encode
    if field.type == field.TYPE_BYTES:
        return bytes
    if field.type == field.TYPE_BOOL:
        yes, no = tag + b"\1", tag + b"\0"
        return lambda value: yes if value else no
    if field.type in (field.TYPE_INT32, field.TYPE_INT64, field.TYPE_ENUM):
        return lambda value: tag + varint(value if value >= 0 else value + (1 << 64))
    if field.type in (field.TYPE_UINT32, field.TYPE_UINT64):
        return lambda value: tag + varint(value)
    if field.type == field.TYPE_DOUBLE:
        double, pack = encoder.TagBytes(field.number, 1), struct.Struct("<d").pack
        return lambda value: double + pack(value)
    return lambda value: b"".join(pieces_of_list(field, value))


def pieces_of_list(field: Any, value: Any) -> list[bytes]:
    """What protobuf's own encoder writes of a list, or of a scalar that is seldom met."""
    internals: Any = importlib.import_module(f"{_INTERNAL}.python_message")
    internals._MaybeAddEncoder(field.containing_type._concrete_class, field)
    pieces: list[bytes] = []
    vars(field)["_encoder"](pieces.append, value, False)
    return pieces


def refer(rope: list[Any], pieces: list[bytes], large: Any) -> int:
    """Add the pieces to a rope, joined, and then what is too large to be copied: bytes, or a snapshot.

    Returns:
        How many bytes the pieces were; there are none then.
    """
    run = b"".join(pieces)
    pieces.clear()
    rope += (run, large)
    return len(run)
