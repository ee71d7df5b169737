"""`%pip` in a kernel that asks no server but its own: what is not there is said, and by whom.

piplite understands `install` only and drops the line of every other command, so that the cell is empty and IPython
does not count it. Pyodide only logs a package of its distribution that it cannot get.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from pyspark_connect_web.errors import NotInstalled, PackageFileError
from pyspark_connect_web.kernel.packages.files import Files, normalized
from pyspark_connect_web.kernel.packages.loader import LOCK, load, packages_of
from pyspark_connect_web.patches.apply import check_version, find, replace

__all__ = ["installable", "replace_pip", "run"]

USAGE = """%pip in this kernel:

    %pip install NAME           a package of Pyodide's distribution, from the Jupyter server
    %pip install emfs:FILE.whl  a wheel of pure Python in the notebook's folder
    %pip list                   what is installed"""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

Transform = Callable[[list[str]], Awaitable["str | None"]]


def replace_pip() -> None:
    """Let `%pip` of the browser's kernel go through this module."""
    if importlib.util.find_spec("piplite") is None:
        return
    parsed = find("piplite.cli:get_action_kwargs")
    check_version("piplite")

    def through_here(original: Transform) -> Transform:
        async def transformed(arguments: list[str]) -> str | None:
            return await _transformed(arguments, parsed)

        return transformed

    replace("piplite.cli:get_transformed_code", through_here)


async def _transformed(
    arguments: list[str], parsed: Callable[[list[str]], Awaitable[tuple[str | None, dict[str, Any]]]]
) -> str:
    """The line of Python that `%pip ARGUMENTS` stands for."""
    here = f'__import__("{__name__}", fromlist=["run"])'
    if arguments[:1] == ["install"]:
        action, options = await parsed(arguments)
        if action == "install" and options["requirements"]:
            return f"await {here}.install(**{options!r})\n"
    return f"{here}.run({arguments!r})\n"


def run(arguments: list[str]) -> None:
    """Do what `%pip` does but install: print what is installed, or what can be done."""
    if arguments[:1] in (["list"], ["freeze"]):
        found = {one.metadata["Name"]: one.version for one in importlib.metadata.distributions()}
        for name in sorted(found, key=str.lower):
            print(f"{name}=={found[name]}" if arguments[0] == "freeze" else f"{name:<32} {found[name]}")
        return
    if arguments[:1] not in ([], ["help"], ["install"], ["--help"], ["-h"]):
        print(f"%pip {arguments[0]} is not for this kernel.\n")
    print(USAGE)


async def install(requirements: list[str], **options: Any) -> None:
    """`%pip install`: packages of the distribution from the server, all else by piplite.

    Raises:
        PackageFileError: a package of the distribution cannot be had; the text is the server's.
        NotInstalled: a package is in no place that this page asks.
    """
    from pyspark_connect_web.kernel.packages.pyodide_files import PyodideFiles

    piplite: Any = importlib.import_module("piplite.piplite")
    try:
        rest = installable(requirements, PyodideFiles())
        if rest:
            await find("piplite.piplite:_install")(rest, **options)
    except piplite.PiplitePyPIDisabled as error:
        raise NotInstalled(
            f"{str(error).partition(' ')[0]} is not part of Pyodide's distribution, and this page asks no other "
            "server, such as PyPI. A wheel of pure Python in the notebook's folder can be installed: run "
            "`%pip install emfs:FILE.whl`."
        ) from None


def installable(requirements: Iterable[str], files: Files) -> list[str]:
    """Load those that the distribution has; return the others.

    Raises:
        PackageFileError: a package cannot be had.
    """
    try:
        known: Mapping[str, Any] = packages_of(files.get(LOCK))
    except PackageFileError:
        return list(requirements)
    wanted: list[str] = []
    rest: list[str] = []
    for requirement in requirements:
        name = normalized(requirement)
        plain = _NAME.fullmatch(requirement) and not requirement.endswith(".whl")
        (wanted if plain and name in known else rest).append(name if plain and name in known else requirement)
    if wanted:
        load(wanted, files)
    return rest
