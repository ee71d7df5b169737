"""The staging area of a Jupyter server: its settings, and the builds it runs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir
from traitlets import Float, Int, TraitError, Unicode, default, validate
from traitlets.config import LoggingConfigurable

from pcw_server_ext.site.errors import SiteError, SiteRefused
from pcw_server_ext.site.folder import SiteFolder
from pcw_server_ext.site.settings import SiteSettings
from pcw_server_ext.site.store import SiteStore, StagedSite, check_name

_MIB = 1 << 20


class SiteService(LoggingConfigurable):
    """Sites that this Jupyter server builds, keeps and serves below pcw/sites/, and one of its own at pcw/lite/."""

    sites_dir = Unicode(
        config=True,
        help="Folder of the staged sites. Default: pcw/sites in Jupyter's data folder of the user.",
    )
    lite_site = Unicode(
        "",
        config=True,
        help="Folder of a built site that is served at pcw/lite/. Default: the staged site called lite, if any.",
    )
    max_site_size = Int(
        2048 * _MIB, config=True, help="Bytes that the files of one staged site may have. Default 2 GiB."
    )
    build_timeout = Float(
        300.0, config=True, help="Seconds that a build on the server may take. Default 300."
    )

    @default("sites_dir")
    def _default_sites_dir(self) -> str:
        return str(Path(jupyter_data_dir()) / "pcw" / "sites")

    @validate("lite_site")
    def _validate_lite_site(self, proposal: Any) -> str:
        value = str(proposal["value"])
        if value and not Path(value).is_dir():
            raise TraitError(
                f"SiteService.lite_site: {value} is no folder. Build a site there: jupyter pcw build"
            )
        return value

    @validate("max_site_size", "build_timeout")
    def _validate_positive(self, proposal: Any) -> Any:
        if proposal["value"] <= 0:
            raise TraitError(f"SiteService.{proposal['trait'].name} must be above 0.")
        return proposal["value"]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._building = asyncio.Lock()
        self._folders: dict[str, SiteFolder] = {}

    @property
    def store(self) -> SiteStore:
        """The staged sites."""
        return SiteStore(Path(self.sites_dir), max_size=self.max_site_size)

    def folder(self, name: str) -> SiteFolder:
        """Return the files of the staged site `name`; raises `SiteNotFound`."""
        store = self.store
        return self._known(store.path(store.get(name)))

    def lite_folder(self) -> SiteFolder:
        """Return the files of the server's own site; raises `SiteNotFound`."""
        return self._known(Path(self.lite_site)) if self.lite_site else self.folder("lite")

    def _known(self, path: Path) -> SiteFolder:
        # Reading a site's record and rules for each of hundreds of requests of a page would be for nothing.
        stamp = f"{path} {_modified(path / 'pcw-site.json')} {_modified(path / '_headers')}"
        if stamp not in self._folders:
            self._folders = {**dict(list(self._folders.items())[-15:]), stamp: SiteFolder(path)}
        return self._folders[stamp]

    async def build(self, name: str, request: Mapping[str, Any], root: Path) -> StagedSite:
        """Build a site from files of the user's and stage it as `name`.

        Args:
            name: the site's name.
            request: `{"host", "endpoint", "profile", "channel", "isolation", "apps": [...], "contents": [...],
                "lite_dir"}`, all optional; `contents` and `lite_dir` are paths below `root`.
            root: the folder whose files the user may read.

        Raises:
            SiteRefused: a setting, or a path that is not below `root`.
            SiteError: the build failed.
        """
        check_name(name)
        known = SiteSettings.__dataclass_fields__
        unknown = set(request) - {*known, "apps", "contents", "lite_dir"}
        if unknown:
            raise SiteRefused(f"Unknown settings: {', '.join(sorted(unknown))}.")
        chosen = {key: request[key] for key in known if key in request}
        if not all(isinstance(value, str) for value in chosen.values()):
            raise SiteRefused(f"{', '.join(known)} are strings.")
        settings = SiteSettings(**{"host": "jupyter", **chosen}).checked()
        contents = [str(inside(root, path)) for path in _strings(request, "contents")]
        async with self._building:
            with self.store.new_folder() as folder, tempfile.TemporaryDirectory() as scratch:
                lite_dir = request.get("lite_dir")
                job = {
                    "lite_dir": str(inside(root, lite_dir)) if lite_dir else scratch,
                    "output_dir": str(folder),
                    "contents": contents,
                    "apps": _strings(request, "apps"),
                    "settings": asdict(settings),
                }
                await self._run(job)
                return await asyncio.to_thread(self.store.put, name, folder)

    async def _run(self, job: Mapping[str, Any]) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "pcw_server_ext.site.build_job",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        try:
            out, err = await asyncio.wait_for(
                process.communicate(json.dumps(job).encode()), timeout=self.build_timeout
            )
        except (asyncio.TimeoutError, TimeoutError):
            raise SiteError(
                f"The build took longer than {self.build_timeout:g} s (SiteService.build_timeout) and was stopped."
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        try:
            answer = json.loads(out or b"{}")
        except ValueError:
            answer = {}
        if answer.get("ok"):
            return
        if "error" not in answer:
            self.log.error("pcw: the build of a site failed:\n%s", err.decode(errors="replace"))
        raise SiteError(answer.get("error", "The build failed; the server's log says more."))


def inside(root: Path, path: Any) -> Path:
    """Return the file or folder `path` below `root`, links followed; raises `SiteRefused` for anything else."""
    if not isinstance(path, str) or "\0" in path:
        raise SiteRefused("A path is a string.")
    base = root.resolve()
    found = (base / path.strip("/")).resolve()
    if found != base and base not in found.parents:
        raise SiteRefused(f"{path!r} is not below the server's root folder.")
    if any(part.startswith(".") for part in found.relative_to(base).parts):
        raise SiteRefused(f"{path!r} is hidden, and hidden files stay on the server.")
    if not found.exists():
        raise SiteRefused(f"There is no {path!r} below the server's root folder.")
    return found


def _strings(request: Mapping[str, Any], key: str) -> list[str]:
    value = request.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise SiteRefused(f"{key} is a list of strings.")
    return value


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
