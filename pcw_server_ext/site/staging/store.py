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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from pcw_server_ext.errors import SiteError, SiteNotFound, SiteRefused
from pcw_server_ext.private_files import FOLDER_MODE, create_private, make_private
from pcw_server_ext.site import record
from pcw_server_ext.site.staging.archive import pack, unpack

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_FOLDERS = ".folders"

#: Bytes of a `_headers` file.
_MAX_RULES = 64 << 10

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
        trusted: who lets this content act with their rights, as `trust.person` calls them.
    """

    name: str
    folder: str
    host: str
    endpoint: str
    created: float
    files: int
    size: int
    trusted: tuple[str, ...] = ()


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
        private_above: so many of the folders above `root` are for this account alone, as `root` is.
    """

    def __init__(self, root: Path, *, max_size: int, max_files: int = 50_000, private_above: int = 0) -> None:
        self.root = root
        self.max_size = max_size
        self.max_files = max_files
        self.private_above = private_above

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
        return StagedSite(**{**data, "trusted": tuple(data.get("trusted", ()))})

    def path(self, site: StagedSite) -> Path:
        """Return the folder with the site's files."""
        return self.root / _FOLDERS / site.folder

    @contextmanager
    def new_folder(self) -> Iterator[Path]:
        """Make an empty folder to fill and then hand to `put`; whatever is left of it at the end is removed."""
        try:
            make_private(self.root / _FOLDERS, above=1 + self.private_above)
            folder = self.root / _FOLDERS / f"{int(time.time())}-{secrets.token_hex(6)}"
            folder.mkdir(mode=FOLDER_MODE)
        except OSError as error:
            raise SiteError(
                f"Sites cannot be kept on the server: {error.strerror}. Set SiteService.sites_dir to a folder that the "
                "server may write to."
            ) from error
        try:
            yield folder
        finally:
            if not self._is_named(folder.name):
                shutil.rmtree(folder, ignore_errors=True)

    def put(self, name: str, folder: Path, trusted: Sequence[str] = ()) -> StagedSite:
        """Make the filled `folder` the site `name`, at once; the folder it replaces is removed.

        Args:
            name: the site's name.
            folder: one that `new_folder` has made.
            trusted: who lets it act with their rights.

        Raises:
            SiteRefused: the folder holds no site that can be served, or too much.
        """
        check_name(name)
        files, size = self._measure(folder)
        known = record.read(folder)
        _check_rules(folder / "_headers")
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
            trusted=tuple(trusted),
        )
        with _replacing:
            before = self._pointer(name)
            self._write(site)
        if before is not None:
            shutil.rmtree(self.root / _FOLDERS / before.folder, ignore_errors=True)
        return site

    def trust(self, name: str, person: str, *, trusted: bool, folder: str | None = None) -> StagedSite:
        """Let the site's content act with a person's rights, or no longer; return it.

        Args:
            name: the site's name.
            person: as `trust.person` calls them.
            trusted: what is chosen.
            folder: the content that was seen, if it is known.

        Raises:
            SiteNotFound: there is no such site.
            SiteRefused: another content has taken the place of the one that was seen.
        """
        with _replacing:
            site = self.get(name)
            if folder is not None and site.folder != folder:
                raise SiteRefused("The site was replaced in the meantime. Open it again.")
            others = tuple(other for other in site.trusted if other != person)
            site = replace(site, trusted=(*others, person) if trusted else others)
            self._write(site)
        return site

    def _write(self, site: StagedSite) -> None:
        fresh = self.root / f".{site.name}.{secrets.token_hex(4)}"
        with create_private(fresh) as file:
            file.write(json.dumps(asdict(site)).encode())
        os.replace(fresh, self.root / f"{site.name}.json")

    def delete(self, name: str) -> None:
        """Remove the site; raises `SiteNotFound`."""
        with _replacing:
            site = self.get(name)
            (self.root / f"{site.name}.json").unlink(missing_ok=True)
        shutil.rmtree(self.path(site), ignore_errors=True)

    def unpack(self, archive: IO[bytes], folder: Path) -> None:
        """Unpack a zip file into an empty folder; raises as `archive.unpack` does."""
        unpack(archive, folder, max_size=self.max_size, max_files=self.max_files, too_large=self._too_large())

    def pack(self, site: StagedSite, target: IO[bytes]) -> None:
        """Write the site as a zip file: the same bytes for the same files."""
        pack(self.path(site), target)

    def _measure(self, folder: Path) -> tuple[int, int]:
        files = size = 0
        for path in folder.rglob("*"):
            if path.is_symlink():
                # It would point somewhere else for whoever reads it later.
                raise SiteRefused(f"The site holds a link, {path.name!r}. Stage files and folders only.")
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


def _check_rules(path: Path) -> None:
    """Raise `SiteRefused` for a `_headers` file that cannot be read for every request."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        data = file.read(_MAX_RULES + 1)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise SiteRefused("_headers is not text in UTF-8. Save it so, and stage the site again.") from None
    if len(data) > _MAX_RULES:
        raise SiteRefused(f"_headers is larger than {_MAX_RULES >> 10} KiB. Use fewer rules.")


@contextmanager
def _ignoring_absence() -> Iterator[None]:
    try:
        yield
    except SiteNotFound:
        return
