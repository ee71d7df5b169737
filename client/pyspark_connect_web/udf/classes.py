"""Classes whose methods Python generated: they have no source, so the server generates them again.

Everything else about a class stays cloudpickle's work; `reduce_class` edits what cloudpickle would send.
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from importlib import import_module
from types import FunctionType
from typing import Any

from pyspark_connect_web.udf.source import has_source

Reduced = tuple[Any, ...]
ServerFunction = Callable[[str], Any]

# Python 3.12 to 3.14 put these into class dictionaries; older Pythons do not know them or make their own.
_VERSION_SPECIFIC = {
    "__annotate__",
    "__annotate_func__",
    "__annotations__",
    "__annotations_cache__",
    "__classdictcell__",
    "__conditional_annotations__",
    "__firstlineno__",
    "__replace__",
    "__static_attributes__",
    "__type_params__",
}
_NAMEDTUPLE_GENERATED = {
    "__dict__",
    "__doc__",
    "__getnewargs__",
    "__match_args__",
    "__module__",
    "__new__",
    "__orig_bases__",
    "__qualname__",
    "__repr__",
    "__slots__",
    "__weakref__",
    "_asdict",
    "_field_defaults",
    "_fields",
    "_make",
    "_replace",
}
# typing sets these on a protocol and on what implements it, each Python its own.
_PROTOCOL_GENERATED = {"__protocol_attrs__", "__non_callable_proto_members__"}
_DATACLASS_GENERATED = {"__dataclass_fields__", "__dataclass_params__", "__match_args__"}
_DATACLASS_PARAMETERS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
_FIELD_OPTIONS = ("init", "repr", "hash", "compare", "kw_only")


def reduce_class(cls: type, on_server: ServerFunction) -> Reduced:
    """Return the reduction of a class defined in the notebook.

    `on_server(name)` gives a reference to a function of the loader. Raises PicklingError for a dataclass with slots.
    """
    cloudpickle: Any = import_module("pyspark.cloudpickle.cloudpickle")
    if _is_namedtuple(cls):
        return _reduce_namedtuple(cls, on_server)
    reduced = list(cloudpickle._dynamic_class_reduce(cls))
    attributes, slots = reduced[2]
    attributes = {name: value for name, value in attributes.items() if name not in _VERSION_SPECIFIC}
    if "__dataclass_params__" in cls.__dict__:
        state = _dataclass_state(cls, attributes)
        return (reduced[0], reduced[1], state, None, None, on_server("set_dataclass_state"))
    if reduced[0] is cloudpickle._make_skeleton_enum:
        attributes = {name: value for name, value in attributes.items() if not _made_by_enum(name, value)}
    attributes = {name: value for name, value in attributes.items() if not _made_by_typing(name, value)}
    if attributes.get("_is_protocol"):
        state = ((attributes, slots), _protocol_members(cls))
        return (reduced[0], reduced[1], state, None, None, on_server("set_protocol_state"))
    reduced[2] = (attributes, slots)
    return tuple(reduced)


def _is_namedtuple(cls: type) -> bool:
    return cls.__bases__ == (tuple,) and hasattr(cls, "_fields") and hasattr(cls, "_field_defaults")


def _reduce_namedtuple(cls: Any, on_server: ServerFunction) -> Reduced:
    own = _NAMEDTUPLE_GENERATED | _VERSION_SPECIFIC | set(cls._fields)
    methods = {name: value for name, value in cls.__dict__.items() if name not in own}
    arguments = (
        cls.__name__,
        cls.__qualname__,
        cls.__module__,
        cls._fields,
        list(cls._field_defaults.values()),
        cls.__doc__,
    )
    return (on_server("make_namedtuple"), arguments, methods, None, None, on_server("set_class_state"))


def _made_by_enum(name: str, value: Any) -> bool:
    if name.startswith("_") and name.endswith("_") and not name.startswith("__"):
        return True
    if name == "__new__":
        return True
    return name.startswith("__") and isinstance(value, FunctionType) and value.__module__ == "enum"


def _made_by_typing(name: str, value: Any) -> bool:
    if name in _PROTOCOL_GENERATED:
        return True
    function = getattr(value, "__func__", value)
    return (
        name in ("__init__", "__subclasshook__")
        and isinstance(function, FunctionType)
        and function.__module__ == "typing"
    )


def _protocol_members(cls: Any) -> list[str]:
    """What an object must have to be an instance of a protocol; Python 3.12 and newer keep the names with the class."""
    kept = getattr(cls, "__protocol_attrs__", None)
    if kept is not None:
        return sorted(kept)
    protocols = [vars(base) for base in cls.__mro__ if vars(base).get("_is_protocol")]
    names = {name for own in protocols for name in (*own, *own.get("__annotations__", ()))}
    return sorted(name for name in names if not name.startswith("_"))


def _generated(value: Any) -> bool:
    """Whether `value` is a function that dataclasses made: it, or what it wraps, has no source."""
    if not isinstance(value, FunctionType):
        return False
    functions = (value, getattr(value, "__wrapped__", value))
    return any(not has_source(f.__code__, f.__globals__) for f in functions)


def _dataclass_state(cls: Any, attributes: dict[str, Any]) -> Reduced:
    parameters = cls.__dataclass_params__
    if "__slots__" in cls.__dict__ and getattr(parameters, "slots", True):
        raise pickle.PicklingError(
            f"the dataclass {cls.__name__} has slots=True, which cannot be rebuilt on a server with another Python. "
            "Leave slots=True out."
        )
    kept = {
        name: value
        for name, value in attributes.items()
        if name not in _DATACLASS_GENERATED and not _generated(value)
    }
    fields = []
    own = _own_fields(cls)
    for field in cls.__dataclass_fields__.values():
        kind = field._field_type.name
        if field.name not in own or kind == "_FIELD_CLASSVAR":
            continue
        options = {name: getattr(field, name) for name in _FIELD_OPTIONS}
        if options["kw_only"] is dataclasses.MISSING:
            options["kw_only"] = False
        if field.default is not dataclasses.MISSING:
            options["default"] = field.default
        if field.default_factory is not dataclasses.MISSING:
            options["default_factory"] = field.default_factory
        kept.pop(field.name, None)
        fields.append((field.name, "typing.Any" if kind == "_FIELD" else "dataclasses.InitVar", options))
    if kept.get("__hash__", 0) is None:  # dataclasses set it, and will again
        del kept["__hash__"]
    return (kept, {name: getattr(parameters, name) for name in _DATACLASS_PARAMETERS}, fields)


def _own_fields(cls: Any) -> set[str]:
    inherited: set[str] = set()
    for base in cls.__mro__[1:]:
        for name, field in getattr(base, "__dataclass_fields__", {}).items():
            if cls.__dataclass_fields__.get(name) is field:
                inherited.add(name)
    return set(cls.__dataclass_fields__) - inherited
