"""The wheel of the project's own browser package, for the kernels that install wheels."""

from __future__ import annotations

import re
from pathlib import Path

from client.runtime.errors import SourceError
from client.runtime.wheels import BuiltWheel, assemble

NAME = "pyspark-connect-web"


def version(root: Path) -> str:
    """The project's version, as its one place states it; raises `SourceError` when it does not."""
    place = root / "client" / "pyspark_connect_web" / "version.py"
    found = re.search(r'^__version__ = "([^"]+)"$', place.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SourceError(f'{place} states no version. It needs a line `__version__ = "..."`.')
    return found[1]


def wheel(root: Path) -> BuiltWheel:
    """`client/pyspark_connect_web` of the repository at `root` as a wheel."""
    package = root / "client" / "pyspark_connect_web"
    files = {
        path.relative_to(package.parent).as_posix(): path.read_bytes()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return assemble(
        NAME,
        version(root),
        files,
        {"LICENSE": (root / "LICENSE").read_bytes()},
        pack="client",
        licence="Apache-2.0",
        requires=("googleapis-common-protos", "protobuf", "pyspark"),
        summary="PySpark's Spark Connect client in the browser, over grpc-web",
    )


def runtime_wheel(root: Path) -> BuiltWheel:
    """`client/runtime/python` as a wheel: the part of a kernel start that is Python."""
    folder = root / "client" / "runtime" / "python"
    return assemble(
        "pcw-runtime",
        version(root),
        {path.name: path.read_bytes() for path in folder.glob("*.py")},
        {"LICENSE": (root / "LICENSE").read_bytes()},
        pack="client",
        licence="Apache-2.0",
        requires=(),
        summary="Starts a browser kernel, from a memory snapshot or without one",
    )
