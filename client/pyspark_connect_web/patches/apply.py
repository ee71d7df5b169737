"""Changes places of other packages, after a look at their versions; only what has a row in `table.PATCHES`."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from pyspark_connect_web.errors import UnsupportedVersion
from pyspark_connect_web.patches.table import PACKAGES, PATCHES, Package, Patch
from pyspark_connect_web.version import __version__

__all__ = ["check_targets", "check_version", "find", "installed_version", "replace", "row"]

_ROWS = {patch.target: patch for patch in PATCHES}
_import = importlib.import_module
# (id of the owner, name) -> what `replace` has put there
_replaced: dict[tuple[int, str], Any] = {}


def row(target: str) -> Patch:
    """The row of a place.

    Raises:
        LookupError: it has none; write one before the place is changed.
    """
    try:
        return _ROWS[target]
    except KeyError:
        raise LookupError(f"{target} has no row in pyspark_connect_web.patches.table") from None


@functools.cache
def check_version(package: str) -> None:
    """Look whether the installed version of a package was tested with this client.

    Raises:
        UnsupportedVersion: it was not; the text names the versions that were, and the command that brings one.
    """
    known, found = PACKAGES[package], installed_version(package)
    if not _fits(found, known.oldest, known.below):
        raise UnsupportedVersion(
            f"{package} {found or '(of an unknown version)'} does not fit pyspark_connect_web {__version__}, which"
            f" supports {_supported(known)}. {_remedy(known)}"
        )


@functools.cache
def check_targets(package: str) -> None:
    """Look, once, whether all places of a package exist, as far as their modules are loaded; imports nothing.

    Raises:
        UnsupportedVersion: a place is gone.
    """
    check_version(package)
    for patch in PATCHES:
        if (
            patch.package == package
            and not patch.browser
            and _applies(patch)
            and _module(patch) in sys.modules
        ):
            find(patch.target)


def find(target: str) -> Any:
    """What is at a place of the table; None for what only objects of a class have.

    Raises:
        UnsupportedVersion: nothing is.
    """
    owner, name = _owner(row(target))
    if _given_by_methods(owner, name):
        return None
    try:
        return getattr(owner, name)
    except AttributeError:
        raise _gone(row(target)) from None


def replace(target: str, make: Callable[[Any], Any], *, owner: Any = None) -> None:
    """Put ``make(what is there)`` into a place of the table, once.

    Of a property, a static or a class method `make` is given the function, and what it returns becomes one again.

    Args:
        target: the place.
        make: makes the replacement.
        owner: the object to change, instead of the module or class that the target names.

    Raises:
        UnsupportedVersion: nothing is there.
    """
    patch = row(target)
    found, name = _owner(patch) if owner is None else (owner, target.rpartition(".")[2])
    try:
        original = inspect.getattr_static(found, name)
        if owner is not None and not isinstance(owner, type):
            original = getattr(owner, name)  # its methods bound to it
    except AttributeError:
        raise _gone(patch) from None
    key = (id(found), name)
    if key in _replaced and _replaced[key] is inspect.getattr_static(found, name):
        return
    wrapper = type(original) if isinstance(original, (property, staticmethod, classmethod)) else None
    function: Any = (
        original.fget if isinstance(original, property) else getattr(original, "__func__", original)
    )
    if wrapper is None:
        function = original
    replacement = make(function)
    if isinstance(replacement, FunctionType):
        replacement = functools.wraps(function)(replacement)
    _replaced[key] = replacement if wrapper is None else wrapper(replacement)
    setattr(found, name, _replaced[key])


def _supported(package: Package, since: str | None = None) -> str:
    """The versions, for a sentence."""
    below = f" and newer, below {package.below}" if package.below else " and newer"
    return f"{package.name} {since or package.oldest}{below}"


def installed_version(package: str) -> str | None:
    """The version of a package that this process imports; None where it cannot be told."""
    if package == "Python":
        return ".".join(map(str, sys.version_info[:3]))
    if package == "PySpark":
        return _pyspark_version()
    name = "google.protobuf" if package == "protobuf" else package
    module = sys.modules.get(name) or sys.modules.get(name.lower())
    told = getattr(module, "__version__", None)
    return told if isinstance(told, str) else _version_of_distribution(package)


def _version_of_distribution(package: str) -> str | None:
    import importlib.metadata  # takes its time, and is seldom needed

    for name in PACKAGES[package].distributions:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _pyspark_version() -> str | None:
    loaded = sys.modules.get("pyspark")
    if loaded is None:
        # Read, not imported: a PySpark that does not fit may fail in its own way when it is imported.
        spec = importlib.util.find_spec("pyspark")
        for folder in (spec and spec.submodule_search_locations) or ():
            try:
                text = (Path(folder) / "version.py").read_text(encoding="utf-8")
            except OSError:
                continue
            found = re.search(r"__version__[^=\n]*=\s*[\"']([^\"']+)", text)
            if found:
                return found[1]
        loaded = importlib.import_module("pyspark.version")
    return getattr(loaded, "__version__", None)


def _fits(version: str | None, oldest: str, below: str | None) -> bool:
    if version is None:
        return False
    found = _numbers(version)
    return _numbers(oldest) <= found and (below is None or found < _numbers(below))


def _numbers(version: str) -> tuple[int, ...]:
    """The release's numbers: a pre-release of 4.4 is no 4.3."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _applies(patch: Patch) -> bool:
    return patch.since is None or _fits(installed_version(patch.package), patch.since, None)


def _module(patch: Patch) -> str:
    return patch.target.partition(":")[0]


def _owner(patch: Patch) -> tuple[Any, str]:
    module, _, path = patch.target.partition(":")
    *parents, name = path.split(".")
    try:
        owner: Any = _import(module)
        for parent in parents:
            owner = getattr(owner, parent)
    except (ImportError, AttributeError):
        raise _gone(patch) from None
    return owner, name


def _given_by_methods(owner: Any, name: str) -> bool:
    """Whether no class has that name, but its methods give it to its objects."""
    if isinstance(owner, ModuleType) or not isinstance(owner, type) or hasattr(owner, name):
        return False
    if name in getattr(owner, "__annotations__", ()):
        return True
    functions = (
        value for base in owner.__mro__ for value in vars(base).values() if isinstance(value, FunctionType)
    )
    # What `replace` has put there names other things than the method it stands for.
    originals = (getattr(function, "__wrapped__", function) for function in functions)
    return any(name in function.__code__.co_names for function in originals)


def _gone(patch: Patch) -> UnsupportedVersion:
    package = PACKAGES[patch.package]
    return UnsupportedVersion(
        f"{patch.package} {installed_version(patch.package) or ''} has no {patch.target.replace(':', '.')}, which"
        f" pyspark_connect_web {__version__} needs ({patch.why}). It supports {_supported(package, patch.since)}."
        f" {_remedy(package, patch.since)}"
    )


def _remedy(package: Package, since: str | None = None) -> str:
    limits = f">={since or package.oldest}" + (f",<{package.below}" if package.below else "")
    return package.remedy.format(distribution=_distribution(package), range=limits)


def _distribution(package: Package) -> str:
    import importlib.metadata

    for name in package.distributions:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        return name
    return package.distributions[0]
