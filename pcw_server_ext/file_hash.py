"""The hash of a file's content, as locks, manifests and records of sites name it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

_PIECE: Final = 1 << 20


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, hexadecimal; files of any size, since they are read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
