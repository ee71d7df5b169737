"""The built browser runtime on disk, read once at start."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from ..errors import ConfigurationError

FORMAT: Final = 1
DEFAULT_FOLDER: Final = Path(__file__).with_name("bundle")

_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".data": "application/octet-stream",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".whl": "application/zip",
    ".zip": "application/zip",
}
# in order of preference: brotli is the smaller
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))


@dataclass(frozen=True)
class Variant:
    """One representation of a file: its content coding (None: as it is), path and size in bytes."""

    encoding: str | None
    path: Path
    size: int


@dataclass(frozen=True)
class RuntimeFile:
    """A file of the bundle. ``sha256`` is of its plain content."""

    path: str
    sha256: str
    content_type: str
    variants: tuple[Variant, ...]

    def choose(self, accepted: Mapping[str, float]) -> Variant | None:
        """The best variant for the codings of an Accept-Encoding header; None when none is acceptable."""
        other = accepted.get("*", 0.0)
        for variant in self.variants:
            if variant.encoding is not None and accepted.get(variant.encoding, other) > 0:
                return variant
        plain = self.variants[-1]
        return plain if accepted.get("identity", 1.0 if "*" not in accepted else other) > 0 else None


def parse_accept_encoding(value: str) -> dict[str, float]:
    """Codings and their weights (RFC 9110 section 12.5.3); what cannot be read does not count."""
    weights: dict[str, float] = {}
    for item in value.split(","):
        coding, *params = (part.strip() for part in item.split(";"))
        if not coding:
            continue
        weight = 1.0
        for param in params:
            name, _, number = param.partition("=")
            if name.strip().lower() == "q":
                try:
                    weight = float(number)
                except ValueError:
                    weight = 0.0
        weights[coding.lower()] = weight
    return weights


MANIFEST = "manifest.json"


class Bundle:
    """The files of one build, by their path in the manifest."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.hash: str = manifest["hash"]
        # The manifest cannot list itself; its content follows from the files', so their hash is its own too.
        listed = {MANIFEST: {"sha256": self.hash}, **manifest["files"]}
        self._files = {path: self._file(path, entry) for path, entry in listed.items()}

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
        variants = []
        for encoding, suffix in _ENCODINGS:
            sibling = plain.with_name(plain.name + suffix)
            if sibling.is_file():
                variants.append(Variant(encoding, sibling, sibling.stat().st_size))
        if not plain.is_file():
            raise ConfigurationError(
                f"The browser runtime is incomplete: {plain} is missing. Build it again."
            )
        variants.append(Variant(None, plain, plain.stat().st_size))
        kind = _TYPES.get(plain.suffix, "application/octet-stream")
        return RuntimeFile(path, entry["sha256"], kind, tuple(variants))

    def get(self, path: str) -> RuntimeFile | None:
        """The file of exactly that path: nothing outside the manifest can be named."""
        return self._files.get(path)
