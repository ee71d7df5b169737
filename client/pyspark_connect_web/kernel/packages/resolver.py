"""What has to be installed for some requirements: all of it is known before the first package is.

Each name has one version: the first requirement that names it chooses, the newest that it allows, and a later one that
does not agree is an error. There is no search for another combination: pip's takes minutes at worst, and a person can
name versions.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pyspark_connect_web.errors import NotInstalled
from pyspark_connect_web.kernel.packages.files import normalized

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.version import Version

__all__ = ["Index", "Installed", "Interpreter", "Plan", "ThisInterpreter", "resolve"]


class Index(Protocol):
    """The wheels that the page's server offers."""

    def project(self, name: str) -> Mapping[str, Any]:
        """A project's page (PEP 691), with absolute addresses. Raises PackageFileError where it cannot be had."""

    def metadata(self, address: str) -> str:
        """The METADATA of a wheel at an address, or of a file (`emfs:`). Raises PackageFileError."""


@dataclass(frozen=True)
class Installed:
    """A package that an interpreter has: its version, and what it needs as its metadata have it."""

    version: str
    requires: tuple[str, ...] = ()


class Interpreter(Protocol):
    """The Python that packages are for."""

    def python(self) -> str:
        """Its version, `3.14.2`."""

    def markers(self) -> Mapping[str, str]:
        """What environment markers (PEP 508) mean there, where that is not what they mean in this interpreter."""

    def installed(self, name: str) -> Installed | None:
        """The package of this normalized name that it has."""


class ThisInterpreter:
    """See `Interpreter`."""

    def python(self) -> str:
        """See `Interpreter.python`."""
        return platform.python_version()

    def markers(self) -> Mapping[str, str]:
        """See `Interpreter.markers`."""
        return {}

    def installed(self, name: str) -> Installed | None:
        """See `Interpreter.installed`."""
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            return None
        return Installed(found.version, tuple(found.requires or ()))


@dataclass
class Plan:
    """What is to be done.

    Attributes:
        wheels: name to address of the wheels to install.
        distribution: names of packages of Pyodide's distribution to load.
        replaced: names of `wheels` of which another version is installed.
    """

    wheels: dict[str, str] = field(default_factory=dict)
    distribution: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)


@dataclass
class _Wanted:
    requirement: Requirement
    #: who asks, for a message; empty: the person
    by: str
    address: str = ""


@dataclass
class _Chosen:
    version: Version
    by: str
    requires: list[Requirement]
    extras: set[str] = field(default_factory=set)


def resolve(
    requirements: Iterable[str],
    lock: Mapping[str, Mapping[str, Any]],
    index: Index,
    interpreter: Interpreter | None = None,
    /,
    *,
    upgrade: bool = False,
    reinstall: bool = False,
    deps: bool = True,
    pre: bool = False,
) -> Plan:
    """What has to be installed.

    Args:
        requirements: as PEP 508 has them, or `emfs:FILE.whl`.
        lock: packages of Pyodide's distribution by their normalized names; preferred where the version is allowed.
        index: where all others are.
        interpreter: which Python the packages are for; None: this one.
        upgrade: whether the named packages are replaced by a newer version.
        reinstall: whether they are installed again.
        deps: whether what they need is installed too.
        pre: whether versions before a release may be chosen.

    Raises:
        NotInstalled: it is not possible; the text says why and what to do.
        PackageFileError: something cannot be had; the text is the server's.
    """
    resolution = _Resolution(
        lock,
        index,
        interpreter or ThisInterpreter(),
        upgrade=upgrade,
        reinstall=reinstall,
        deps=deps,
        pre=pre,
    )
    return resolution.run(requirements)


