"""The exceptions of pyarrow, under pyarrow's names, for code that catches or prints them.

Base classes are those of pyarrow 26, so that ``except ValueError`` catches an ``ArrowInvalid`` here as there.
"""

from __future__ import annotations


class ArrowException(Exception):
    """Base of all Arrow errors."""


class ArrowInvalid(ValueError, ArrowException):
    """A value or a byte stream is not valid Arrow, or does not fit the type asked for."""


class ArrowTypeError(TypeError, ArrowException):
    """A Python object has the wrong type for the Arrow type asked for."""


class ArrowNotImplementedError(NotImplementedError, ArrowException):
    """Valid Arrow that this implementation does not handle."""


class ArrowKeyError(KeyError, ArrowException):
    """An unknown field name."""


class ArrowIndexError(IndexError, ArrowException):
    """An index out of bounds."""


class ArrowCapacityError(ArrowException):
    """More data than the type's offsets can address."""


class ArrowSerializationError(ArrowException):
    """An object cannot be serialized."""


class ArrowMemoryError(MemoryError, ArrowException):
    """Memory could not be allocated."""


ArrowIOError = OSError

for _error in (
    ArrowException,
    ArrowInvalid,
    ArrowTypeError,
    ArrowNotImplementedError,
    ArrowKeyError,
    ArrowIndexError,
    ArrowCapacityError,
    ArrowSerializationError,
    ArrowMemoryError,
):
    _error.__module__ = "pyarrow.lib"
