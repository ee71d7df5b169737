"""Packages: there, in the ranges that this package names, and how they stand to what was tested."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pcw_server_ext.site.check.findings import Finding, failed, note, ok
from pcw_server_ext.version import __version__
from pcw_server_ext.web import private_api
from pcw_server_ext.web.private_api import PrivateUse

DISTRIBUTION: Final = "pcw-server-ext"
#: Written by `make versions`: package to the oldest and the newest version that the tests passed with.
TESTED_FILE: Final = Path(__file__).with_name("tested_versions.json")

Installed = Callable[[str], "str | None"]


def installed(package: str) -> str | None:
    """The version of an installed package, None when it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def tested() -> dict[str, Any]:
    """Package to `{"oldest", "newest"}`."""
    found: dict[str, Any] = json.loads(TESTED_FILE.read_text(encoding="utf-8"))
    return found


def requirements() -> list[Requirement]:
    """What this package needs, as pip was told when it was installed; extras are left out."""
    found = []
    for line in metadata.requires(DISTRIBUTION) or []:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found.append(requirement)
    return sorted(found, key=lambda one: canonicalize_name(one.name))


def check(version_of: Installed = installed, uses: Sequence[PrivateUse] | None = None) -> list[Finding]:
    """Python, this package, everything that it needs, and `uses`: what it needs of their inside and they lack."""
    uses = private_api.lacking() if uses is None else uses
    found = [ok("python", platform.python_version())]
    own = version_of(DISTRIBUTION)
    if own is None:
        found.append(failed(DISTRIBUTION, "not installed here", "Install it: pip install pcw-server-ext"))
        return found
    if own == __version__:
        found.append(ok(DISTRIBUTION, own))
    else:
        found.append(
            failed(
                DISTRIBUTION,
                f"pip says {own}, the code that runs is {__version__}: two installations are mixed",
                "Install it again: pip install --force-reinstall --no-deps pcw-server-ext",
            )
        )
    known = tested()
    found += [
        _package(one, version_of(one.name), known.get(canonicalize_name(one.name))) for one in requirements()
    ]
    found += [failed(use.package, private_api.problem(use), private_api.remedy(use)) for use in uses]
    found += _pyspark(version_of)
    return found


def _package(requirement: Requirement, version: str | None, known: Mapping[str, str] | None) -> Finding:
    name, wanted = requirement.name, str(requirement.specifier)
    install = f"pip install '{name}{wanted}'"
    if version is None:
        return failed(name, f"not installed; needed: {wanted or 'any version'}", install)
    if not requirement.specifier.contains(version, prereleases=True):
        return failed(
            name, f"{version} is outside of {wanted}, which is what this version works with", install
        )
    if known is None:
        return ok(name, version)
    try:
        beyond = Version(version) > Version(known["newest"])
    except InvalidVersion:
        beyond = False
    span = f"tested from {known['oldest']} to {known['newest']}"
    return (
        note(name, f"{version} is newer than what was tested ({span})")
        if beyond
        else ok(name, f"{version} ({span})")
    )


def _pyspark(version_of: Installed) -> list[Finding]:
    """The optional packages of PySpark on the server: for Apache Spark, and for server kernels."""
    spark, client = version_of("pyspark"), version_of("pyspark-client")
    if spark is not None and client is not None:
        return [
            failed(
                "pyspark",
                f"pyspark {spark} and pyspark-client {client} are both installed, and overwrite each other's files",
                "Keep one: pip uninstall pyspark pyspark-client, then pip install 'pcw-server-ext[spark]'",
            )
        ]
    if spark is not None or client is not None:
        name = "pyspark" if spark is not None else "pyspark-client"
        return [ok(name, f"{spark or client} (optional)")]
    return [ok("pyspark", "not installed (optional: Apache Spark as the local engine)")]
