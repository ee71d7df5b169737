"""The lock of the whole Pyodide distribution: which packages a kernel can load, and what each of them needs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import brotli
from packaging.utils import canonicalize_name

from pcw_server_ext.errors import ConfigurationError, PackageError
from pcw_server_ext.runtime.bundle import Bundle

FULL_LOCK = "pyodide/pyodide-lock.full.json"
FOLDER = "pyodide/"


@dataclass(frozen=True)
class Package:
    """A package as the lock names it.

    Attributes:
        name: normalized.
        version: as the lock has it.
        file: the name of its file.
        sha256: of that file, hexadecimal.
        depends: names of the packages that it needs, as the lock spells them.
        bundled: the browser runtime holds it.
        entry: all that the lock says of it.
    """

    name: str
    version: str
    file: str
    sha256: str
    depends: tuple[str, ...]
    bundled: bool
    entry: Mapping[str, Any] = field(repr=False, compare=False)


class PackageLock:
    """Packages by their normalized name. Nothing that is not in it is ever fetched or served."""

    def __init__(self, packages: Iterable[Package], version: str) -> None:
        self.version = version
        self.packages = {package.name: package for package in packages}
        self._files = {package.file: package for package in self.packages.values() if not package.bundled}

    @classmethod
    def load(cls, bundle: Bundle) -> PackageLock | None:
        """The lock of a bundle; None for a bundle without one. Raises ConfigurationError."""
        file = bundle.get(FULL_LOCK)
        if file is None:
            return None
        try:
            entries: Mapping[str, Any] = json.loads(file.read())["packages"]
            packages = [_package(canonicalize_name(name), entry, bundle) for name, entry in entries.items()]
        except (OSError, brotli.error, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"The lock of Pyodide's packages {file.stored} cannot be read: {error!r}"
            ) from error
        return cls(packages, str(bundle.manifest.get("pyodide", "")))

    def file(self, name: str) -> Package | None:
        """The package that is not bundled and has exactly this file name."""
        return self._files.get(name)

    def closure(self, names: Iterable[str]) -> list[Package]:
        """The packages and everything that they need, by name. Raises PackageError for a name it lacks."""
        found: dict[str, Package] = {}

        def add(name: str, asking: str | None) -> None:
            package = self.packages.get(canonicalize_name(name))
            if package is None:
                needed = f", which {asking} needs" if asking else ""
                raise PackageError("unknown", f"Pyodide {self.version} has no package {name!r}{needed}.")
            if package.name in found:
                return
            # entered before what it needs, so that a circle ends
            found[package.name] = package
            for other in package.depends:
                add(other, package.name)

        for name in names:
            add(name, None)
        return [found[name] for name in sorted(found)]


def _package(name: str, entry: Mapping[str, Any], bundle: Bundle) -> Package:
    file = str(entry["file_name"])
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+!-]*", file):
        raise ValueError(f"{name} has the file name {file!r}")
    return Package(
        name=name,
        version=str(entry["version"]),
        file=file,
        sha256=str(entry["sha256"]).lower(),
        depends=tuple(map(str, entry["depends"])),
        bundled=bundle.get(FOLDER + file) is not None,
        entry=entry,
    )
