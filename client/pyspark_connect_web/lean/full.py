"""From lean to full in place: PySpark's modules move from the stand-ins to the real packages, in one session.

Each of numpy, pandas and pyarrow is ``LEAN`` (PySpark's modules see the stand-in) or ``REAL``; the move is
one way. It happens when something needs what only the real package has, or when a real object reaches
PySpark:

* an entry point such as ``DataFrame.toPandas`` is called (``lean.entrypoints``);
* a stand-in is asked for an attribute that it does not have (``pd.concat``, ``pa.compute.*``, ...);
* ``isinstance(data, pd.DataFrame)`` meets a real DataFrame (``lean.standin_types``).

The real packages come from the import system; if they are not there, the loader given to :func:`set_loader`
may fetch them. Without either, :class:`PackageNotLoaded` names the one command that helps.
"""

from __future__ import annotations

import enum
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from types import FrameType, ModuleType
from typing import Any

from pyspark_connect_web.errors import PackageNotLoaded
from pyspark_connect_web.lean.standin_types import on_missing_attribute, on_real_object, real_package


class State(enum.Enum):
    """What PySpark's modules see under a package's name."""

    LEAN = "stand-in"
    REAL = "real package"


#: A package is only useful to PySpark together with these.
_NEEDS = {"numpy": ("numpy",), "pyarrow": ("pyarrow",), "pandas": ("numpy", "pandas", "pyarrow")}
PACKAGES = tuple(_NEEDS)

_DEFAULT_HINT = "%pip install {packages}"

_states: dict[str, State] = dict.fromkeys(PACKAGES, State.LEAN)
_standins: dict[str, ModuleType] = {}
_loader: Callable[[tuple[str, ...]], None] | None = None
_hint = _DEFAULT_HINT


def _no_package(name: str) -> str | None:
    return None


_package_of: Callable[[str], str | None] = _no_package


_switching = False
_after: list[Callable[[str], None]] = []


def set_loader(loader: Callable[[tuple[str, ...]], None] | None, hint: str | None = None) -> None:
    """Name who makes packages importable, and what a person can do when nobody does.

    ``loader(names)`` blocks until the packages are importable, or raises ``ImportError`` with why. ``hint``
    is the one command or click to show, where ``{packages}`` stands for the names, separated by spaces.
    """
    global _loader, _hint
    _loader = loader
    _hint = _DEFAULT_HINT if hint is None else hint


def register(name: str, module: ModuleType) -> None:
    """Make ``module`` the stand-in for the package or submodule ``name``."""
    _standins[name] = module


def standin(name: str) -> ModuleType | None:
    """The stand-in for ``name``, or None when there is none or the real package is in use."""
    if _states.get(name.partition(".")[0]) is not State.LEAN:
        return None
    return _standins.get(name)


def state(name: str) -> State:
    """Whether PySpark sees the stand-in or the real package."""
    return _states[name]


def after_switch(callback: Callable[[str], None]) -> None:
    """Call ``callback(package)`` after PySpark has moved to the real ``package``."""
    _after.append(callback)


def is_available(name: str) -> bool:
    """Whether the real package is loaded or could be imported without the loader."""
    if real_package(name) is not None:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def require(name: str, what: str) -> ModuleType:
    """The real package, loading it and moving PySpark over to it first if need be.

    ``what`` completes "... needs pandas" in the message of :class:`PackageNotLoaded`.
    """
    if _states.get(name) is State.REAL:
        return sys.modules[name]
    needed = _NEEDS[name]
    modules = {package: _import_real(package, needed, what) for package in needed}
    for package in needed:
        _switch(package)
    return modules[name]


def _import_real(name: str, needed: tuple[str, ...], what: str) -> ModuleType:
    found = real_package(name)
    if found is not None:
        return found
    reason: ImportError | None = None
    if not is_available(name) and _loader is not None:
        try:
            _loader(needed)
        except ImportError as error:
            reason = error
        importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ImportError as error:
        # What the loader tells is in the message; below it, its traceback would only say it again.
        raise _not_loaded(name, needed, what, reason or error) from (None if reason else error)


def _not_loaded(name: str, needed: tuple[str, ...], what: str, reason: ImportError) -> PackageNotLoaded:
    missing = [package for package in needed if not is_available(package)] or [name]
    if "pandas" in missing:  # brings numpy
        missing = [package for package in missing if package != "numpy"]
    command = _hint.format(packages=" ".join(sorted(missing)))
    # The server's own command is for one of the packages, this one is for all of them.
    why = str(reason).partition(" Run `")[0].rstrip(".")
    detail = f" ({why})" if why and reason.name not in missing else ""
    names = " and ".join(sorted(missing))
    verb = "is" if len(missing) == 1 else "are"
    return PackageNotLoaded(
        f"{what} needs {names}, which {verb} not loaded in this kernel{detail}. Run `{command}` and try "
        "again; your session stays as it is.",
        name=name,
    )


