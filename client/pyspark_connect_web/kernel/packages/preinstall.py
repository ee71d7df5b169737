"""What every kernel of a server or a site has from its start: installed before the first cell.

The server, or the build of a site, has resolved it (docs/architecture.md, 6): here is only fetched and installed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import urljoin

from pyspark_connect_web.errors import PackageFileError
from pyspark_connect_web.kernel.packages.files import Files
from pyspark_connect_web.kernel.packages.loader import wanted_of
from pyspark_connect_web.patches.apply import find

__all__ = ["preinstall"]


class StartingFiles(Files, Protocol):
    """`Files` for an interpreter that starts: no cell runs that could be suspended."""

    def read(self, address: str) -> str:
        """Fetch a text. Raises PackageFileError."""

    async def install_awaiting(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        """As `Files.install`."""


async def preinstall(address: str) -> None:
    """Install what the page's server says at an address; what cannot be had is told in the first cell.

    A kernel without one of these packages is of more use than none, so nothing is raised.
    """
    from IPython.core.getipython import get_ipython  # type: ignore[attr-defined,unused-ignore]

    from pyspark_connect_web.kernel.packages.pyodide_files import PyodideFiles

    faults = await installed(address, PyodideFiles(), find("piplite.piplite:_install"))
    shell = get_ipython()
    if faults and shell is not None:
        tell_at_first_cell(shell, faults)


async def installed(address: str, files: StartingFiles, install: Any) -> list[str]:
    """Do it; returns what went wrong, for a person.

    Args:
        address: of the list: `{"wheels": [address], "distribution": [name], "faults": [{"requirement", "reason"}]}`,
            addresses relative to its own.
        files: where packages come from.
        install: piplite's.
    """
    try:
        listed = json.loads(files.read(address))
        wheels = [urljoin(address, str(one)) for one in listed["wheels"]]
        distribution = [str(one) for one in listed["distribution"]]
        faults = [_fault(str(one["requirement"]), str(one["reason"])) for one in listed["faults"]]
    except PackageFileError as error:
        return [_fault("a package or more", str(error))]
    except (ValueError, KeyError, TypeError):
        return [_fault("a package or more", "the list of them cannot be read")]
    if wheels:
        faults += await _told(wheels, install(wheels, deps=False))
    if distribution:
        faults += await _told(distribution, _load(distribution, files))
    return faults


async def _load(names: Iterable[str], files: StartingFiles) -> None:
    wanted = wanted_of(names, files)
    if wanted:
        await files.install_awaiting(wanted)


async def _told(names: Iterable[str], work: Awaitable[object]) -> list[str]:
    try:
        await work
    except Exception as error:  # noqa: BLE001 (whatever is wrong with a package, the kernel starts)
        shown = ", ".join(name.rpartition("/")[2] for name in names)
        return [_fault(shown, str(error) or type(error).__name__)]
    return []


def _fault(what: str, why: str) -> str:
    return f"Not in this kernel, though every kernel here should have it: {what}. {why}"


def tell_at_first_cell(shell: Any, lines: Iterable[str]) -> None:
    """Print lines to standard error when the first cell is run: before, nobody would see them."""
    text = "\n".join(lines)

    def tell(*_: object) -> None:
        shell.events.unregister("pre_run_cell", tell)
        print(text, file=sys.stderr)

    shell.events.register("pre_run_cell", tell)
