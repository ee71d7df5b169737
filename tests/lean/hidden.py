"""Runs a script as on a machine without pandas, pyarrow, numpy, grpcio, grpcio-status and zstandard.

    python tests/lean/hidden.py SCRIPT [ARGUMENT ...]

The packages are on this machine's path; they are left out of what the import system finds, before anything is
imported. ``reveal()`` in module ``hidden_packages`` lets them be found again, as a loader would bring them.
"""

from __future__ import annotations

import importlib.machinery
import runpy
import sys
import types
from collections.abc import Sequence

HIDDEN = {"pandas", "pyarrow", "numpy", "grpc", "grpc_status", "zstandard"}
hidden = set(HIDDEN)


class VisiblePathFinder(importlib.machinery.PathFinder):
    """The ordinary path finder, blind to the hidden packages."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] in hidden:
            return None
        return super().find_spec(fullname, path, target)


def reveal(*names: str) -> None:
    """Make the packages importable again."""
    hidden.difference_update(names or HIDDEN)


def main() -> None:
    loaded = HIDDEN & set(sys.modules)
    assert not loaded, f"already imported: {loaded}"
    at = sys.meta_path.index(importlib.machinery.PathFinder)
    sys.meta_path[at] = VisiblePathFinder
    control = types.ModuleType("hidden_packages")
    control.reveal = reveal  # type: ignore[attr-defined]
    sys.modules["hidden_packages"] = control
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
