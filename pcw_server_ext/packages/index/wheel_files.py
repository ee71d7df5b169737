"""Wheels by their file names: which of them a browser kernel can use, and which comes first."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

#: Bytes; the description in it is a README at most.
METADATA_LIMIT: Final = 4 << 20
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\.whl")
_PROJECT_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")


@dataclass(frozen=True)
class WheelFile:
    """A wheel that an index has.

    Attributes:
        file: its name.
        sha256: of its content, hexadecimal.
        size: in bytes; None where the index does not say.
        requires_python: the versions of Python that it is for, as its metadata has them; may be empty.
        yanked: why it is withdrawn, empty where it is not.
        url: where it is; empty for a file of this machine.
        metadata: the SHA-256 of its metadata where the index offers them beside the file, or an empty text where it
            offers them and names no hash; None where it does not offer them.
        path: where it is on this machine; None for a file of another index.
    """

    file: str
    sha256: str
    size: int | None = None
    requires_python: str = ""
    yanked: str = ""
    url: str = field(default="", repr=False)
    metadata: str | None = None
    path: Path | None = None

    @property
    def name(self) -> str:
        """The normalized name of its project."""
        return str(parse_wheel_filename(self.file)[0])

    @property
    def version(self) -> Version:
        """Its version."""
        return parse_wheel_filename(self.file)[1]


class NotAWheel(Exception):
    """A file is no wheel that can be installed; the text says what it is."""


class Fit:
    """Which wheels the browser runtime's Python can use: pure ones, and those that were built for its Pyodide.

    Args:
        python: the version of its Python, `3.14.2`.
        abi: the ABI of its Pyodide, `2026_0` (PEP 783); empty: wheels of pure Python alone fit.
    """

    def __init__(self, python: str, abi: str) -> None:
        major, minor = (int(part) for part in python.split(".")[:2])
        platforms = [f"pyemscripten_{abi}_wasm32"] if abi else []
        interpreter = f"cp{major}{minor}"
        tags: list[Tag] = [*cpython_tags((major, minor), [interpreter], platforms)] if platforms else []
        tags += compatible_tags((major, minor), interpreter, platforms)
        self._ranks = {tag: rank for rank, tag in reversed(list(enumerate(tags)))}
        self.python = python

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Fit:
        """What fits the runtime that a bundle's manifest describes."""
        return cls(str(manifest.get("python", "3.14")), str(manifest.get("abi", "")))

    def rank(self, file: str) -> int | None:
        """How well a wheel fits, 0 is best; None where it does not, or is no wheel."""
        if not _FILE_NAME.fullmatch(file):
            return None
        try:
            _, _, _, tags = parse_wheel_filename(file)
        except (InvalidWheelFilename, InvalidVersion):
            return None
        ranks = [self._ranks[tag] for tag in tags if tag in self._ranks]
        return min(ranks, default=None)

    def ordered(self, wheels: Iterable[WheelFile]) -> list[WheelFile]:
        """Those that fit, the newest version first, of each version the best fitting one first."""
        ranked = [(wheel, rank) for wheel in wheels if (rank := self.rank(wheel.file)) is not None]
        ranked.sort(key=lambda pair: pair[1])
        ranked.sort(key=lambda pair: pair[0].version, reverse=True)
        return [wheel for wheel, _ in ranked]


def project_of(file: str) -> str | None:
    """The normalized name of the project that a wheel's or a source archive's name tells; None for other names."""
    try:
        if file.endswith(".whl"):
            return str(parse_wheel_filename(file)[0]) if _FILE_NAME.fullmatch(file) else None
        return str(parse_sdist_filename(file)[0])
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None


def normalized(name: str) -> str | None:
    """The normalized form of a project's name (PEP 503); None for what is no name."""
    return str(canonicalize_name(name)) if _PROJECT_NAME.fullmatch(name) else None


def kind_of(file: str) -> str:
    """What a message calls a file that does not fit: its tags, or that it is source code; empty for neither."""
    if file.endswith((".tar.gz", ".zip")):
        return "source code"
    if not file.endswith(".whl"):
        return ""
    return "-".join(file.removesuffix(".whl").split("-")[-3:])


def metadata_of(wheel: bytes | Path, file: str) -> bytes:
    """The METADATA of a wheel.

    Args:
        wheel: its content, or where it is.
        file: its name.

    Raises:
        NotAWheel: it is no zip archive, or has no metadata, or those of another project.
        OSError: it cannot be read.
    """
    source: Path | IO[bytes] = io.BytesIO(wheel) if isinstance(wheel, bytes) else wheel
    try:
        with zipfile.ZipFile(source) as archive:
            found = [
                entry
                for entry in archive.infolist()
                if re.fullmatch(r"[^/]+\.dist-info/METADATA", entry.filename)
            ]
            if len(found) != 1:
                raise NotAWheel(f"holds {len(found)} files *.dist-info/METADATA, where a wheel has one")
            folder = found[0].filename.partition("/")[0].removesuffix(".dist-info")
            if canonicalize_name(folder.rpartition("-")[0]) != project_of(file):
                raise NotAWheel(f"holds {folder!r}, another project or version than its name says")
            if found[0].file_size > METADATA_LIMIT:
                raise NotAWheel(f"has more than {METADATA_LIMIT >> 20} MiB of metadata")
            return archive.read(found[0])
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        # zipfile raises these for damage, for sizes and for methods and encryption that it does not know
        raise NotAWheel(f"is no zip archive ({error})") from None
