"""Packs of site-packages: file contents side by side, and one index that says where each file is.

A pack is a concatenation of files. The index (`site.json`) is

    {"format": 1, "site": "/lib/python3.14/site-packages", "packs": ["kernel/ipython.pack", ...],
     "tree": {"IPython": {"__init__.py": [pack number, offset, size], "core": {...}}}}

A directory is an object, a file an array of three numbers. Readers can create a directory's nodes when it is first looked
into, and fetch a pack when a file in it is first read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from client.runtime import node
from client.runtime.wheels import BuiltWheel, read

INDEX_FORMAT = 1


def site_packages(python: str) -> str:
    """Where Pyodide keeps packages."""
    return f"/lib/python{'.'.join(python.split('.')[:2])}/site-packages"


def compiled(wheels: Sequence[BuiltWheel], core: Path, python: str, cache: Path) -> dict[str, dict[str, bytes]]:
    """Package name -> path -> content of its .pyc files, compiled by Pyodide under Node.js.

    Compiled files are kept in `cache`, by the content of wheel, compiler and this script.
    """
    folder = cache / "compiled"
    folder.mkdir(parents=True, exist_ok=True)
    script = node.SCRIPTS / "compile_wheel.py"
    site = site_packages(python)
    compiler = hashlib.sha256(script.read_bytes() + (core / "pyodide.asm.wasm").read_bytes() + site.encode()).hexdigest()
    archives = {
        wheel.name: folder / f"{wheel.name}-{hashlib.sha256((wheel.sha256 + compiler).encode()).hexdigest()[:32]}.zip"
        for wheel in wheels
    }
    tasks = []
    for wheel in wheels:
        archive = archives[wheel.name]
        if not archive.is_file():
            source = archive.with_suffix(".whl")
            source.write_bytes(wheel.content)
            tasks.append({"input": str(source), "output": str(archive.with_suffix(".part"))})
    if tasks:
        print(f"compiling {len(tasks)} packages with Pyodide", flush=True)
        job = {"pyodide": str(core), "python": str(script), "site": site, "tasks": tasks}
        node.run("compile.mjs", job, cache / "scratch")
        for task in tasks:
            Path(task["output"]).rename(Path(task["output"]).with_suffix(".zip"))
            Path(task["input"]).unlink()
    return {name: read(archive.read_bytes()) for name, archive in archives.items()}


def build(
    wheels: Sequence[BuiltWheel], bytecode: Mapping[str, Mapping[str, bytes]], python: str
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The index and the packs by path, from wheels and their compiled files."""
    names = sorted({wheel.pack for wheel in wheels})
    blobs = {name: bytearray() for name in names}
    tree: dict[str, Any] = {}
    for wheel in sorted(wheels, key=lambda wheel: wheel.name):
        files = {**wheel.files(), **bytecode[wheel.name]}
        for path in sorted(files):
            if ".data/" in path:
                continue
            *folders, name = path.split("/")
            directory = tree
            for folder in folders:
                directory = directory.setdefault(folder, {})
            blob = blobs[wheel.pack]
            directory[name] = [names.index(wheel.pack), len(blob), len(files[path])]
            blob += files[path]
    paths = [f"kernel/{name}.pack" for name in names]
    index = {"format": INDEX_FORMAT, "site": site_packages(python), "packs": paths, "tree": tree}
    return index, {path: bytes(blobs[name]) for path, name in zip(paths, names, strict=True)}
