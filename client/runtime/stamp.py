"""Tells whether a bundle is up to date with everything that goes into it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

#: Folders and file suffixes of the repository that a bundle is made from.
_INPUTS = {
    "client/runtime": (".py", ".json", ".js", ".mjs"),
    "client/pyspark_connect_web": None,
    "client/js/dist": None,
}


def of_inputs(root: Path, options: Iterable[str]) -> str:
    """Hexadecimal hash of all inputs of a build with these options."""
    digest = hashlib.sha256()
    for option in (*options, f"brotli {version('brotli')}"):
        digest.update(option.encode() + b"\0")
    for path in (root / "pyproject.toml", root / "LICENSE", *_files(root)):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def path(cache: Path, target: Path) -> Path:
    """Where the stamp of a target folder is kept: outside of it, as the folder is shipped as it is."""
    return cache / "stamps" / hashlib.sha256(str(target.resolve()).encode()).hexdigest()[:16]


def _files(root: Path) -> Iterator[Path]:
    for folder, suffixes in _INPUTS.items():
        for file in sorted((root / folder).rglob("*")):
            if (
                file.is_file()
                and "__pycache__" not in file.parts
                and (suffixes is None or file.suffix in suffixes)
            ):
                yield file
