"""What the index has: the administrator's own wheels first, and for other names the wheels of another index."""

from __future__ import annotations

import asyncio
import fnmatch
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

from pcw_server_ext.errors import PackageError
from pcw_server_ext.packages.index.own_wheels import OwnWheels
from pcw_server_ext.packages.index.wheel_files import (
    Fit,
    NotAWheel,
    WheelFile,
    kind_of,
    metadata_of,
    normalized,
    project_of,
)
from pcw_server_ext.packages.kept_files import KeptFiles, WrongContent

#: How many kinds of files that do not fit a message names.
_KINDS: Final = 6
#: Seconds for which what another index said of a project is believed, and of how many projects it is remembered.
_REMEMBERED_SECONDS: Final = 600.0
_REMEMBERED: Final = 500
#: Threads that wait for another index: a slow one holds up no other part of the server.
_THREADS: Final = 8
_LOCKS: Final = 64

Result = TypeVar("Result")


class Upstream(Protocol):
    """Another index. ``name`` is for the log and holds no secret."""

    name: str

    def files(self, project: str) -> Sequence[WheelFile]:
        """Every file that it has of a project; empty where it has none. Blocks. Raises PackageError."""

    def read(self, wheel: WheelFile) -> Iterator[bytes]:
        """The content of a file, in pieces. Raises PackageError."""

    def read_metadata(self, wheel: WheelFile) -> bytes:
        """The metadata that it offers beside a file, verified where it names their hash. Raises PackageError."""


@dataclass(frozen=True)
class Project:
    """A project and its wheels that a browser kernel can use, the preferred one first.

    Attributes:
        name: normalized.
        own: whether they are the administrator's.
        wheels: may be empty.
        unusable: for a person, why other files of it are left out.
    """

    name: str
    own: bool
    wheels: tuple[WheelFile, ...]
    unusable: tuple[str, ...]


