"""`%pip` and `micropip.install` in a kernel that asks no server but its own.

The server has the packages of Pyodide's distribution and an index of wheels; a site of files has no index. Everything
is resolved and asked for before the first package is installed: Pyodide only logs a package that it cannot get. piplite
understands `install` only and drops the line of every other command, so that the cell is empty and IPython does not
count it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pyspark_connect_web.errors import NotInstalled, PackageFileError
from pyspark_connect_web.kernel.packages.files import Files, normalized
from pyspark_connect_web.kernel.packages.loader import LOCK, closure, load, packages_of
from pyspark_connect_web.kernel.packages.resolver import Plan, resolve
from pyspark_connect_web.patches.apply import check_version, find, replace

__all__ = ["installable", "replace_pip", "run"]

USAGE = """%pip in this kernel:

    %pip install NAME           a package, from the Jupyter server; also NAME==1.2, 'NAME[extra]', --upgrade
    %pip install -r FILE        the packages that a file names
    %pip install emfs:FILE.whl  a wheel in the notebook's folder
    %pip list, %pip freeze      what is installed
    %pip show NAME              one of them
    %pip uninstall NAME         remove what %pip has installed"""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_UPGRADE = ("--upgrade", "-U")
_FILES = ("-r", "--requirement", "--requirements")
#: Requirements files that name each other end here.
_DEEPEST = 10

Transform = Callable[[list[str]], Awaitable["str | None"]]
Install = Callable[..., Awaitable[Any]]


def replace_pip() -> None:
    """Let `%pip` and `micropip.install` of the browser's kernel go through this module."""
    if importlib.util.find_spec("piplite") is None:
        return
    parsed = find("piplite.cli:get_action_kwargs")
    check_version("piplite")

    def through_here(original: Transform) -> Transform:
        async def transformed(arguments: list[str]) -> str | None:
            return await _transformed(arguments, parsed)

        return transformed

    replace("piplite.cli:get_transformed_code", through_here)
    check_version("micropip")
    replace("micropip:install", _through_index)


def _through_index(original: Install) -> Install:
    async def through_index(
        requirements: str | list[str],
        keep_going: bool = False,
        deps: bool = True,
        credentials: str | None = None,
        pre: bool = False,
        index_urls: list[str] | str | None = None,
        **options: Any,
    ) -> Any:
        from pyspark_connect_web.kernel.packages.pyodide_files import PyodideFiles

        wanted = [requirements] if isinstance(requirements, str) else list(requirements)
        elsewhere = index_urls is not None or any(_is_address(one) for one in wanted)
        # wheels alone, as they are: this is how a resolved plan is installed
        files_only = not deps and all(one.startswith("emfs:") for one in wanted)
        if elsewhere or files_only or options.get("constraints") or not PyodideFiles().has_index():
            return await original(wanted, keep_going, deps, credentials, pre, index_urls, **options)
        return await install(wanted, deps=deps, pre=pre, reinstall=options.get("reinstall", False))

    return through_index


async def _transformed(
    arguments: list[str], parsed: Callable[[list[str]], Awaitable[tuple[str | None, dict[str, Any]]]]
) -> str:
    """The line of Python that `%pip ARGUMENTS` stands for."""
    here = f'__import__("{__name__}", fromlist=["run"])'
    if arguments[:1] == ["install"]:
        upgrade = any(one in _UPGRADE for one in arguments)
        left, files = _requirements_files([one for one in arguments if one not in _UPGRADE])
        action, options = await parsed(left)
        if action == "install" and (options["requirements"] or files):
            options |= {"upgrade": True} if upgrade else {}
            options |= {"files": files} if files else {}
            return f"await {here}.install(**{options!r})\n"
    return f"{here}.run({arguments!r})\n"


def _requirements_files(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The arguments without requirements files, and these."""
    left: list[str] = []
    files: list[str] = []
    rest = iter(arguments)
    for one in rest:
        name, equals, value = one.partition("=")
        if name in _FILES:
            files.append(value if equals else next(rest, ""))
        else:
            left.append(one)
    return left, files


def _requirements_of(path: Path, depth: int = 0) -> list[str]:
    """The requirements that a file names. Raises NotInstalled."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NotInstalled(
            f"The requirements file {path} cannot be read ({error}). Paths begin at the notebook's folder."
        ) from None
    found: list[str] = []
    for number, line in enumerate(lines, 1):
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        option, _, value = text.replace("=", " ", 1).partition(" ") if text.startswith("-") else ("", "", "")
        if option in _FILES and depth < _DEEPEST:
            found += _requirements_of(path.parent / value.strip(), depth + 1)
        elif option:
            raise NotInstalled(
                f"{path}, line {number}: {text!r} cannot be used in this kernel. Leave the line out; which index is"
                " asked is configured on the Jupyter server."
            )
        elif text:
            found.append(text)
    return found