class _Resolution:
    def __init__(
        self,
        lock: Mapping[str, Mapping[str, Any]],
        index: Index,
        interpreter: Interpreter,
        **options: bool,
    ) -> None:
        self._lock, self._index, self._interpreter, self._options = lock, index, interpreter, options
        self._plan = Plan()
        self._chosen: dict[str, _Chosen] = {}
        self._waiting: list[_Wanted] = []

    def run(self, requirements: Iterable[str]) -> Plan:
        self._waiting = [_wanted(text) for text in requirements]
        while self._waiting:
            wanted = self._waiting.pop(0)
            self._add(wanted)
        return self._plan

    def _add(self, wanted: _Wanted) -> None:
        requirement = wanted.requirement
        name = normalized(requirement.name)
        chosen = self._chosen.get(name)
        if chosen is None:
            chosen = self._chosen[name] = self._choose(name, wanted)
        elif not requirement.specifier.contains(chosen.version, prereleases=True):
            raise NotInstalled(
                f"{wanted.by or 'The line'} needs {_shown(requirement)}, and {chosen.by or 'the line'} needs {name} in"
                f" another version ({chosen.version} was chosen): name a version of"
                f" {chosen.by or wanted.by or name} that fits, such as `%pip install '{_shown(requirement)}' ...`."
            )
        if self._options["deps"]:
            self._follow(name, chosen, requirement.extras)

    def _follow(self, name: str, chosen: _Chosen, extras: Iterable[str]) -> None:
        fresh = {normalized(one) for one in extras} - chosen.extras
        first = "" not in chosen.extras
        chosen.extras.update({"", *fresh})
        for required in chosen.requires:
            marker = required.marker
            there = dict(self._interpreter.markers())
            plain = marker is None or marker.evaluate({**there, "extra": ""})
            if (plain and first) or (
                not plain
                and marker is not None
                and any(marker.evaluate({**there, "extra": one}) for one in fresh)
            ):
                self._waiting.append(_Wanted(required, f"{name} {chosen.version}"))

    def _choose(self, name: str, wanted: _Wanted) -> _Chosen:
        from packaging.version import Version

        requirement, options = wanted.requirement, self._options
        here = self._interpreter.installed(name)
        if wanted.address:
            metadata = self._index.metadata(wanted.address)
            return self._take(name, wanted, _version_of(wanted.address), wanted.address, metadata, here)
        asked = not wanted.by and (options["upgrade"] or options["reinstall"])
        if here is not None and not asked and requirement.specifier.contains(here.version, prereleases=True):
            return _Chosen(
                Version(here.version), wanted.by, _requirements(here.requires, f"{name} {here.version}")
            )
        entry = self._lock.get(name)
        if (
            entry is not None
            and here is None
            and requirement.specifier.contains(str(entry["version"]), prereleases=True)
        ):
            self._plan.distribution.append(name)
            return _Chosen(Version(str(entry["version"])), wanted.by, [])
        page = self._index.project(name)
        version, address = self._newest(name, page, wanted)
        if here is not None and Version(here.version) == version and not options["reinstall"]:
            return _Chosen(version, wanted.by, _requirements(here.requires, f"{name} {here.version}"))
        return self._take(name, wanted, version, address, self._index.metadata(address), here)

    def _take(
        self,
        name: str,
        wanted: _Wanted,
        version: Version,
        address: str,
        metadata: str,
        here: Installed | None,
    ) -> _Chosen:
        import email

        if here is not None:
            self._plan.replaced.append(name)
        self._plan.wheels[name] = address
        required = email.message_from_string(metadata).get_all("Requires-Dist") or []
        return _Chosen(version, wanted.by, _requirements(required, f"{name} {version}"))

    def _newest(self, name: str, page: Mapping[str, Any], wanted: _Wanted) -> tuple[Version, str]:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        python = self._interpreter.python()
        allowed: list[tuple[Version, str]] = []
        seen: list[str] = []
        for file in page["files"]:
            version = _version_of(str(file["filename"]))
            try:
                fits = SpecifierSet(str(file.get("requires-python") or "")).contains(python, prereleases=True)
            except InvalidSpecifier:
                fits = False
            if not fits:
                continue
            if str(version) not in seen:
                seen.append(str(version))
            exact = any(one.operator == "==" for one in wanted.requirement.specifier)
            if file.get("yanked") and not exact:
                continue
            allowed.append((version, str(file["url"])))
        specifier = wanted.requirement.specifier
        versions = list(dict.fromkeys(version for version, _ in allowed))
        pre = True if self._options["pre"] else None
        possible = list(specifier.filter(versions, prereleases=pre))
        if possible:
            best = max(possible)
            # the first file of a version fits this kernel best
            return best, next(address for version, address in allowed if version == best)
        needed = f", which {wanted.by} needs," if wanted.by else ""
        if seen:
            raise NotInstalled(
                f"{_shown(wanted.requirement)}{needed} cannot be installed: the versions with a wheel for this kernel"
                f" are {', '.join(seen[:8])}. Ask for one of them."
            )
        why = "; ".join(str(one) for one in page.get("_unusable", ())) or f"none is for Python {python}"
        raise NotInstalled(
            f"{name}{needed} has no wheel that this kernel can use: {why}. It can use pure Python (py3-none-any) and"
            " wheels for its Pyodide (cp314 or abi3, pyemscripten_2026_0_wasm32)."
        )


def _wanted(text: str) -> _Wanted:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        if text.startswith("emfs:"):
            return _Wanted(
                Requirement(parse_wheel_filename(text.rpartition("/")[2].removeprefix("emfs:"))[0]), "", text
            )
        requirement = Requirement(text)
    except (InvalidRequirement, InvalidWheelFilename):
        raise NotInstalled(
            f"{text!r} is neither the name of a package, such as altair, altair==5.5 or 'altair[all]', nor"
            " emfs:FILE.whl with a wheel's whole file name."
        ) from None
    if requirement.url:
        raise NotInstalled(
            f"{text!r} names an address: `%pip install {requirement.name}` asks the Jupyter server."
        )
    return _Wanted(requirement, "")


def _shown(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _requirements(texts: Iterable[str], by: str) -> list[Requirement]:
    from packaging.requirements import InvalidRequirement, Requirement

    found = []
    for text in texts:
        try:
            found.append(Requirement(text))
        except InvalidRequirement:
            raise NotInstalled(
                f"{by} needs {text!r}, which is no requirement (PEP 508): the package is damaged. Ask for another"
                " version of it."
            ) from None
    return found


def _version_of(file: str) -> Version:
    from urllib.parse import unquote

    from packaging.utils import parse_wheel_filename

    return parse_wheel_filename(unquote(file).rpartition("/")[2].removeprefix("emfs:"))[1]