class PackageIndex:
    """Wheels by their project.

    A project that the administrator has wheels of is never asked for elsewhere: who registers its name in a public
    index could else put code of his own into it.

    Args:
        fit: what a kernel can use.
        own: the administrator's wheels.
        upstream: the other index; None: there is none.
        kept: where its files are kept.
        largest: bytes of the largest wheel that is fetched.
        log: told what could not be had.
        allow: patterns of the names that the other index may be asked for.
        deny: patterns of those that it may not.
    """

    def __init__(
        self,
        fit: Fit,
        own: OwnWheels,
        upstream: Upstream | None,
        kept: KeptFiles,
        *,
        largest: int,
        log: logging.Logger,
        allow: Sequence[str] = ("*",),
        deny: Sequence[str] = (),
    ) -> None:
        self.own = own
        self.upstream = upstream
        self._fit = fit
        self._kept = kept
        self._largest = largest
        self._log = log
        self._allow = [_pattern(one) for one in allow]
        self._deny = [_pattern(one) for one in deny]
        self._remembered: OrderedDict[str, tuple[float, Project]] = OrderedDict()
        # by the hash of a name: one for each would stay for every name that somebody has thought of
        self._asking = [threading.Lock() for _ in range(_LOCKS)]
        self._guard = threading.Lock()
        self._held: dict[str, WheelFile] = {}
        self._threads = ThreadPoolExecutor(_THREADS, "pcw-package-index")

    async def in_thread(self, function: Callable[..., Result], *arguments: object) -> Result:
        """What a function returns that may ask the other index, called off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(*arguments))

    def project(self, name: str) -> Project:
        """A project by any spelling of its name; blocks.

        Raises:
            PackageError: there is no such project, or it cannot be told.
        """
        known = normalized(name)
        if known is None:
            raise PackageError("unknown", f"{name[:100]!r} is no name of a package.")
        own, faults = self.own.wheels(known), self.own.faults(known)
        if own or faults:
            return self._made(known, True, own, faults)
        if self.upstream is None:
            raise PackageError(
                "no-index",
                f"This server has no wheel of {known}, and asks no other index. {remedy(known)}",
            )
        self._check(known)
        # many who ask at the same time make it one request
        with self._asking[hash(known) % _LOCKS]:
            found = self._known(known)
            if found is None:
                found = self._ask(known, self.upstream)
        return found

    def _known(self, name: str) -> Project | None:
        with self._guard:
            asked, found = self._remembered.get(name, (0.0, None))
            return found if found is not None and time.monotonic() - asked < _REMEMBERED_SECONDS else None

    def _ask(self, known: str, upstream: Upstream) -> Project:
        files = upstream.files(known)
        if not files:
            raise PackageError(
                "unknown",
                f"Neither this server nor the index that it asks has a package {known}. Check the name;"
                f" {remedy(known)[:1].lower()}{remedy(known)[1:]}",
            )
        found = self._made(known, False, files, [])
        with self._guard:
            self._remembered[known] = (time.monotonic(), found)
            self._remembered.move_to_end(known)
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return found

    def _check(self, name: str) -> None:
        allowed = any(fnmatch.fnmatchcase(name, one) for one in self._allow)
        if not allowed or any(fnmatch.fnmatchcase(name, one) for one in self._deny):
            setting = "PcwExtension.packages_deny" if allowed else "PcwExtension.packages_allow"
            raise PackageError(
                "forbidden",
                f"This server may not fetch {name} from an index ({setting}). {remedy(name)}",
            )

    def _made(self, name: str, own: bool, files: Sequence[WheelFile], faults: Sequence[str]) -> Project:
        usable, unusable = [], list(faults)
        for wheel in self._fit.ordered(wheel for wheel in files if project_of(wheel.file) == name):
            if not wheel.sha256:
                unusable.append(f"{wheel.file} comes without a SHA-256 in the index")
            elif wheel.size is not None and wheel.size > self._largest and wheel.path is None:
                unusable.append(
                    f"{wheel.file} has {megabytes(wheel.size)}, and the limit of this server is"
                    f" {megabytes(self._largest)}"
                )
            else:
                usable.append(wheel)
        if not usable:
            kinds = list(dict.fromkeys(kind for wheel in files if (kind := kind_of(wheel.file))))
            if kinds and not unusable:
                more = f" and {len(kinds) - _KINDS} more" if len(kinds) > _KINDS else ""
                unusable.append(f"there is {', '.join(kinds[:_KINDS])}{more}")
        return Project(name, own, tuple(usable), tuple(dict.fromkeys(unusable)))

    def hold(self, wheels: Sequence[WheelFile]) -> None:
        """Give out these wheels of the other index, whose files are kept, whatever that index says later."""
        self._held = {wheel.sha256: wheel for wheel in wheels if wheel.path is None}

    def wheel(self, sha256: str, file: str) -> WheelFile:
        """A usable wheel by its hash and name; blocks. Raises PackageError."""
        held = self._held.get(sha256)
        if held is not None and held.file == file:
            return held
        name = project_of(file)
        if name is not None:
            for wheel in self.project(name).wheels:
                if wheel.file == file and wheel.sha256 == sha256:
                    return wheel
        raise PackageError(
            "unknown", f"The index has no file {file[:100]} with this hash any more: try again."
        )

    async def content(self, wheel: WheelFile) -> Path:
        """Where a wheel is, fetched and verified first if need be. Raises PackageError."""
        if wheel.path is not None:
            return wheel.path
        found = await asyncio.to_thread(self._kept.find, wheel.sha256, wheel.file)
        if found is not None:
            return found
        return await self._kept.once(wheel.sha256, lambda: self._fetch(wheel))

    async def metadata(self, wheel: WheelFile) -> bytes:
        """The METADATA of a wheel, which is fetched only where the index does not offer them beside it.

        Raises:
            PackageError: they cannot be had.
        """
        if wheel.path is None and wheel.metadata is not None and self.upstream is not None:
            kept = await asyncio.to_thread(self._kept.find, wheel.sha256, wheel.file)
            if kept is None:
                return await self.in_thread(self.upstream.read_metadata, wheel)
        path = await self.content(wheel)
        try:
            return await asyncio.to_thread(metadata_of, path, wheel.file)
        except (NotAWheel, OSError) as error:
            raise PackageError("corrupt", f"{wheel.file} {error}") from None

    def _fetch(self, wheel: WheelFile) -> Path:
        upstream = self.upstream
        if upstream is None:
            raise AssertionError("a wheel of another index without that index")

        def check(path: Path) -> None:
            metadata_of(path, wheel.file)

        try:
            path = self._kept.keep(
                wheel.sha256, wheel.file, limited(upstream.read(wheel), wheel, self._largest), check
            )
        except WrongContent as error:
            raise PackageError(
                "corrupt",
                f"{wheel.file} came with another hash ({error.total} bytes) than the index names, and was thrown away."
                " The index or a cache on the way is damaged: tell the administrator of this server.",
            ) from None
        except NotAWheel as error:
            raise PackageError(
                "corrupt",
                f"{wheel.file} is not a wheel: it {error}. It was thrown away; ask for another version.",
            ) from None
        except OSError as error:
            raise PackageError(
                "cache", f"{wheel.file} cannot be kept on this server: {error.strerror}."
            ) from error
        self._log.info("Fetched %s from %s", wheel.file, upstream.name)
        return path


def _pattern(text: str) -> str:
    """A pattern of names, with the names in it normalized as far as that goes."""
    return text.strip().lower().replace("_", "-").replace(".", "-")


def limited(pieces: Iterator[bytes], wheel: WheelFile, largest: int) -> Iterator[bytes]:
    """The pieces, as long as they are no more than `largest` bytes. Raises PackageError."""
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > largest:
            raise PackageError(
                "too-large",
                f"{wheel.file} is larger than {megabytes(largest)}, the limit of this server; nothing of it was kept.",
            )
        yield piece


def megabytes(size: int) -> str:
    """A size for a person."""
    return f"{size / (1 << 20):.0f} MiB"


def remedy(project: str) -> str:
    """The next step of a person who needs a package that the index lacks."""
    return (
        f"An administrator can put a wheel of {project} into share/jupyter/pcw/wheels of this server's environment; a"
        " wheel in the notebook's folder is installed with `%pip install emfs:FILE.whl`."
    )
