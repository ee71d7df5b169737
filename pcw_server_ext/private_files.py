"""Folders and files that only the server's account can read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def make_private(folder: Path, above: int = 0) -> Path:
    """Create `folder`, where it is missing, for this account alone; return it.

    Args:
        folder: may exist: the rights of others are taken from it if it is this account's.
        above: so many of the folders above it are treated likewise.
    """
    for path in [*reversed(list(folder.parents)[:above]), folder]:
        path.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        facts = path.stat()
        # Windows has no such modes and no owners.
        if facts.st_mode & 0o077 and (not hasattr(os, "getuid") or facts.st_uid == os.getuid()):
            path.chmod(FOLDER_MODE)
    return folder


def create_private(path: Path) -> IO[bytes]:
    """Open a new file for writing that only this account can read; raises `FileExistsError`."""
    return os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), FILE_MODE), "wb"
    )
