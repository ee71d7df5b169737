"""The staging area of a Jupyter server: its settings, and the builds it runs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from jupyter_core.paths import jupyter_data_dir
from traitlets import Bool, Float, Int, TraitError, Unicode, default, validate
from traitlets.config import LoggingConfigurable

from pcw_server_ext.errors import SiteError, SiteRefused
from pcw_server_ext.site.serving.folder import SiteFolder
from pcw_server_ext.site.settings import SiteSettings, checked_apps
from pcw_server_ext.site.staging.guests import Guests
from pcw_server_ext.site.staging.store import SiteStore, StagedSite, check_name
from pcw_server_ext.web.addresses import LOOPBACK, origin_of

_MIB = 1 << 20
#: Sites that are unpacked, packed and stored at once; others wait, and nobody else's threads are taken.
_WORKERS = 2
#: What a build takes of the environment.
_BUILD_VARIABLES = frozenset(
    {
        "HOME",
        "LANG",
        "LANGUAGE",
        "PATH",
        "SOURCE_DATE_EPOCH",
        "SYSTEMROOT",
        "TEMP",
        "TMP",
        "TMPDIR",
        "TZ",
        "USERPROFILE",
    }
    | {"APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "CONDA_PREFIX", "VIRTUAL_ENV", "PCW_PACKAGES_DIR"}
    | {"JUPYTER_CONFIG_DIR", "JUPYTER_CONFIG_PATH", "JUPYTER_DATA_DIR", "JUPYTER_NO_CONFIG", "JUPYTER_PATH"}
    | {"JUPYTER_PLATFORM_DIRS", "JUPYTER_PREFER_ENV_PATH", "JUPYTER_RUNTIME_DIR"}
)
_BUILD_PREFIXES = ("LC_", "XDG_")

_Result = TypeVar("_Result")


class SiteService(LoggingConfigurable):
    """Sites that this Jupyter server builds, keeps and serves below pcw/sites/, and one of its own at pcw/lite/."""

    enabled = Bool(
        True,
        config=True,
        help="Whether this server builds, keeps and serves sites. Default True. Off, only lite_site is served.",
    )
    origin = Unicode(
        "",
        config=True,
        help="""Where browsers find the listener for sites that are not trusted, behind a proxy of yours:
        https://sites.example, better https://{site}.sites.example, which gives each its own origin. It must lead to
        guest_port and share no cookies with Jupyter. Default: none; a browser on this machine finds it at
        http://{site}.localhost.""",
    )
    guest_port = Int(
        0,
        config=True,
        help="""Port on loopback at which sites that are not trusted are served. Default 0: any free one.""",
    )
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

    @validate("origin")
    def _validate_origin(self, proposal: Any) -> str:
        value = str(proposal["value"]).rstrip("/")
        plain = value.replace("{site}", "x")
        if value and (origin_of(plain) is None or urlsplit(plain).path or "{" in plain):
            raise TraitError(
                f"SiteService.origin: {value!r} is not an origin: try https://sites.example or "
                "https://{site}.sites.example."
            )
        return value

    @validate("guest_port")
    def _validate_guest_port(self, proposal: Any) -> int:
        value = int(proposal["value"])
        if not 0 <= value < 65536:
            raise TraitError("SiteService.guest_port must be a port, or 0 for any free one.")
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
        self.guests = Guests(self, origin=self.origin, port=self.guest_port)
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="pcw-sites")

    async def work(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        """Run what reads or writes a whole site in a thread of its own kind."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, function, *arguments)

    @property
    def store(self) -> SiteStore:
        """The staged sites."""
        # The folder above is ours too, unless the administrator has chosen another one.
        above = int(self.sites_dir == self._default_sites_dir())
        return SiteStore(Path(self.sites_dir), max_size=self.max_site_size, private_above=above)

    def has_guests(self, listens: str, host: str) -> bool:
        """Whether a visitor can reach the listener of guests.

        Args:
            listens: the address that the Jupyter server listens on.
            host: the host name under which the visitor reaches it.
        """
        here = (*LOOPBACK, "localhost.localdomain")
        return bool(self.origin) or (listens in here and host.strip("[]") in here)

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

    async def build(self, name: str, job: BuildJob, root: Path, person: str) -> tuple[StagedSite, list[str]]:
        """Build a site and stage it as `name`, trusted by who builds it; return it and what was left out of it.

        Args:
            name: the site's name.
            job: what to build.
            root: the folder whose files the user may read; not shown in messages.
            person: who builds it, as `trust.person` calls them.

        Raises:
            SiteRefused: something that the user must change.
            SiteError: the build failed.
        """
        check_name(name)
        async with self._building:
            with self.store.new_folder() as folder, tempfile.TemporaryDirectory() as scratch:
                try:
                    left_out = await self._run(job.described(folder, Path(scratch)))
                except SiteError as error:
                    # The folders of the server are nobody's business.
                    text = str(error)
                    for path, shown in (
                        (folder, "the site"),
                        (inside(root, ""), "."),
                        (root, "."),
                        (scratch, "."),
                    ):
                        text = text.replace(str(path), shown)
                    raise type(error)(text) from None
                return await self.work(self.store.put, name, folder, (person,)), left_out

    async def _run(self, job: Mapping[str, Any]) -> list[str]:
        """Build in a process of its own; return what was left out. Raises `SiteError`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "pcw_server_ext.site.builder.job",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                **build_environment(os.environ),
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            },
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
            return list(answer["left_out"])
        if "error" not in answer:
            self.log.error("pcw: the build of a site failed:\n%s", err.decode(errors="replace"))
        # The command's option and the request's member have one name.
        text = str(answer.get("error", "")).replace("--allow-secrets", '"allow_secrets": true')
        failure = SiteRefused if answer.get("refused") else SiteError
        raise failure(text or "The build failed; the server's log says more.")


