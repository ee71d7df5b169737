"""Writes the lock files that Pyodide reads: which packages there are, and what an import needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from client.runtime.errors import PinError
from client.runtime.wheels import BuiltWheel

#: Packages of namespaces: the top level alone would be claimed by several of them.
_NAMESPACES = ("google",)

#: Markers are judged for Pyodide, not for the machine that builds.
_MARKERS = {"sys_platform": "emscripten", "platform_system": "Emscripten", "os_name": "posix", "extra": ""}


def requirements(wheel: BuiltWheel, python: str) -> list[str]:
    """Normalized names of what a wheel needs in Pyodide with this Python version."""
    environment = {
        **_MARKERS,
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
    }
    needed = []
    for line in wheel.metadata().get_all("Requires-Dist") or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            needed.append(canonicalize_name(requirement.name))
    return sorted(set(needed))


def imports(paths: Iterable[str]) -> list[str]:
    """Names under which the files of a wheel are imported: its top level, one deeper in a namespace package."""
    found = set()
    for path in paths:
        parts = path.removesuffix(".py").split("/")
        if not path.endswith(".py") or parts[0].endswith((".dist-info", ".data")):
            continue
        depth = 2 if parts[0] in _NAMESPACES else 1
        found.add(".".join(parts[:depth]))
    return sorted(found)


def entry(wheel: BuiltWheel, python: str) -> dict[str, Any]:
    """The lock entry of one wheel."""
    return {
        "name": wheel.name,
        "version": wheel.version,
        "file_name": wheel.file,
        "install_dir": "site",
        "sha256": wheel.sha256,
        "package_type": "package",
        "imports": imports(wheel.files()),
        "depends": requirements(wheel, python),
        "unvendored_tests": False,
    }


def trimmed(published: Mapping[str, Any], wheels: Sequence[BuiltWheel], python: str) -> dict[str, Any]:
    """A lock that names the given wheels and nothing else.

    Raises:
        PinError: a wheel needs a package that is not among them, so a kernel would ask for a file that is not there.
    """
    packages: dict[str, dict[str, Any]] = {
        canonicalize_name(wheel.name): entry(wheel, python) for wheel in wheels
    }
    for name, package in packages.items():
        absent = [needed for needed in package["depends"] if needed not in packages]
        if absent:
            raise PinError(
                f"{name} needs {', '.join(absent)}, which pins.json does not pin. Pin it, or drop {name}."
            )
    return {"info": published["info"], "packages": dict(sorted(packages.items()))}


def full(published: Mapping[str, Any], lock: Mapping[str, Any]) -> dict[str, Any]:
    """The lock of the whole distribution, with the bundled packages in place of its own versions of them."""
    packages = {**published["packages"], **lock["packages"]}
    return {"info": published["info"], "packages": dict(sorted(packages.items()))}


def dumps(document: Mapping[str, Any]) -> bytes:
    """JSON in one line; equal documents give equal bytes."""
    return (json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n").encode()
