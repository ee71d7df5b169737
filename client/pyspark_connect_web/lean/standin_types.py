"""The classes of stand-ins: each knows which class of the real package it stands for.

PySpark asks ``isinstance(data, pd.DataFrame)`` to choose a code path. A naive stand-in would answer
``False`` for a real DataFrame and PySpark would go on to build rows of its column names: wrong data without
an error. So a stand-in class asks the real package, when it is loaded, and a hit switches PySpark to that
package (see ``lean.full``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

#: Attribute by which a stand-in module is told apart from the real one.
MARK = "__pcw_lean__"

_on_real: Callable[[str], None] | None = None
_on_missing: Callable[[str, str], object] | None = None
_convert: Callable[[object], object] | None = None


def on_real_object(callback: Callable[[str], None]) -> None:
    """Call ``callback(package)`` when a real object of ``package`` meets a stand-in class."""
    global _on_real
    _on_real = callback


def on_missing_attribute(callback: Callable[[str, str], object]) -> None:
    """Ask ``callback(package, "Class.attribute")`` for what a stand-in class does not have."""
    global _on_missing
    _on_missing = callback


def on_conversion(convert: Callable[[object], object]) -> None:
    """Use ``convert(stand_in_object)`` to make the real object for what a stand-in object cannot do."""
    global _convert
    _convert = convert


def real_object(standin: object) -> Any:
    """The real package's object with the content of a stand-in's."""
    if _convert is None:
        raise TypeError(f"{type(standin).__name__!r} objects cannot become real ones before `lean.install()`")
    return _convert(standin)


def is_standin(module: ModuleType | None) -> bool:
    """True for one of our stand-in modules, False for the real thing and for None."""
    return module is not None and MARK in vars(module)


def real_package(name: str) -> ModuleType | None:
    """The real ``name`` if something has fully imported it, else None. Never imports.

    A package that is still being imported does not count: its objects do not reach PySpark yet.
    """
    module = sys.modules.get(name)
    if module is None or is_standin(module):
        return None
    spec = getattr(module, "__spec__", None)
    if spec is not None and getattr(spec, "_initializing", False):
        return None
    return module


class StandInType(type):
    """Metaclass of stand-in classes; ``cls.__real__`` is ``(package, attribute)`` or absent."""

    def _real_class(cls) -> type | None:
        where = cls.__dict__.get("__real__")
        if where is None:
            return None
        package = real_package(where[0])
        found = getattr(package, where[1], None) if package is not None else None
        return found if isinstance(found, type) else None

    def _switch_package(cls) -> None:
        if _on_real is not None:
            _on_real(cls.__dict__["__real__"][0])

    def __getattr__(cls, name: str) -> object:
        where = cls.__dict__.get("__real__")
        if where is None or _on_missing is None or name.startswith("_"):
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        return _on_missing(where[0], f"{where[1]}.{name}")

    def __instancecheck__(cls, instance: object) -> bool:
        if type.__instancecheck__(cls, instance):
            return True
        real = cls._real_class()
        if real is None or not isinstance(instance, real):
            return False
        cls._switch_package()
        return True

    def __subclasscheck__(cls, subclass: type) -> bool:
        if type.__subclasscheck__(cls, subclass):
            return True
        real = cls._real_class()
        if real is None or not issubclass(subclass, real):
            return False
        cls._switch_package()
        return True

    def __eq__(cls, other: object) -> bool:
        # type hints of the user's functions name the real classes: `annotation == pd.Series`
        if cls is other:
            return True
        real = cls._real_class()
        if real is None or other is not real:
            return False
        cls._switch_package()
        return True

    def __ne__(cls, other: object) -> bool:
        return not cls == other

    def __hash__(cls) -> int:
        return type.__hash__(cls)


class StandInObject(metaclass=StandInType):
    """Base of stand-in objects that turn to the real object for attributes that they lack."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if _convert is None or name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(real_object(self), name)
