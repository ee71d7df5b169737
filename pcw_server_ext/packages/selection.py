"""Which files some requirements need in a browser kernel: resolved on this machine, for the runtime's Python.

The resolver is the one of `%pip install` in the kernel: what it chooses there it chooses here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from packaging.requirements import InvalidRequirement, Requirement
from pyspark_connect_web.errors import PackageError as KernelPackageError
from pyspark_connect_web.kernel.packages.resolver import Installed, Plan, resolve

from pcw_server_ext.errors import PackageError
from pcw_server_ext.packages.index.index import PackageIndex
from pcw_server_ext.packages.index.wheel_files import WheelFile
from pcw_server_ext.packages.lock import Package, PackageLock


class RuntimePython:
    """The browser runtime's Python, as its manifest describes it (`resolver.Interpreter`)."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._version = str(manifest.get("python", "3.14"))
        self._packages: Mapping[str, str] = manifest.get("kernel", {}).get("packages", {})

    def python(self) -> str:
        """Its version, `3.14.2`."""
        return self._version

    def markers(self) -> Mapping[str, str]:
        """PEP 508's names, as Python has them in a browser."""
        return {
            "implementation_name": "cpython",
            "implementation_version": self._version,
            "os_name": "posix",
            "platform_machine": "wasm32",
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Emscripten",
            "platform_version": "",
            "python_full_version": self._version,
            "python_version": ".".join(self._version.split(".")[:2]),
            "sys_platform": "emscripten",
        }

    def installed(self, name: str) -> Installed | None:
        """What the runtime holds; what that needs, it holds too."""
        version = self._packages.get(name)
        return None if version is None else Installed(version)


class Distribution(Protocol):
    """Packages of Pyodide's distribution that can be had."""

    lock: PackageLock

    async def get(self, package: Package) -> Path:
        """The verified file of a package. Raises PackageError."""


@dataclass(frozen=True)
class Fault:
    """A requirement that cannot be met, and why, for a person."""

    requirement: str
    reason: str


@dataclass(frozen=True)
class Selection:
    """Files that are on this machine, and the requirements that they meet.

    Attributes:
        requirements: those that are met.
        wheels: of the index.
        distribution: packages of Pyodide's distribution that the runtime does not hold, what they need first.
        faults: the other requirements.
    """

    requirements: tuple[str, ...] = ()
    wheels: tuple[WheelFile, ...] = ()
    distribution: tuple[Package, ...] = ()
    faults: tuple[Fault, ...] = ()


def is_requirement(text: str) -> bool:
    """Whether a person's text is a requirement (PEP 508) that an index can meet: one with an address is not."""
    try:
        return Requirement(text).url is None
    except InvalidRequirement:
        return False


async def select(
    requirements: Iterable[str], python: RuntimePython, index: PackageIndex, distribution: Distribution | None
) -> Selection:
    """Choose what some requirements need, and fetch it.

    A requirement that cannot be met together with those before it is left out, and is one of the faults.
    """
    view = _View(index, asyncio.get_running_loop())
    selection = Selection()
    for requirement in requirements:
        wanted = (*selection.requirements, requirement)
        try:
            plan = await asyncio.to_thread(_resolved, wanted, python, view, distribution)
            found = await _fetched(wanted, plan, view, distribution)
        except (PackageError, KernelPackageError) as error:
            faults = (*selection.faults, Fault(requirement, str(error)))
            selection = Selection(selection.requirements, selection.wheels, selection.distribution, faults)
        else:
            selection = Selection(found.requirements, found.wheels, found.distribution, selection.faults)
    return selection


def _resolved(
    requirements: Iterable[str], python: RuntimePython, view: _View, distribution: Distribution | None
) -> Plan:
    packages = distribution.lock.packages if distribution is not None else {}
    lock = {name: package.entry for name, package in packages.items()}
    return resolve(requirements, lock, view, python)


async def _fetched(
    requirements: tuple[str, ...], plan: Plan, view: _View, distribution: Distribution | None
) -> Selection:
    wheels = tuple(view.wheels[address] for address in plan.wheels.values())
    packages: tuple[Package, ...] = ()
    if distribution is not None:
        closure = distribution.lock.closure(plan.distribution)
        packages = tuple(one for one in closure if not one.bundled and one.name not in plan.wheels)
        for package in packages:
            await distribution.get(package)
    for wheel in wheels:
        await view.index.content(wheel)
    return Selection(requirements, wheels, packages)


class _View:
    """The index as the resolver reads it, from a thread; addresses mean nothing outside of it."""

    def __init__(self, index: PackageIndex, loop: asyncio.AbstractEventLoop) -> None:
        self.index = index
        self.wheels: dict[str, WheelFile] = {}
        self._loop = loop
        self._metadata: dict[str, str] = {}

    def project(self, name: str) -> Mapping[str, Any]:
        """See `resolver.Index`. Raises PackageError."""
        project = self.index.project(name)
        files = []
        for wheel in project.wheels:
            address = f"{wheel.sha256}/{wheel.file}"
            self.wheels[address] = wheel
            files.append(
                {
                    "filename": wheel.file,
                    "url": address,
                    "requires-python": wheel.requires_python,
                    "yanked": wheel.yanked,
                }
            )
        return {"files": files, "_unusable": project.unusable}

    def metadata(self, address: str) -> str:
        """See `resolver.Index`. Raises PackageError."""
        if address not in self._metadata:
            asked = asyncio.run_coroutine_threadsafe(self.index.metadata(self.wheels[address]), self._loop)
            self._metadata[address] = asked.result().decode("utf-8", "replace")
        return self._metadata[address]
