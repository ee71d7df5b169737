"""Real modules for grpc, grpc_status and zstandard where the packages are not installed.

A finder at the *end* of ``sys.meta_path``: an installed package always wins, ``importlib.util.find_spec``
works, and nothing is imported before somebody asks.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

from pyspark_connect_web.lean.standin_types import MARK

#: module name -> the module of this package that fills it; None for an empty package
_SOURCES = {
    "grpc": "grpc",
    "grpc_status": None,
    "grpc_status.rpc_status": "grpc_status",
    "zstandard": "zstandard",
}


class MissingPackageFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and loads the stand-ins."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in _SOURCES:
            return None
        spec = importlib.machinery.ModuleSpec(fullname, self, origin="pyspark_connect_web.lean")
        if _SOURCES[fullname] is None:
            spec.submodule_search_locations = []
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = _SOURCES[module.__name__]
        if name is None:
            return
        source = importlib.import_module(f"{__package__}.{name}")
        for key, value in vars(source).items():
            if key in ("__version__", MARK) or not key.startswith("_"):
                setattr(module, key, value)
            if isinstance(value, type) and value.__module__ == source.__name__:
                value.__module__ = module.__name__


def install() -> None:
    """Append the finder, once."""
    if not any(isinstance(finder, MissingPackageFinder) for finder in sys.meta_path):
        sys.meta_path.append(MissingPackageFinder())
