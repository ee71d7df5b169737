"""Imports scoped to PySpark: only its modules see the stand-ins for pyarrow, pandas and numpy.

The ``import`` statement calls ``__import__`` of the *module's* ``__builtins__``. A finder in front of
``sys.meta_path`` gives every module of PySpark a private copy of the builtins with our ``__import__``
before its code runs; functions inherit it from their module. User code and all other packages keep the
ordinary import system, so there ``import pandas`` is the real pandas or an ImportError. Works for source,
for ``.pyc`` without source and for archives, because the module's own loader still does the loading; a
memory snapshot keeps it as it is.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.abc
import importlib.machinery
import sys
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from pyspark_connect_web.lean import full
from pyspark_connect_web.patches.apply import replace

_ROOTS = frozenset(full.PACKAGES)

#: PySpark's parts that work on real pandas and numpy from their first line on.
_FULL_PARTS = {
    "pyspark.pandas": "pandas",
    "pyspark.mllib": "numpy",
}

_after_import: dict[str, list[Callable[[ModuleType], None]]] = {}


def after_import(name: str, callback: Callable[[ModuleType], None]) -> None:
    """Call ``callback(module)`` once PySpark's module ``name`` has run; at once if it already has."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        callback(loaded)
    else:
        _after_import.setdefault(name, []).append(callback)


def scoped_import(
    name: str,
    globals: Mapping[str, object] | None = None,
    locals: Mapping[str, object] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """``__import__`` as PySpark's modules see it."""
    if level == 0:
        root = name.partition(".")[0]
        if root in _ROOTS and full.state(root) is full.State.LEAN:
            return _standin(name, root, fromlist)
    return _real_import(name, globals, locals, fromlist or (), level)


_real_import = builtins.__import__


def _standin(name: str, root: str, fromlist: Sequence[str] | None) -> ModuleType:
    module = full.standin(name)
    if module is None:  # a submodule that only the real package has
        full.require(root, f"import {name}")
        importlib.import_module(name)
        return sys.modules[name if fromlist else root]
    if fromlist:
        return module
    parent = full.standin(root)
    assert parent is not None
    return parent


#: The builtins of every scoped module, but for the import.
_BUILTINS = {**vars(builtins), "__import__": scoped_import}

#: These ask whether pandas and pyarrow are there, and do without where they are not: they get the true answer.
_ASKING_PARTS = ("pyspark.testing",)


class _LoadedModules:
    """``sys`` for libraries that look up in ``sys.modules`` what PySpark has imported in their experience."""

    def __getattr__(self, name: str) -> Any:
        if name != "modules":
            return getattr(sys, name)
        pyarrow = full.standin("pyarrow")
        return sys.modules if pyarrow is None else ChainMap(sys.modules, {"pyarrow": pyarrow})


#: Their modules that do so. quinn takes pyarrow's version for granted, since the session says that Arrow is used.
_LOOKING_MODULES = frozenset({"quinn.dataframe_helpers"})
_LOADED_MODULES = _LoadedModules()


def looking_import(
    name: str,
    globals: Mapping[str, object] | None = None,
    locals: Mapping[str, object] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> Any:
    """``__import__`` as modules of `_LOOKING_MODULES` see it."""
    if name == "sys":
        return _LOADED_MODULES
    return _real_import(name, globals, locals, fromlist or (), level)


_LOOKING_BUILTINS = {**vars(builtins), "__import__": looking_import}


def _builtins_of(module: str) -> dict[str, Any] | None:
    """The builtins of a module; None: as they are."""
    if module in _LOOKING_MODULES:
        return _LOOKING_BUILTINS
    return None if module.startswith(_ASKING_PARTS) else _BUILTINS


class ScopedLoader(importlib.abc.Loader):
    """Runs a module through its own loader, after giving it the scoped ``__import__``."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        _prepare(module.__name__)
        names = _builtins_of(module.__name__)
        if names is not None:
            vars(module)["__builtins__"] = names
        self._loader.exec_module(module)
        for callback in _after_import.pop(module.__name__, ()):
            callback(module)

    def __getattr__(self, name: str) -> Any:
        # get_source, get_code, get_data, get_resource_reader, path, ...: tracebacks and resources need them
        if name == "_loader":
            raise AttributeError(name)
        return getattr(self._loader, name)


def _prepare(name: str) -> None:
    for part, package in _FULL_PARTS.items():
        if name == part or name.startswith(part + "."):
            full.require(package, part)


def _is_pyspark(name: str) -> bool:
    return name == "pyspark" or name.startswith("pyspark.")


class PySparkFinder(importlib.abc.MetaPathFinder):
    """Finds PySpark's modules, and those of `_LOOKING_MODULES`, where they are and wraps their loaders."""

    def __init__(self, hide_core: bool) -> None:
        self._hide_core = hide_core

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not _is_pyspark(fullname) and fullname not in _LOOKING_MODULES:
            return None
        if self._hide_core and fullname == "pyspark.core":
            # without py4j the classic half of PySpark cannot be imported; PySpark takes its absence as
            # "Connect only"
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = ScopedLoader(spec.loader)
                return spec
        return None


def install(hide_core: bool) -> PySparkFinder:
    """Put the finder in front of the import system; PySpark's modules loaded before are scoped by name."""
    for finder in sys.meta_path:
        if isinstance(finder, PySparkFinder):
            return finder
    finder = PySparkFinder(hide_core)
    sys.meta_path.insert(0, finder)
    if any(map(_is_pyspark, sys.modules)):
        _scope_by_caller()
    return finder


def _scope_by_caller() -> None:
    """For modules that ran before :func:`install`: functions keep the builtins of their birth.

    Their imports can only be told apart by who asks, so this once the global ``__import__`` is replaced by
    one that looks at the importing module's name.
    """

    def dispatching_import(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        asking = globals.get("__name__") if globals else None
        if isinstance(asking, str) and _is_pyspark(asking) and not asking.startswith(_ASKING_PARTS):
            return scoped_import(name, globals, locals, fromlist, level)
        return _real_import(name, globals, locals, fromlist or (), level)

    replace("builtins:__import__", lambda original: dispatching_import)
