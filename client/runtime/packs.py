"""Packs of site-packages: file contents side by side, and one index that says where each file is.

A pack is a concatenation of files. The index (`site.json`) is

    {"format": 1, "site": "/lib/python3.14/site-packages", "packs": ["kernel/ipython.pack", ...],
     "tree": {"IPython": {"__init__.py": [pack number, offset, size], "core": {...}}}}

A directory is an object, a file an array of three numbers. Readers can create a directory's nodes when it is
first looked into, and fetch a pack when a file in it is first read.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from client.runtime import nodejs
from client.runtime.wheels import BuiltWheel, read

INDEX_FORMAT = 1


def site_packages(python: str) -> str:
    """Where Pyodide keeps packages."""
    return f"/lib/python{'.'.join(python.split('.')[:2])}/site-packages"


def compiled(
    wheels: Sequence[BuiltWheel], core: Path, python: str, cache: Path
) -> dict[str, dict[str, bytes]]:
    """Package name -> path -> content of its .pyc files, compiled by Pyodide under Node.js.

    Compiled files are kept in `cache`, by the content of wheel, compiler and this script.
    """
    folder = cache / "compiled"
    folder.mkdir(parents=True, exist_ok=True)
    script = nodejs.SCRIPTS / "compile_wheel.py"
    site = site_packages(python)
    compiler = hashlib.sha256(
        script.read_bytes() + (core / "pyodide.asm.wasm").read_bytes() + site.encode()
    ).hexdigest()
    archives = {
        wheel.name: folder
        / f"{wheel.name}-{hashlib.sha256((wheel.sha256 + compiler).encode()).hexdigest()[:32]}.zip"
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
        nodejs.run("compile.mjs", job, cache / "scratch")
        for task in tasks:
            Path(task["output"]).rename(Path(task["output"]).with_suffix(".zip"))
            Path(task["input"]).unlink()
    return {name: read(archive.read_bytes()) for name, archive in archives.items()}


def build(
    wheels: Sequence[BuiltWheel], bytecode: Mapping[str, Mapping[str, bytes]], python: str
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The index and the packs by path, from wheels and their compiled files."""
    placed = {
        path: (_pack(wheel, path), content)
        for wheel in wheels
        for path, content in {**wheel.files(), **bytecode[wheel.name]}.items()
        if ".data/" not in path
    }
    names = sorted({pack for pack, _ in placed.values()})
    blobs = {name: bytearray() for name in names}
    tree: dict[str, Any] = {}
    for path, (pack, content) in sorted(placed.items()):
        *folders, name = path.split("/")
        directory = tree
        for folder in folders:
            directory = directory.setdefault(folder, {})
        directory[name] = [names.index(pack), len(blobs[pack]), len(content)]
        blobs[pack] += content
    paths = [f"kernel/{name}.pack" for name in names]
    index = {"format": INDEX_FORMAT, "site": site_packages(python), "packs": paths, "tree": tree}
    return index, {path: bytes(blobs[name]) for path, name in zip(paths, names, strict=True)}


def _pack(wheel: BuiltWheel, path: str) -> str:
    """The pack that a file belongs to.

    Sources are apart: a start needs compiled files or, with a snapshot, none; sources are read for tracebacks.
    """
    module = re.sub(r"__pycache__/(.*)\.cpython-\d+\.pyc$", r"\1.py", path)
    if any(fnmatch.fnmatchcase(module, pattern) for pattern in wheel.extra):
        return f"{wheel.pack}-extra"
    return f"{wheel.pack}-source" if path.endswith((".py", ".pyi")) else wheel.pack
