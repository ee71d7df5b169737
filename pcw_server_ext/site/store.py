"""Staged sites on disk: added whole, replaced atomically, read by name.

    {root}/{name}.json          which folder holds the site now, and what it is; replaced with os.replace
    {root}/.folders/{id}/       its files; never changed once named by a pointer

A reader that has looked up a folder keeps it: a replaced folder is removed only when nothing names it any more, and
a request that is being answered has its file open.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from pcw_server_ext.site import record
from pcw_server_ext.site.errors import SiteError, SiteNotFound, SiteRefused

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_FOLDERS = ".folders"

#: In a zip file all times are equal, so that equal sites make equal files.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20

#: Held while a pointer is replaced: who replaces a folder removes it, and two must not find the same one.
_replacing = threading.Lock()


@dataclass(frozen=True)
class StagedSite:
    """A staged site.

    Attributes:
        name: as in its address.
        folder: name of the folder with its files.
        host: the host it was built for.
        endpoint: grpc-web address built in, `ask` or `same-origin`.
        created: seconds since the epoch, of this content.
        files: number of files.
        size: bytes of all files.
    """

    name: str
    folder: str
    host: str
    endpoint: str
    created: float
    files: int
    size: int


def check_name(name: str) -> str:
    """Return `name` if a site may be called so, else raise `SiteRefused`."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise SiteRefused(
            "A site's name has 1 to 64 letters, digits, '.', '_' and '-', and begins and ends with a letter or digit."
        )
    return name


class SiteStore:
    """The staged sites in the folder `root`, which is created when the first one is added.

    Args:
        root: the folder.
        max_size: bytes a site's files may have in all.
        max_files: number of files a site may have.
    """

    def __init__(self, root: Path, *, max_size: int, max_files: int = 50_000) -> None:
        self.root = root
        self.max_size = max_size
        self.max_files = max_files

    def list(self) -> list[StagedSite]:
        """Return all sites, sorted by name."""
        names = sorted(path.stem for path in self.root.glob("*.json"))
        found = []
        for name in names:
            # Deleted since it was listed.
            with _ignoring_absence():
                found.append(self.get(name))
        return found

    def get(self, name: str) -> StagedSite:
        """Return the site; raises `SiteNotFound`."""
        try:
            text = (self.root / f"{check_name(name)}.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            raise SiteNotFound(
                f"There is no staged site {name!r}. Stage one with: jupyter pcw stage SITE"
            ) from None
        data: dict[str, Any] = json.loads(text)
        return StagedSite(**data)

    def path(self, site: StagedSite) -> Path:
        """Return the folder with the site's files."""
        return self.root / _FOLDERS / site.folder

    @contextmanager
    def new_folder(self) -> Iterator[Path]:
        """Make an empty folder to fill and then hand to `put`; whatever is left of it at the end is removed."""
        folder = self.root / _FOLDERS / f"{int(time.time())}-{secrets.token_hex(6)}"
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            if not self._is_named(folder.name):
                shutil.rmtree(folder, ignore_errors=True)

    def put(self, name: str, folder: Path) -> StagedSite:
        """Make the filled `folder` the site `name`, at once; the folder it replaces is removed.

        Raises:
            SiteRefused: the folder holds no site that can be served, or too much.
        """
        check_name(name)
        files, size = self._measure(folder)
        known = record.read(folder)
        if not (folder / "index.html").is_file():
            raise SiteRefused("The site has no index.html at its root. Stage the folder that holds it.")
        site = StagedSite(
            name=name,
            folder=folder.name,
            host=known.host if known else "static",
            endpoint=known.endpoint if known else "",
            created=time.time(),
            files=files,
            size=size,
        )
        pointer = self.root / f"{name}.json"
        fresh = self.root / f".{name}.{secrets.token_hex(4)}"
        fresh.write_text(json.dumps(asdict(site)), encoding="utf-8")
        with _replacing:
            before = self._pointer(name)
            os.replace(fresh, pointer)
        if before is not None:
            shutil.rmtree(self.root / _FOLDERS / before.folder, ignore_errors=True)
        return site

    def delete(self, name: str) -> None:
        """Remove the site; raises `SiteNotFound`."""
        with _replacing:
            site = self.get(name)
            (self.root / f"{site.name}.json").unlink(missing_ok=True)
        shutil.rmtree(self.path(site), ignore_errors=True)

    def unpack(self, archive: IO[bytes], folder: Path) -> None:
        """Unpack a zip file into an empty folder.

        Raises:
            SiteRefused: it is no zip file, names something outside of the folder, or holds too much.
        """
        try:
            with zipfile.ZipFile(archive) as source:
                members = [member for member in source.infolist() if not member.is_dir()]
                # The sizes that the archive states; what really comes out is counted below.
                if (
                    len(members) > self.max_files
                    or sum(member.file_size for member in members) > self.max_size
                ):
                    raise SiteRefused(self._too_large())
                left = self.max_size
                for member in members:
                    left -= _extract(source, member, folder, left, self._too_large())
        except zipfile.BadZipFile as error:
            raise SiteRefused(f"The upload is no zip file: {error}.") from None
        _lift_single_folder(folder)

    def pack(self, site: StagedSite, target: IO[bytes]) -> None:
        """Write the site as a zip file: the same bytes for the same files."""
        root = self.path(site)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for path in sorted(root.rglob("*")):
                if path.is_file():
                    member = zipfile.ZipInfo(path.relative_to(root).as_posix(), _ZIP_TIME)
                    member.external_attr = 0o644 << 16
                    member.compress_type = zipfile.ZIP_DEFLATED
                    with path.open("rb") as source, archive.open(member, "w") as sink:
                        shutil.copyfileobj(source, sink, _CHUNK)

    def _measure(self, folder: Path) -> tuple[int, int]:
        files = size = 0
        for path in folder.rglob("*"):
            if path.is_symlink():
                # It would point somewhere else for whoever reads it later.
                raise SiteRefused(f"The site holds a link, {path.name}. Stage files and folders only.")
            if path.is_file():
                files += 1
                size += path.stat().st_size
        if files > self.max_files or size > self.max_size:
            raise SiteRefused(self._too_large())
        return files, size

    def _too_large(self) -> str:
        return (
            f"A staged site may have {self.max_files} files and {self.max_size >> 20} MiB in all. "
            "Raise SiteService.max_site_size, or build without what it does not need."
        )

    def _pointer(self, name: str) -> StagedSite | None:
        try:
            return self.get(name)
        except SiteNotFound:
            return None

    def _is_named(self, folder: str) -> bool:
        return any(site.folder == folder for site in self.list())


@contextmanager
def _ignoring_absence() -> Iterator[None]:
    try:
        yield
    except SiteNotFound:
        return


def _extract(
    source: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, left: int, too_large: str
) -> int:
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    outside = not parts or ".." in parts or member.filename.startswith(("/", "\\")) or ":" in parts[0]
    # The upper half of the attributes is the Unix mode: 0o120000 is a link.
    if outside or "\0" in member.filename or (member.external_attr >> 16) & 0o170000 == 0o120000:
        raise SiteRefused(f"The upload names something outside of the site: {member.filename[:100]!r}.")
    target = folder.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with source.open(member) as stream, target.open("xb") as sink:
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


def copy_site(source: Path, target: Path) -> None:
    """Copy a built site's files into an empty folder; raises `SiteError` for a folder that is no site."""
    if not (source / "index.html").is_file():
        raise SiteError(f"{source} holds no site. Build one first: jupyter pcw build --output-dir {source}")
    shutil.copytree(source, target, dirs_exist_ok=True)