@dataclass(frozen=True)
class BuildJob:
    """What a request for a build asks for, checked.

    Attributes:
        settings: the choices.
        contents: files and folders of the user's.
        apps: names of applications, all of them when empty.
        lite_dir: the site's sources, None without any.
        allow_secrets: whether what looks like a secret may be published.
    """

    settings: SiteSettings
    contents: tuple[Path, ...]
    apps: tuple[str, ...]
    lite_dir: Path | None
    allow_secrets: bool

    def described(self, output: Path, scratch: Path) -> dict[str, Any]:
        """Return the job as `builder.job` reads it; `scratch` stands for sources where there are none."""
        return {
            "lite_dir": str(self.lite_dir or scratch),
            "output_dir": str(output),
            "contents": [str(path) for path in self.contents],
            "apps": list(self.apps),
            "settings": asdict(self.settings),
            "allow_secrets": self.allow_secrets,
        }


def read_request(body: bytes, root: Path) -> BuildJob:
    """Read a request for a build.

    Args:
        body: JSON `{"host", "endpoint", "profile", "channel", "isolation", "apps": [...], "contents": [...],
            "lite_dir", "allow_secrets"}`, all optional; `contents` and `lite_dir` are paths below `root`.
        root: the folder whose files the user may read.

    Raises:
        SiteRefused: it is no such object, or names a path that is not below `root`.
    """
    try:
        request = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise SiteRefused("The body must be JSON.") from None
    if not isinstance(request, dict):
        raise SiteRefused("The body must be a JSON object.")
    known = SiteSettings.__dataclass_fields__
    unknown = set(request) - {*known, "allow_secrets", "apps", "contents", "lite_dir"}
    if unknown:
        raise SiteRefused(f"Unknown settings: {_shown(', '.join(sorted(unknown)))}.")
    chosen = {key: request[key] for key in known if key in request}
    if not all(isinstance(value, str) for value in chosen.values()):
        raise SiteRefused(f"{', '.join(known)} must be strings.")
    allow_secrets, lite_dir = request.get("allow_secrets", False), request.get("lite_dir")
    if not isinstance(allow_secrets, bool):
        raise SiteRefused("allow_secrets must be true or false.")
    sources = None if lite_dir in (None, "") else inside(root, lite_dir)
    if sources is not None and not sources.is_dir():
        raise SiteRefused("lite_dir must be a folder.")
    if sources is not None and any(sources.glob("jupyter_lite_config.*")):
        # It may name any file of this machine, and leaving it aside might publish what it keeps out of the site.
        raise SiteRefused(
            f"{_shown(str(lite_dir))} has a jupyter_lite_config file, which builds on a server do not read. Build the "
            "site with: jupyter pcw build, and stage it with: jupyter pcw stage."
        )
    return BuildJob(
        SiteSettings(**{"host": "jupyter", **chosen}).checked(),
        tuple(inside(root, path) for path in _strings(request, "contents")),
        tuple(checked_apps(_strings(request, "apps"))),
        sources,
        allow_secrets,
    )


def inside(root: Path, path: Any) -> Path:
    """Return the file or folder `path` below `root`, links followed; raises `SiteRefused` for anything else."""
    if not isinstance(path, str) or "\0" in path:
        raise SiteRefused("A path must be a string.")
    base = root.resolve()
    try:
        found = (base / path.strip("/")).resolve()
        exists = found.exists()
    except (OSError, RuntimeError, ValueError):
        # Too long a name, a circle of links, letters that no file system takes.
        raise SiteRefused(f"{_shown(path)} cannot be the path of a file.") from None
    if found != base and base not in found.parents:
        raise SiteRefused(f"{_shown(path)} is not below the server's root folder.")
    if any(part.startswith(".") for part in found.relative_to(base).parts):
        raise SiteRefused(f"{_shown(path)} is hidden, and hidden files stay on the server.")
    if not exists:
        raise SiteRefused(f"There is no {_shown(path)} below the server's root folder.")
    return found


def _strings(request: Mapping[str, Any], key: str) -> list[str]:
    value = request.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise SiteRefused(f"{key} must be a list of strings.")
    return value


def build_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a build needs of a server's environment: where things are, and none of its tokens and keys."""
    return {
        name: value
        for name, value in environment.items()
        if name in _BUILD_VARIABLES or name.startswith(_BUILD_PREFIXES)
    }


def _shown(text: str) -> str:
    """Return text of a request as a message may show it."""
    return ascii(text[:200])


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
