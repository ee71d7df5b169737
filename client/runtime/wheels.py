"""Reads, trims and writes wheels; equal input gives equal bytes.

Format: the binary distribution format specification (PEP 427 and its successors).
"""

from __future__ import annotations

import base64
import email
import email.message
import fnmatch
import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from client.runtime.errors import HashMismatch, SourceError
from client.runtime.pins import Sdist, Wheel, WheelHolder

#: Every entry gets this time: the zip format cannot leave it out.
_TIME = (2020, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class BuiltWheel:
    """A wheel that will be served. `pack` and `extra` choose the packs that hold its files, as in `pins.Wheel`."""

    name: str
    version: str
    file: str
    content: bytes
    pack: str
    extra: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the wheel."""
        return hashlib.sha256(self.content).hexdigest()

    def files(self) -> dict[str, bytes]:
        """Path -> content, in the wheel's order."""
        return read(self.content)

    def metadata(self) -> email.message.Message:
        """The core metadata."""
        for path, content in self.files().items():
            if path.endswith(".dist-info/METADATA"):
                return email.message_from_bytes(content)
        raise SourceError(f"{self.file} has no METADATA: it is not a wheel.")


def read(content: bytes) -> dict[str, bytes]:
    """Path -> content of every file of a zip archive, in the archive's order."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist() if not entry.is_dir()}


def write(files: Mapping[str, bytes]) -> bytes:
    """A zip archive of `files`, sorted, with fixed times and modes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, files[path])
    return buffer.getvalue()


def published(pin: Wheel, content: bytes) -> BuiltWheel:
    """The wheel as it was published, or with only the files that its pin keeps."""
    if pin.keep or pin.drop:
        content = _trim(pin, content)
    return BuiltWheel(pin.name, pin.version, pin.file, content, pin.pack, pin.extra)


def carried(holder: WheelHolder, path: Path) -> list[BuiltWheel]:
    """The wheels that another package carries among its files.

    Raises:
        SourceError: one of them is not in it.
        HashMismatch: one has other bytes than the pinned ones.
    """
    inside = {name.rpartition("/")[2]: content for name, content in read(path.read_bytes()).items()}
    built = []
    for pin in holder.wheels:
        if pin.file not in inside:
            raise SourceError(f"{path.name} carries no {pin.file}. Compare its content with pins.json.")
        wheel = published(pin, inside[pin.file])
        if wheel.sha256 != pin.sha256:
            raise HashMismatch(path.with_name(pin.file), pin.sha256, wheel.sha256)
        built.append(wheel)
    return built


def from_sdist(pin: Sdist, path: Path) -> BuiltWheel:
    """A wheel of the Python files of a source distribution, without running its build.

    Raises:
        SourceError: the archive holds none of the files that the pin keeps.
    """
    files: dict[str, bytes] = {}
    licences: dict[str, bytes] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            if not member.isfile():
                continue
            inside = member.name.partition("/")[2]
            if inside in ("LICENSE", "NOTICE"):
                target = licences
            elif _kept(pin, inside):
                target = files
            else:
                continue
            content = archive.extractfile(member)
            if content is not None:
                target[inside] = content.read()
    if not files:
        raise SourceError(
            f"{path.name} holds no file that pins.json keeps. Compare its layout with the patterns there."
        )
    wheel = assemble(
        pin.name,
        pin.version,
        files,
        licences,
        pack=pin.pack,
        licence=pin.licence,
        requires=pin.depends,
        summary=f"Python files of {pin.name}",
    )
    return replace(wheel, extra=pin.extra)


def assemble(
    name: str,
    version: str,
    files: Mapping[str, bytes],
    licences: Mapping[str, bytes],
    *,
    pack: str,
    licence: str,
    requires: Sequence[str],
    summary: str,
) -> BuiltWheel:
    """A pure Python wheel of `files`, with metadata, licence files and RECORD."""
    distribution = re.sub(r"[-_.]+", "_", name)
    info = f"{distribution}-{version}.dist-info"
    lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", f"Summary: {summary}"]
    lines += [f"License-Expression: {licence}", *(f"License-File: {path}" for path in sorted(licences))]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    tags = "Wheel-Version: 1.0\nGenerator: pcw-server-ext\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    everything = {
        **files,
        **{f"{info}/licenses/{path}": content for path, content in licences.items()},
        f"{info}/METADATA": ("\n".join(lines) + "\n").encode(),
        f"{info}/WHEEL": tags.encode(),
    }
    content = write(_recorded(everything, info))
    return BuiltWheel(name, version, f"{distribution}-{version}-py3-none-any.whl", content, pack)


def _trim(pin: Wheel, content: bytes) -> bytes:
    files = {path: data for path, data in read(content).items() if _kept(pin, path)}
    info = next(path.partition("/")[0] for path in files if path.endswith(".dist-info/METADATA"))
    return write(_recorded(files, info))


def _kept(pin: Wheel, path: str) -> bool:
    def among(patterns: Sequence[str]) -> bool:
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)

    return (not pin.keep or among(pin.keep)) and not among(pin.drop)


def _recorded(files: Mapping[str, bytes], info: str) -> dict[str, bytes]:
    record = f"{info}/RECORD"
    listed = {path: content for path, content in files.items() if path != record}
    rows = []
    for path in sorted(listed):
        digest = base64.urlsafe_b64encode(hashlib.sha256(listed[path]).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(listed[path])}")
    rows.append(f"{record},,")
    return {**listed, record: ("\n".join(rows) + "\n").encode()}
