"""How a stand-in module is made."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import ModuleType
from typing import Any

from pyspark_connect_web.lean import full
from pyspark_connect_web.lean.standin_types import MARK, StandInType


def make(name: str, members: Mapping[str, Any], doc: str) -> ModuleType:
    """A module called ``name``; attributes that it lacks come from the real package, which they load."""
    module = ModuleType(name, doc)
    vars(module).update(members)
    setattr(module, MARK, True)
    module.__getattr__ = partial(full.attribute, name)  # type: ignore[method-assign]
    full.register(name, module)
    return module


class _Placeholder(StandInType):
    """Metaclass of classes that only serve ``isinstance``; calling one makes an object of the real class."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        package, attribute = cls.__dict__["__real__"]
        return getattr(full.require(package, f"{package}.{attribute}"), attribute)(*args, **kwargs)


def placeholder(package: str, name: str) -> type:
    """A class that recognises instances of ``package.name`` and has none of its own."""
    members = {
        "__real__": (package, name),
        "__module__": package,
        # annotations such as `np.floating[Any]`
        "__class_getitem__": classmethod(lambda cls, item: cls),
    }
    return _Placeholder(name, (), members)
