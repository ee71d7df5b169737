"""The administrator's own wheels: files in folders of this machine."""

from __future__ import annotations

import email
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jupyter_core.paths import jupyter_path

from pcw_server_ext.file_hash import sha256_of
from pcw_server_ext.packages.index.wheel_files import NotAWheel, WheelFile, metadata_of, project_of


def shared_folders() -> list[Path]:
    """``pcw/wheels`` below each of Jupyter's data folders."""
    return [Path(path) for path in jupyter_path("pcw", "wheels")]


@dataclass(frozen=True)
class _Read:
    """What a file was when it was read: its time and size, and the wheel or why it is none."""

    seen: tuple[int, int]
    wheel: WheelFile | None
    fault: str = ""


class OwnWheels:
    """Wheels that are named, and those of some folders; of files with one name the first counts.

    A file is read again when its time or size has changed: what is put into a folder is there at the next request.
    """

    def __init__(self, folders: Sequence[Path], log: logging.Logger, files: Sequence[Path] = ()) -> None:
        self._named = tuple(files)
        self.folders = tuple(dict.fromkeys(folders))
        self._log = log
        self._read: dict[Path, _Read] = {}

    def projects(self) -> list[str]:
        """The normalized names of the projects that have a wheel here; by the files' names alone."""
        return sorted({name for _, name in self._files()})

    def wheels(self, project: str) -> list[WheelFile]:
        """The wheels of a project, read and hashed; those that are no wheels are in the log and in `faults`."""
        read = [self._look(path) for path, name in self._files() if name == project]
        return [one.wheel for one in read if one is not None and one.wheel is not None]

    def faults(self, project: str) -> list[str]:
        """What is wrong with files of a project that are no wheels, for a person."""
        read = [self._look(path) for path, name in self._files() if name == project]
        return [one.fault for one in read if one is not None and one.fault]

    def state(self) -> object:
        """Something that is equal as long as the files are the same, by their names, times and sizes."""
        found = []
        for path, _ in self._files():
            try:
                facts = path.stat()
            except OSError:
                # removed a moment ago
                continue
            found.append((path, facts.st_mtime_ns, facts.st_size))
        return found

    def _files(self) -> Iterator[tuple[Path, str]]:
        known: set[str] = set()
        for path in self._paths():
            name = project_of(path.name) if path.suffix == ".whl" else None
            if name is not None and path.name not in known and path.is_file():
                known.add(path.name)
                yield path, name

    def _paths(self) -> Iterator[Path]:
        yield from self._named
        for folder in self.folders:
            try:
                yield from sorted(folder.iterdir())
            except FileNotFoundError:
                continue
            except OSError as error:
                self._log.warning("The folder of wheels %s cannot be read: %s", folder, error.strerror)

    def _look(self, path: Path) -> _Read | None:
        try:
            facts = path.stat()
            seen = (facts.st_mtime_ns, facts.st_size)
            known = self._read.get(path)
            if known is None or known.seen != seen:
                known = self._read[path] = self._open(path, seen)
        except OSError as error:
            # removed a moment ago, or not for this account
            self._log.warning("The wheel %s cannot be read: %s", path, error.strerror)
            return None
        return known

    def _open(self, path: Path, seen: tuple[int, int]) -> _Read:
        try:
            metadata = email.message_from_bytes(metadata_of(path, path.name))
        except NotAWheel as error:
            self._log.warning("%s %s; it is left out.", path, error)
            return _Read(seen, None, f"{path.name} on this server {error}")
        return _Read(
            seen,
            WheelFile(
                file=path.name,
                sha256=sha256_of(path),
                size=seen[1],
                requires_python=metadata.get("Requires-Python", ""),
                path=path,
            ),
        )
