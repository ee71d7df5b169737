"""Runs inside Pyodide under Node.js: compiles a wheel's modules for the place where the browser will find them."""

from __future__ import annotations

import importlib.util
import io
import sys
import zipfile
from importlib._bootstrap_external import _code_to_hash_pyc  # type: ignore[attr-defined]
from typing import Any


def compile_wheel(wheel: Any, site: str) -> bytes:
    """A zip archive of the .pyc files of a wheel that will be unpacked into `site`.

    They are of the unchecked hash kind (PEP 552): the importer compares neither times nor sources, which cannot
    get out of step in a read-only pack. A module that does not compile, such as a template or a test of syntax
    errors, is left out: it would not import from source either.
    """
    output = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(wheel.to_bytes())) as archive, zipfile.ZipFile(output, "w") as compiled:
        for path in sorted(archive.namelist()):
            if not path.endswith(".py") or ".data/" in path:
                continue
            source = archive.read(path)
            try:
                code = compile(source, f"{site}/{path}", "exec", dont_inherit=True)
            except SyntaxError:
                continue
            content = bytes(_code_to_hash_pyc(code, importlib.util.source_hash(source), False))
            folder, _, name = path.rpartition("/")
            target = f"{name.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"
            entry = zipfile.ZipInfo(
                "/".join(filter(None, (folder, "__pycache__", target))), (2020, 1, 1, 0, 0, 0)
            )
            compiled.writestr(entry, content)
    return output.getvalue()
