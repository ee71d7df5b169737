"""Reads and writes sites as zip files; what is uploaded is looked at as data before a byte of it is unpacked."""

from __future__ import annotations

import errno
import io
import secrets
import shutil
import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path
from typing import IO

from pcw_server_ext.errors import SiteError, SiteRefused
from pcw_server_ext.private_files import FOLDER_MODE, create_private

#: In a zip file all times are equal, so that equal sites make equal files.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20
#: Bytes of a zip file's list of its files; 50,000 files with long names have less.
_MAX_DIRECTORY = 32 << 20
_ENTRY = b"PK\x01\x02"
#: Names of files and folders, in bytes: what file systems take.
_MAX_NAME, _MAX_PATH = 255, 1024
_ENCRYPTED = 0x1
#: What the operating system says of a name or a path that it does not take.
_NAMES = frozenset(
    {errno.EEXIST, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR}
)
#: What `zipfile` and `zlib` raise for a file that is damaged.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)


def unpack(archive: IO[bytes], folder: Path, *, max_size: int, max_files: int, too_large: str) -> None:
    """Unpack a zip file into an empty folder.

    Args:
        archive: the zip file.
        folder: an empty folder of this account's.
        max_size: bytes that its files may have in all.
        max_files: number of files that it may have.
        too_large: what to say of one that has more.

    Raises:
        SiteRefused: it is no zip file, is damaged, names something that cannot be a file of a site, or holds too much.
        SiteError: the files cannot be written.
    """
    try:
        with zipfile.ZipFile(_Bounded(archive, max_files, too_large)) as source:
            members = _members(source)
            # The sizes that the archive states; what really comes out is counted below.
            if len(members) > max_files or sum(member.file_size for _, member in members) > max_size:
                raise SiteRefused(too_large)
            left = max_size
            for parts, member in members:
                left -= _extract(source, member, folder.joinpath(*parts), left, too_large)
    except OSError as error:
        if error.errno in _NAMES:
            raise SiteRefused(f"The upload names a file that cannot be written: {error.strerror}.") from None
        raise SiteError(
            f"The site cannot be kept on the server: {error.strerror}. Make room there."
        ) from error
    except _DAMAGED as error:
        raise SiteRefused(f"The upload is no zip file, or a damaged one: {_shown(str(error))}.") from None
    _lift_single_folder(folder)


def pack(root: Path, target: IO[bytes]) -> None:
    """Write the files below `root` as a zip file: the same bytes for the same files."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                member = zipfile.ZipInfo(path.relative_to(root).as_posix(), _ZIP_TIME)
                member.external_attr = 0o644 << 16
                member.compress_type = zipfile.ZIP_DEFLATED
                with path.open("rb") as source, archive.open(member, "w", force_zip64=True) as sink:
                    shutil.copyfileobj(source, sink, _CHUNK)


class _Bounded(io.RawIOBase):
    """A zip file whose list of files is looked at before `zipfile` makes an object of each.

    `zipfile` reads the list at once; everything else it reads in pieces of at most `_CHUNK` bytes.
    """

    def __init__(self, file: IO[bytes], max_files: int, too_large: str) -> None:
        self._file = file
        self._max_files = max_files
        self._too_large = too_large

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        if size > _MAX_DIRECTORY:
            raise SiteRefused(self._too_large)
        data = self._file.read(size)
        # Folders have entries too.
        if size > _CHUNK and data.count(_ENTRY) > 2 * self._max_files:
            raise SiteRefused(self._too_large)
        return data


def _members(source: zipfile.ZipFile) -> list[tuple[tuple[str, ...], zipfile.ZipInfo]]:
    """Return the files of an archive with the parts of their paths; raises `SiteRefused` for any that cannot be one."""
    found: list[tuple[tuple[str, ...], zipfile.ZipInfo]] = []
    files: set[tuple[str, ...]] = set()
    folders: set[tuple[str, ...]] = set()
    for member in source.infolist():
        parts = _parts(member)
        # What macOS puts beside the files of every zip file that it makes.
        if parts[0] == "__MACOSX" or parts[-1] == ".DS_Store":
            continue
        if member.is_dir():
            continue
        if member.flag_bits & _ENCRYPTED:
            raise SiteRefused("The upload is encrypted. Make the zip file without a password.")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise SiteRefused(
                "The upload is compressed in an uncommon way. Make it with deflate, as zip does."
            )
        above = [parts[:length] for length in range(1, len(parts))]
        if parts in files or parts in folders or not files.isdisjoint(above):
            raise SiteRefused(
                f"The upload has two files, or a file and a folder, of one name: {_shown(member.filename)}."
            )
        files.add(parts)
        folders.update(above)
        found.append((parts, member))
    return found


def _parts(member: zipfile.ZipInfo) -> tuple[str, ...]:
    name = member.filename.replace("\\", "/")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    # The upper half of the attributes is the Unix mode: 0o120000 is a link.
    outside = not parts or ".." in parts or name.startswith("/") or ":" in parts[0]
    if outside or (member.external_attr >> 16) & 0o170000 == 0o120000:
        raise SiteRefused(f"The upload names something outside of the site: {_shown(member.filename)}.")
    try:
        longest, whole = max(len(part.encode()) for part in parts), len(name.encode())
    except UnicodeEncodeError:
        raise SiteRefused(f"The upload has a name that is no text: {_shown(member.filename)}.") from None
    if longest > _MAX_NAME or whole > _MAX_PATH:
        raise SiteRefused(
            f"The upload has a name of more than {_MAX_NAME} or a path of more than {_MAX_PATH} bytes."
        )
    if any(unicodedata.category(sign) == "Cc" for sign in name):
        raise SiteRefused(f"The upload has a name with a control character: {_shown(member.filename)}.")
    return parts


def _extract(
    source: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, left: int, too_large: str
) -> int:
    for folder in reversed([above for above in target.parents if not above.exists()]):
        folder.mkdir(mode=FOLDER_MODE)
    written = 0
    with source.open(member) as stream, create_private(target) as sink:
        while piece := stream.read(_CHUNK):
            written += len(piece)
            if written > left:
                raise SiteRefused(too_large)
            sink.write(piece)
    return written


def _lift_single_folder(folder: Path) -> None:
    """A zip file of a folder, rather than of what is in it, is as good."""
    entries = list(folder.iterdir())
    if len(entries) != 1 or not entries[0].is_dir() or not (entries[0] / "index.html").is_file():
        return
    inner = entries[0].rename(folder / f".{secrets.token_hex(4)}")
    for entry in inner.iterdir():
        entry.rename(folder / entry.name)
    inner.rmdir()


def _shown(text: str) -> str:
    """Return text of an upload as a message may show it."""
    return ascii(text[:100])