def _adopt(name: str) -> None:
    """A real object of ``name`` has reached PySpark."""
    if _states.get(name) is State.LEAN and not _switching:
        require(name, f"Using {name} objects with Spark")


def _missing_attribute(name: str, path: str) -> Any:
    found: Any = require(name, f"{name}.{path}")
    for part in path.split("."):
        found = getattr(found, part)
    return found


on_real_object(_adopt)
on_missing_attribute(_missing_attribute)


# ---------------------------------------------------------------- imports of the user


class _LoadingFinder(importlib.abc.MetaPathFinder):
    """Last in ``sys.meta_path``: asks the loader for a package that a person's own code imports.

    Libraries that merely try whether pandas is there do not set off a download.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if _loader is None or "." in fullname or not _asked_by_user():
            return None
        needed = _NEEDS.get(fullname)
        package = _package_of(fullname) if needed is None else None
        if needed is None and package is None:
            return None
        try:
            _loader(needed or (str(package),))
        except ImportError as error:
            if needed is None:
                raise ModuleNotFoundError(
                    f"{package} is not loaded in this kernel: {error}.", name=fullname
                ) from None
            raise _not_loaded(fullname, needed, f"import {fullname}", error) from None
        importlib.invalidate_caches()
        for finder in sys.meta_path:
            if finder is not self:
                spec = finder.find_spec(fullname, path, target)
                if spec is not None:
                    return spec
        return None


def _asked_by_user() -> bool:
    """Whether the import statement under way is in ``__main__`` or in a module outside of any site-packages."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and (
        frame.f_globals.get("__name__", "").startswith("importlib.")
        or frame.f_code.co_filename.startswith("<frozen ")
    ):
        frame = frame.f_back
    if frame is None:
        return False
    asking = frame.f_globals.get("__name__", "")
    if asking == "__main__":
        return True
    if asking.partition(".")[0] in ("pyspark", "pyspark_connect_web"):  # these ask through `require`
        return False
    place = frame.f_code.co_filename.replace(os.sep, "/")
    library = os.path.dirname(os.__file__).replace(os.sep, "/")
    return not ("/site-packages/" in place or place.startswith((library + "/", "<")))


def install_import_hook(package_of: Callable[[str], str | None] = _no_package) -> None:
    """Let ``import pandas`` (numpy, pyarrow) in a person's code fetch the package through the loader.

    ``package_of`` names the package of another import, which is fetched too; None for what nobody has.
    """
    global _package_of
    _package_of = package_of
    if not any(isinstance(finder, _LoadingFinder) for finder in sys.meta_path):
        sys.meta_path.append(_LoadingFinder())


# ---------------------------------------------------------------- the switch


def _switch(name: str) -> None:
    global _switching
    if _states[name] is State.REAL:
        return
    _switching = True
    try:
        _states[name] = State.REAL
        own = {key: module for key, module in _standins.items() if key.partition(".")[0] == name}
        replacements = _replacements(own)
        for module in _pyspark_modules():
            _rebind(module, replacements)
        for callback in _after:
            callback(name)
        for module in own.values():
            _empty(module)
    finally:
        _switching = False


def _replacements(standins: dict[str, ModuleType]) -> dict[int, Any]:
    """``id`` of each stand-in module and of each of its public objects -> the real counterpart."""
    found: dict[int, Any] = {}
    for name, module in standins.items():
        try:
            real = importlib.import_module(name)
        except ImportError:
            continue  # e.g. pyarrow.lib is an attribute in some builds; its objects come with the parent
        found[id(module)] = real
        for attribute, value in vars(module).items():
            if (
                not attribute.startswith("__")
                and not isinstance(value, (str, int, float))
                and hasattr(real, attribute)
            ):
                found[id(value)] = getattr(real, attribute)
    return found


def _pyspark_modules() -> Iterable[ModuleType]:
    for name, module in list(sys.modules.items()):
        if (name == "pyspark" or name.startswith("pyspark.")) and isinstance(module, ModuleType):
            yield module


def _rebind(module: ModuleType, replacements: dict[int, Any]) -> None:
    namespace = vars(module)
    for attribute, value in list(namespace.items()):
        if id(value) in replacements:
            namespace[attribute] = replacements[id(value)]


def _empty(module: ModuleType) -> None:
    """Leave only what ``__getattr__`` needs, so that references kept elsewhere reach the real module."""
    for attribute in [a for a in vars(module) if not a.startswith("__")]:
        delattr(module, attribute)


def attribute(module: str, name: str) -> Any:
    """``__getattr__`` of a stand-in module: what the stand-in lacks comes from the real package."""
    if name.startswith("__"):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    package = module.partition(".")[0]
    if _states[package] is not State.REAL:
        require(package, f"{module}.{name}")
    return getattr(importlib.import_module(module), name)
