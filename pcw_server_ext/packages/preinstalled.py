"""The packages that every browser kernel of this server has from its start."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import web

from pcw_server_ext.errors import PackageError
from pcw_server_ext.packages.fetching import FetchingHandler
from pcw_server_ext.packages.index.index import PackageIndex
from pcw_server_ext.packages.lock import Package
from pcw_server_ext.packages.mirror import PackageMirror, public
from pcw_server_ext.packages.selection import RuntimePython, Selection, select
from pcw_server_ext.web.isolation import CORP

SETTING: Final = "PcwExtension.preinstall"
#: Seconds after which what could not be had is looked for again, when a kernel starts.
_RETRY_SECONDS: Final = 60.0


class Preinstalled:
    """Chooses the packages once, for all kernels.

    They are chosen again when the administrator's wheels have changed, and, where something could not be had, with a
    kernel that starts a minute later.

    Args:
        requirements: as pip writes them.
        python: what they are for.
        index: where they are.
        mirror: where Pyodide's packages are; None: there are none.
        log: told what cannot be had.
    """

    def __init__(
        self,
        requirements: Sequence[str],
        python: RuntimePython,
        index: PackageIndex,
        mirror: PackageMirror | None,
        log: logging.Logger,
    ) -> None:
        self._requirements = tuple(requirements)
        self._python, self._index, self._log = python, index, log
        self._distribution = _Distribution(mirror, log) if mirror is not None else None
        self._selecting: asyncio.Task[Selection] | None = None
        self._wheels_then: object = None
        self._at = 0.0

    async def selection(self) -> Selection:
        """What was chosen, once it is there."""
        wheels_now = await asyncio.to_thread(self._index.own.state)
        if self._selecting is None or self._outdated(self._selecting, wheels_now):
            self._wheels_then = wheels_now
            self._at = time.monotonic()
            self._selecting = asyncio.create_task(self._select())
        # a browser that leaves does not end it for the others
        return await asyncio.shield(self._selecting)

    def begin(self) -> None:
        """Choose now, so that the first kernel does not wait for it."""
        if self._requirements:
            self._begun = asyncio.ensure_future(self.selection())

    def _outdated(self, selecting: asyncio.Task[Selection], wheels_now: object) -> bool:
        if not selecting.done():
            return False
        if wheels_now != self._wheels_then or selecting.cancelled() or selecting.exception() is not None:
            return True
        return bool(selecting.result().faults) and time.monotonic() - self._at > _RETRY_SECONDS

    async def _select(self) -> Selection:
        selection = await select(self._requirements, self._python, self._index, self._distribution)
        for fault in selection.faults:
            self._log.error("%s: %s is in no browser kernel. %s", SETTING, fault.requirement, fault.reason)
        self._index.hold(selection.wheels)
        return selection


class _Distribution:
    """The mirror, whose errors are for the log: what is raised here is for pages (`selection.Distribution`)."""

    def __init__(self, mirror: PackageMirror, log: logging.Logger) -> None:
        self.lock = mirror.lock
        self._mirror, self._log = mirror, log

    async def get(self, package: Package) -> Path:
        """See `selection.Distribution`."""
        try:
            return await self._mirror.get(package)
        except PackageError as error:
            self._log.warning("%s", error)
            raise PackageError(error.reason, public(package, error)) from error


class PreinstalledHandler(FetchingHandler):
    """``{base_url}pcw/api/preinstalled``: what a kernel installs when it starts."""

    def initialize(self, preinstalled: Preinstalled) -> None:
        """Called by Tornado with the handler's arguments."""
        self._preinstalled = preinstalled

    def set_default_headers(self) -> None:
        """It is for the pages of this server, and another with the next start."""
        super().set_default_headers()
        self.set_header(CORP, "same-origin")
        self.set_header("Cache-Control", "no-store")

    @allow_unauthenticated  # by itself: `admit` answers with JSON
    async def get(self) -> None:
        """Addresses of wheels, names of Pyodide's packages, and what is missing."""
        await self.admit()
        self.finish(as_json(await self._preinstalled.selection(), "../pypi/files"))


def as_json(selection: Selection, files: str) -> str:
    """A selection as kernels read it; `files`: the folder of the index's files, relative to the answer's address."""
    return json.dumps(
        {
            "wheels": [f"{files}/{wheel.sha256}/{wheel.file}" for wheel in selection.wheels],
            "distribution": [package.name for package in selection.distribution],
            "faults": [{"requirement": one.requirement, "reason": one.reason} for one in selection.faults],
        }
    )


def routes(preinstalled: Preinstalled) -> list[tuple[str, type[web.RequestHandler], dict[str, Any]]]:
    """URL patterns below base_url."""
    return [(r"/pcw/api/preinstalled", PreinstalledHandler, {"preinstalled": preinstalled})]