def run(arguments: list[str]) -> None:
    """Do what `%pip` does but install: print what is installed or remove it, or print what can be done."""
    command, names = (arguments or [""])[0], [one for one in arguments[1:] if not one.startswith("-")]
    if command in ("list", "freeze"):
        found = {one.metadata["Name"]: one.version for one in importlib.metadata.distributions()}
        for name in sorted(found, key=str.lower):
            print(f"{name}=={found[name]}" if command == "freeze" else f"{name:<32} {found[name]}")
        return
    if command == "show" and names:
        for name in names:
            _show(name)
        return
    if command == "uninstall" and names:
        _uninstall(names)
        return
    if command not in ("", "help", "install", "uninstall", "show", "--help", "-h"):
        print(f"%pip {command} is not for this kernel.\n")
    print(USAGE)


def _show(name: str) -> None:
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        print(f"{name} is not installed: `%pip install {name}` asks the Jupyter server for it.")
        return
    for field in ("Name", "Version", "Summary", "Home-page", "License"):
        if found.metadata[field]:
            print(f"{field}: {found.metadata[field]}")
    print(f"Requires: {', '.join(found.requires or [])}")


def _uninstall(names: list[str]) -> None:
    known = {normalized(one.metadata["Name"]) for one in importlib.metadata.distributions()}
    for name in names:
        if normalized(name) not in known:
            print(f"{name} is not installed.")
        else:
            importlib.import_module("micropip").uninstall(name)
            print(f"Removed {name}. What is imported of it stays until the kernel is restarted.")


async def install(
    requirements: list[str],
    *,
    files: Iterable[str] = (),
    upgrade: bool = False,
    **options: Any,
) -> None:
    """`%pip install`: from Pyodide's distribution or the server's index; on a site of files by piplite.

    Raises:
        PackageFileError: something cannot be had; the text is the server's.
        NotInstalled: a package cannot be had, or not in the version that is needed.
    """
    from pyspark_connect_web.kernel.packages.pyodide_files import PyodideFiles

    wanted = [*requirements, *(one for file in files for one in _requirements_of(Path(file)))]
    server = PyodideFiles()
    addresses = [one for one in wanted if _is_address(one)]
    if options.get("constraints") or not server.has_index():
        await _install_with_piplite(wanted, server, **options)
        return
    named = [one for one in wanted if not _is_address(one)]
    if named:
        chosen = {name: bool(options.get(name, False)) for name in ("reinstall", "pre")}
        await _install_with_index(named, server, upgrade=upgrade, deps=options.get("deps", True), **chosen)
    if addresses:
        await _install_with_piplite(addresses, server, **options)


async def _install_with_index(requirements: list[str], server: Any, **options: bool) -> None:
    """Resolve, let the server fetch everything, then install."""
    try:
        lock: Mapping[str, Any] = packages_of(server.get(LOCK))
    except PackageFileError:
        lock = {}
    # a site's own files go before names whose files it may lack
    first = server.first()
    choice = {name: entry for name, entry in lock.items() if name not in first}
    plan, absent = _resolved(requirements, lock, choice, server, options)
    if absent is not None:
        # The index may have what Pyodide's distribution has: where the one cannot be reached, the other often can.
        kept = server.kept()
        choice = {name: entry for name, entry in choice.items() if name in kept}
        try:
            plan, again = _resolved(requirements, lock, choice, server, options)
        except (NotInstalled, PackageFileError):
            raise absent from None
        if again is not None:
            raise absent
    for address in plan.wheels.values():
        if not address.startswith("emfs:"):
            server.wheel(address)
    if plan.wheels:
        await find("piplite.piplite:_install")(
            list(plan.wheels.values()), deps=False, reinstall=bool(plan.replaced)
        )
    if plan.distribution:
        load(plan.distribution, server)
    for name in plan.replaced:
        print(f"{name} was replaced: restart the kernel if it was imported before.")


def _resolved(
    requirements: list[str],
    lock: Mapping[str, Any],
    choice: Mapping[str, Any],
    server: Any,
    options: Mapping[str, bool],
) -> tuple[Plan, PackageFileError | None]:
    """What is to be installed, with packages of the distribution among `choice` only; and why one cannot be had."""
    try:
        plan = resolve(requirements, choice, server, **options)
    except NotInstalled as error:
        raise NotInstalled(f"{error} Nothing was installed.") from None
    for name in closure(plan.distribution, lock):
        if name not in plan.wheels and name not in server.loaded():
            try:
                server.get(lock[name]["file_name"])
            except PackageFileError as error:
                return plan, error
    return plan, None


async def _install_with_piplite(requirements: list[str], files: Files, **options: Any) -> None:
    piplite: Any = importlib.import_module("piplite.piplite")
    try:
        rest = installable(requirements, files)
        if rest:
            await find("piplite.piplite:_install")(rest, **options)
    except piplite.PiplitePyPIDisabled as error:
        raise NotInstalled(
            f"{str(error).partition(' ')[0]} is not part of Pyodide's distribution, and this page asks no other "
            "server, such as PyPI. A wheel of pure Python in the notebook's folder can be installed: run "
            "`%pip install emfs:FILE.whl`."
        ) from None


def _is_address(requirement: str) -> bool:
    return requirement.startswith(("http:", "https:"))


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
