"""Other forms of the bundle's files than the stored one: made when they are first needed, then kept.

The bundle holds each file once, compressed with brotli where that pays. Browsers take brotli from https and from
this machine; over plain http from another host, and in sites on hosts that compress nothing, it is gzip or the plain
content. gzip forms are slow to make (3 s for the memory snapshot) and are kept in Jupyter's data folder; plain content
is unpacked each time, which costs little more than reading it.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from jupyter_core.paths import jupyter_data_dir

from pcw_server_ext.runtime.bundle import RuntimeFile
from pcw_server_ext.web.content_codings import GZIP, IDENTITY, SUFFIXES

#: zlib's window with a gzip wrapper.
_WBITS: Final = 16 + zlib.MAX_WBITS
_LEVEL: Final = 6
SUFFIX: Final = SUFFIXES[GZIP]
_PART: Final = ".part"
#: A gzip stream ends with the size of its content, modulo 2^32 (RFC 1952 section 2.3.1).
_SIZE_AT_END: Final = 4
#: Seconds after which a form that nobody asked for is removed.
_UNUSED: Final = 30 * 86400

_log = logging.getLogger(__name__)


def default_folder() -> Path:
    """Where forms are kept: in Jupyter's data folder of this user."""
    return Path(jupyter_data_dir()) / "pcw" / "runtime"


class Forms:
    """Makes and keeps forms of files, by the hash of their content: bundles and servers share them.

    Args:
        folder: where they are kept; made when needed. A folder that cannot be written only costs time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, file: RuntimeFile, coding: str) -> Path | None:
        """The file in a content coding, if it is stored or kept that way."""
        if coding == file.stored_coding:
            return file.stored
        if coding != GZIP:
            return None
        path = self._place(file)
        try:
            with path.open("rb") as kept:
                kept.seek(-_SIZE_AT_END, os.SEEK_END)
                whole = kept.read() == (file.size % 2**32).to_bytes(_SIZE_AT_END, "little")
            if whole:
                os.utime(path)
        except OSError:
            return None
        return path if whole else None

    def pieces(self, file: RuntimeFile, coding: str) -> Generator[bytes, None, None]:
        """The file in a content coding that `find` has not: made now, and kept if it is taken to its end.

        Raises:
            OSError: the bundle cannot be read.
            brotli.error: the bundle is damaged.
        """
        if coding == IDENTITY:
            return file.pieces()
        if coding == GZIP:
            return self._kept_on_the_way(file, _gzip(file.pieces()))
        raise ValueError(f"{file.path} is not made in the form {coding!r}")

    def write(self, file: RuntimeFile, coding: str, target: Path) -> None:
        """Write the file in a content coding to `target`, whose folder is there.

        Raises:
            OSError: the bundle cannot be read, or `target` not be written.
            brotli.error: the bundle is damaged.
        """
        found = self.find(file, coding)
        if found is not None:
            shutil.copyfile(found, target)
            return
        with target.open("wb") as output:
            for piece in self.pieces(file, coding):
                output.write(piece)

    def read(self, file: RuntimeFile, coding: str) -> bytes:
        """The file in a content coding; raises as `write` does."""
        found = self.find(file, coding)
        return found.read_bytes() if found is not None else b"".join(self.pieces(file, coding))

    def _place(self, file: RuntimeFile) -> Path:
        return self.folder / f"{file.sha256}{SUFFIX}"

    def _kept_on_the_way(self, file: RuntimeFile, pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
        """The pieces as they are; beside it they are written, and put into place once all are there."""
        part = self._part()
        try:
            for piece in pieces:
                yield piece
                part = _append(part, piece)
            if part is not None:
                part.close()
                self._put(Path(part.name), self._place(file))
        finally:
            # Whoever asked went away, or the bundle could not be read.
            if part is not None:
                part.close()
                Path(part.name).unlink(missing_ok=True)

    def _part(self) -> IO[bytes] | None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return tempfile.NamedTemporaryFile(dir=self.folder, suffix=_PART, delete=False)
        except OSError as error:
            _log.warning("Compressed files of the browser runtime are not kept, each is made anew: %s", error)
            return None

    def _put(self, part: Path, place: Path) -> None:
        try:
            part.replace(place)
            self._remove_unused(time.time() - _UNUSED)
        except OSError as error:
            _log.warning("%s is not kept and will be made anew: %s", place, error)

    def _remove_unused(self, before: float) -> None:
        """Remove what nobody has asked for since `before`, and what a process left that was ended on its way."""
        for path in self.folder.iterdir():
            if path.suffix in (SUFFIX, _PART) and path.stat().st_mtime < before:
                path.unlink(missing_ok=True)


def _append(part: IO[bytes] | None, piece: bytes) -> IO[bytes] | None:
    if part is None:
        return None
    try:
        part.write(piece)
    except OSError as error:
        _log.warning("%s is not kept and will be made anew: %s", part.name, error)
        with suppress(OSError):
            part.close()
        Path(part.name).unlink(missing_ok=True)
        return None
    return part


def _gzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    encoder = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WBITS)
    for piece in pieces:
        if coded := encoder.compress(piece):
            yield coded
    yield encoder.flush()
