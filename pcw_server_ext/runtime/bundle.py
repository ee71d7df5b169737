"""The built browser runtime on disk, read once at start."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import brotli

from pcw_server_ext.errors import ConfigurationError
from pcw_server_ext.web import media_types
from pcw_server_ext.web.content_codings import BROTLI, GZIP, IDENTITY, SUFFIXES

FORMAT: Final = 1
DEFAULT_FOLDER: Final = Path(__file__).with_name("bundle")
MANIFEST: Final = "manifest.json"

#: What the name of a file ends with that is stored compressed.
_COMPRESSED: Final = SUFFIXES[BROTLI]
_PIECE: Final = 1 << 16


@dataclass(frozen=True)
class RuntimeFile:
    """A file of the bundle.

    Attributes:
        path: its name in the manifest.
        sha256: of its content, hexadecimal.
        size: of its content, in bytes.
        content_type: the media type to send it with.
        stored: where it lies: its content, or a brotli stream of it with `.br` at the end of the name.
    """

    path: str
    sha256: str
    size: int
    content_type: str
    stored: Path

    @property
    def codings(self) -> tuple[str, ...]:
        """The content codings that it can be sent in, the smallest first; what does not shrink has `identity` alone."""
        return (BROTLI, GZIP, IDENTITY) if self.stored.suffix == _COMPRESSED else (IDENTITY,)

    @property
    def stored_coding(self) -> str:
        """The content coding of the file on disk."""
        return self.codings[0]

    def choose(self, accepted: Mapping[str, float]) -> str | None:
        """The smallest form that an Accept-Encoding header admits; None when it admits none.

        Args:
            accepted: what `parse_accept_encoding` read.
        """
        other = accepted.get("*", 0.0)
        for coding in self.codings[:-1]:
            if accepted.get(coding, other) > 0:
                return coding
        return IDENTITY if accepted.get(IDENTITY, 1.0 if "*" not in accepted else other) > 0 else None

    def pieces(self) -> Generator[bytes, None, None]:
        """Its content, piece by piece.

        Raises:
            OSError: it cannot be read.
            brotli.error: the stored file is damaged.
        """
        decoder = brotli.Decompressor() if self.stored_coding == BROTLI else None
        with self.stored.open("rb") as source:
            while piece := source.read(_PIECE):
                yield piece if decoder is None else decoder.process(piece)
        if decoder is not None and not decoder.is_finished():
            raise brotli.error(f"{self.stored} ends early")

    def read(self) -> bytes:
        """Its content; raises as `pieces` does."""
        return b"".join(self.pieces())


class Bundle:
    """The files of one build, by their path in the manifest."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.hash: str = manifest["hash"]
        # The manifest cannot list itself; its content follows from the files', so their hash is its own too.
        own = {"sha256": self.hash, "size": (folder / MANIFEST).stat().st_size}
        self._files = {
            path: self._file(path, entry) for path, entry in {MANIFEST: own, **manifest["files"]}.items()
        }

    @classmethod
    def load(cls, folder: Path) -> Bundle:
        """Read the manifest and look up every file. Raises ConfigurationError."""
        path = folder / MANIFEST
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigurationError(
                f"The browser runtime is missing: {path} does not exist. Install the package from its"
                " wheel, or run `make build` in a source tree."
            ) from None
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"The browser runtime's manifest {path} cannot be read: {error}"
            ) from error
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise ConfigurationError(
                f"The browser runtime in {folder} has another format than this version reads ({FORMAT}):"
                " install matching versions, or build it again."
            )
        try:
            return cls(folder, manifest)
        except (KeyError, AttributeError, TypeError) as error:
            raise ConfigurationError(
                f"The browser runtime's manifest {path} is incomplete: {error!r}"
            ) from error

    def _file(self, path: str, entry: Mapping[str, Any]) -> RuntimeFile:
        parts = PurePosixPath(path).parts
        if not parts or ".." in parts or path.startswith("/") or "\\" in path:
            raise ConfigurationError(f"The browser runtime's manifest names a file outside of it: {path!r}")
        plain = self.folder.joinpath(*parts)
        compressed = plain.with_name(plain.name + _COMPRESSED)
        stored = compressed if compressed.is_file() else plain
        if not stored.is_file():
            raise ConfigurationError(
                f"The browser runtime is incomplete: {plain} is missing. Install the package again, or build"
                " it again in a source tree."
            )
        kind = media_types.media_type(plain.name)
        return RuntimeFile(path, entry["sha256"], entry["size"], kind, stored)

    def get(self, path: str) -> RuntimeFile | None:
        """The file of exactly that path: nothing outside the manifest can be named."""
        return self._files.get(path)

    def files(self) -> Iterator[RuntimeFile]:
        """Every file, the manifest among them."""
        yield from self._files.values()
