"""Describes a bundle: what it is, what is in it, what a kernel start needs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from client.runtime.lockfile import dumps
from client.runtime.wheels import BuiltWheel

FORMAT = 1

#: Read before the first cell even without a snapshot; the other packs come when a file in them is opened.
BOOT_PACKS = ("client", "ipython", "pygments", "pyspark")


def describe(
    files: Mapping[str, bytes],
    wheels: Sequence[BuiltWheel],
    *,
    pyodide: str,
    python: str,
    abi: str,
    packs: Sequence[str],
    snapshot: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The manifest of a bundle.

    Args:
        files: path -> content, not compressed.
        wheels: the packages that the packs hold.
        pyodide: version of Pyodide.
        python: version of its Python.
        abi: its ABI version, as its lock file states it.
        packs: paths of the packs.
        snapshot: what a restore must know of the memory snapshot, or None without one.
    """
    listed = {
        path: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in sorted(files.items())
    }
    names = {path.rpartition("/")[2].removesuffix(".pack"): path for path in packs}
    kernel = {
        "index": "kernel/site.json",
        "packs": {name: {"path": path, "boot": name in BOOT_PACKS} for name, path in sorted(names.items())},
        "snapshot": snapshot,
        "packages": {wheel.name: wheel.version for wheel in sorted(wheels, key=lambda wheel: wheel.name)},
    }
    document = {
        "format": FORMAT,
        "pyodide": pyodide,
        "python": python,
        "abi": abi,
        "kernel": kernel,
        "files": listed,
    }
    return {**document, "hash": hashlib.sha256(dumps(document)).hexdigest()[:16]}
