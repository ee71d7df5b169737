"""Packages inside a site: an index of wheels in files, and what every kernel of the site has from its start."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pcw_server_ext.errors import ConfigurationError, SiteRefused
from pcw_server_ext.packages.index import own_wheels, pages
from pcw_server_ext.packages.index.index import PackageIndex
from pcw_server_ext.packages.index.own_wheels import OwnWheels
from pcw_server_ext.packages.index.upstream import PIP, make_upstream
from pcw_server_ext.packages.index.wheel_files import Fit, WheelFile, metadata_of, project_of
from pcw_server_ext.packages.kept_files import KeptFiles
from pcw_server_ext.packages.lock import Package, PackageLock
from pcw_server_ext.packages.mirror import default_folder
from pcw_server_ext.packages.preinstalled import as_json
from pcw_server_ext.packages.selection import RuntimePython, Selection, is_requirement, select
from pcw_server_ext.runtime.bundle import Bundle
from pcw_server_ext.site.builder import full_profile
from pcw_server_ext.site.builder.runtime_files import load_bundle

#: Below the site's root; kernels find it from their runtime, as on a server.
FOLDER: Final = "pcw/pypi"
PREINSTALLED: Final = f"{FOLDER}/preinstalled.json"
_LARGEST: Final = 200 << 20
_LOG: Final = logging.getLogger("pcw.build")


@dataclass(frozen=True)
class SitePackages:
    """What a person wants in a site.

    Attributes:
        packages: requirements, `altair>=5`.
        requirements: files with one requirement a line.
        wheels: files.
        preinstall: requirements that every kernel has from its start.
    """

    packages: tuple[str, ...] = ()
    requirements: tuple[Path, ...] = ()
    wheels: tuple[Path, ...] = ()
    preinstall: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.packages or self.requirements or self.wheels or self.preinstall)


@dataclass(frozen=True)
class ChosenPackages:
    """The wheels that go into a site, each with the place of its file, and what a kernel installs when it starts."""

    files: dict[WheelFile, Path]
    preinstalled: Selection


def choose(wanted: SitePackages, runtime: Path, profile: str) -> ChosenPackages:
    """Find out, and fetch, what goes into a site.

    Wheels come from the named files, from Jupyter's folders of wheels and from the index that pip is configured with.

    Args:
        wanted: by a person.
        runtime: folder of the browser runtime's bundle.
        profile: of the site; `full` brings packages of Pyodide's distribution.

    Raises:
        SiteRefused: a requirement cannot be met; the text names it, the reason and what to do.
        SiteError: the bundle or a package of the full profile is missing.
    """
    if not wanted:
        return ChosenPackages({}, Selection())
    for wheel in wanted.wheels:
        if not wheel.is_file() or project_of(wheel.name) is None or wheel.suffix != ".whl":
            raise SiteRefused(
                f"{wheel} is no wheel: --wheel takes a file that is named as pip names wheels, such as"
                " mylib-1.0-py3-none-any.whl."
            )
    named = [f"{project_of(wheel.name)}=={wheel.name.split('-')[1]}" for wheel in wanted.wheels]
    listed = [one for file in wanted.requirements for one in _requirements_of(file)]
    every = [*wanted.preinstall, *named, *wanted.packages, *listed]
    for text in every:
        _check(text)
    return asyncio.run(_choose(wanted, every, load_bundle(runtime), profile))


async def _choose(wanted: SitePackages, every: Iterable[str], bundle: Bundle, profile: str) -> ChosenPackages:
    try:
        upstream = make_upstream(PIP, largest=_LARGEST, log=_LOG)
    except ConfigurationError as error:
        raise SiteRefused(str(error)) from None
    index = PackageIndex(
        Fit.of(bundle.manifest),
        OwnWheels(own_wheels.shared_folders(), _LOG, wanted.wheels),
        upstream,
        KeptFiles([default_folder() / "index"], _LOG, private=True),
        largest=_LARGEST,
        log=_LOG,
    )
    python = RuntimePython(bundle.manifest)
    distribution = _Distribution(bundle) if profile == "full" else None
    preinstalled = await select(wanted.preinstall, python, index, distribution)
    chosen = await select(every, python, index, distribution)
    for fault in (*preinstalled.faults, *chosen.faults):
        more = "" if profile == "full" else " numpy, pandas and pyarrow are in sites of --profile full."
        raise SiteRefused(
            f"{fault.requirement} cannot be put into the site. {fault.reason.rstrip('.')}. A wheel of it can be given"
            f" with --wheel FILE.{more}"
        )
    wheels = dict.fromkeys((*preinstalled.wheels, *chosen.wheels))
    return ChosenPackages({wheel: await index.content(wheel) for wheel in wheels}, preinstalled)


def write(chosen: ChosenPackages, site: Path) -> None:
    """Put wheels and pages into a site, in the place of those of an earlier build."""
    folder = site / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    if not chosen.files:
        return
    projects: dict[str, list[WheelFile]] = {}
    for wheel, path in chosen.files.items():
        projects.setdefault(wheel.name, []).append(wheel)
        target = folder / "files" / wheel.sha256 / wheel.file
        target.parent.mkdir(parents=True)
        shutil.copyfile(path, target)
        target.with_name(f"{wheel.file}.metadata").write_bytes(metadata_of(path, wheel.file))
    simple = folder / "simple"
    for name, wheels in projects.items():
        (simple / name).mkdir(parents=True)
        ordered = sorted(wheels, key=lambda wheel: wheel.version, reverse=True)
        links = {wheel.sha256: f"../../files/{wheel.sha256}/{wheel.file}" for wheel in ordered}
        (simple / name / "index.json").write_text(
            pages.project_json(name, ordered, links, {}), encoding="utf-8"
        )
    # Pyodide's lock names packages whose files are not in the site
    (simple / "index.json").write_text(pages.root_json(sorted(projects), {"_first": True}), encoding="utf-8")
    if chosen.preinstalled.requirements:
        (site / PREINSTALLED).write_text(as_json(chosen.preinstalled, "files"), encoding="utf-8")


class _Distribution:
    """The packages of the full profile, which the site holds anyway (`selection.Distribution`)."""

    def __init__(self, bundle: Bundle) -> None:
        lock = PackageLock.load(bundle)
        if lock is None:
            raise AssertionError("a runtime without a lock, of which the full profile was planned")
        self.lock = PackageLock(lock.closure(full_profile.FULL), lock.version)

    async def get(self, package: Package) -> Path:
        """The file is copied with the runtime."""
        return full_profile.find_wheels([package], full_profile.packages_folders())[package.name]


def _requirements_of(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SiteRefused(f"The requirements file {file} cannot be read ({error}).") from None
    found = []
    for number, line in enumerate(lines, 1):
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if text.startswith("-"):
            raise SiteRefused(
                f"{file}, line {number}: options such as {text!r} cannot be used for a site. Leave the line out; which"
                " index is asked is pip's configuration."
            )
        if text:
            found.append(text)
    return found


def _check(text: str) -> None:
    if not is_requirement(text):
        raise SiteRefused(
            f"{text!r} is no requirement, such as mylib, mylib==1.2 or 'mylib[extra]'. A file is given with --wheel."
        )
