"""`jupyter pcw build`: JupyterLite's own build with our addon, quiet, with progress, from any folder."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doit.reporter import ZeroReporter  # type: ignore[import-untyped]
from jupyterlite_core.manager import LiteManager  # type: ignore[import-untyped]
from traitlets import TraitError
from traitlets.config import Config

from pcw_server_ext.errors import SiteError, SiteRefused
from pcw_server_ext.file_hash import sha256_of
from pcw_server_ext.site.builder import runtime_files
from pcw_server_ext.site.builder.lite_config import check_configuration
from pcw_server_ext.site.builder.lite_options import NAME, configuration_files, configured
from pcw_server_ext.site.builder.packages import ChosenPackages, SitePackages, choose
from pcw_server_ext.site.builder.publish import check_contents, own_files, settle_patterns
from pcw_server_ext.site.record import SiteRecord
from pcw_server_ext.site.record import read as read_record
from pcw_server_ext.site.settings import SiteSettings, checked_apps

Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class BuildRequest:
    """What to build.

    Attributes:
        lite_dir: folder with the site's own `jupyter-lite.json`, `files/`, `overrides.json`; may be empty.
        output_dir: folder of the site; created, and kept up to date.
        settings: the choices.
        contents: files and folders to put into the site, in addition to `files/` of the lite folder.
        apps: applications to include, all of them when empty.
        include_hidden: publish files and folders whose names begin with a dot.
        allow_secrets: publish what looks like a secret.
        packages: wheels for the site's kernels.
        options: of JupyterLite's own build, as `lite_options.read_options` reads them; what is said above goes first.
    """

    lite_dir: Path
    output_dir: Path
    settings: SiteSettings
    contents: Sequence[Path] = ()
    apps: Sequence[str] = ()
    include_hidden: bool = False
    allow_secrets: bool = False
    options: Config = field(default_factory=Config)
    packages: SitePackages = field(default_factory=SitePackages)


def build(
    request: BuildRequest,
    progress: Progress | None = None,
    tell: Callable[[Sequence[str]], None] | None = None,
) -> SiteRecord:
    """Build or rebuild a site and return its record.

    Args:
        request: what to build.
        progress: called with the name of each step and how many were done before.
        tell: called with the paths of the contents that do not go into the site, each with the reason.

    Raises:
        SiteRefused: a setting, or something in the contents that must not be published; see `publish`.
        SiteError: the site cannot be built; the text says why and what to do.
    """
    settings = request.settings.checked()
    apps = checked_apps(request.apps)
    lite_dir, output = request.lite_dir.resolve(), request.output_dir.resolve()
    _refuse_overlap(lite_dir, output, request.contents)
    lite_dir.mkdir(parents=True, exist_ok=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    contents = [path.resolve() for path in request.contents]
    for path in contents:
        if not path.exists():
            raise SiteRefused(f"There is no {path} to put into the site. Check --contents.")
    check_configuration(lite_dir, output)
    # found before anything is written, where it can be told well
    chosen = choose(request.packages, runtime_files.BUNDLE, settings.profile)
    ours = request.options.get("PcwAddon", {})
    include_hidden = request.include_hidden or bool(ours.get("include_hidden"))
    # What the developer of JupyterLite wants of an error in it, nobody who opens a site does.
    config = Config({"LiteBuildConfig": {"no_sourcemaps": True}})
    config.merge(request.options)
    config.merge(
        {
            "PcwAddon": {
                **{name: getattr(settings, name) for name in SiteSettings.__dataclass_fields__},
                # Done here, where it can be told well.
                "check_contents": False,
            },
            "ContentsManager": {"allow_hidden": include_hidden},
        }
    )
    state = lite_dir / ".cache" / f"pcw-{_key(output)}.db"
    state.parent.mkdir(exist_ok=True)
    try:
        manager = _Manager(
            config=config, log=logging.getLogger("pcw.build"), lite_dir=lite_dir, output_dir=output
        )
    except TraitError as error:
        raise SiteRefused(f"JupyterLite does not take its options: {error} Correct {NAME}.json.") from None
    manager.state, manager.steps = state, _Steps(progress)
    manager.pcw_packages = chosen
    files = lite_dir / "files"
    manager.contents = [*_own_contents(request.options, lite_dir, files), *contents]
    settle_patterns(manager, include_hidden=include_hidden)
    if apps:
        manager.apps = apps
    checked_apps(manager.apps or ())
    found = check_contents(
        manager.contents,
        (*manager.ignore_contents, *manager.extra_ignore_contents),
        own=own_files(lite_dir, output),
        include_hidden=include_hidden,
        allow_secrets=request.allow_secrets or bool(ours.get("allow_secrets")),
    )
    manager.extra_ignore_contents = (*manager.extra_ignore_contents, *found.patterns())
    if tell is not None and found.left_out:
        tell(found.left_out)
    # JupyterLite merges into what is there: what left the choices or the configuration would stay in the site. And a
    # stale state says "up to date" of a folder that is gone.
    inputs, made_from = _inputs(manager, config, lite_dir, output), state.with_suffix(".inputs")
    same = made_from.is_file() and made_from.read_text(encoding="utf-8") == inputs
    if not same or not (output / "jupyter-lite.json").is_file():
        state.unlink(missing_ok=True)
        made_from.write_text(inputs, encoding="utf-8")
    with _inside(lite_dir), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()) as printed:
        warnings.simplefilter("ignore")
        manager.initialize()
        code = manager.doit_run("post_build")
    record = read_record(output)
    if code != 0 or record is None:
        reason = "\n".join([*manager.steps.failures, *printed.getvalue().splitlines()[-5:]])
        raise SiteError(f"JupyterLite could not build the site:\n{reason}\nRemove {output} and build again.")
    return record


class _Manager(LiteManager):  # type: ignore[misc]  # jupyterlite-core is untyped
    """Keeps its state by site instead of in the working folder, and reports steps."""

    state: Path
    steps: _Steps
    #: for our addon
    pcw_packages: ChosenPackages

    def doit_run(self, task: str, *args: str, raw: bool = False) -> int:
        self._doit_config = {
            "dep_file": str(self.state),
            "backend": "sqlite3",
            "verbosity": 0,
            "reporter": self.steps.reporter(),
        }
        return int(super().doit_run(task, *args, raw=raw))


class _Steps:
    """Counts doit's tasks for a progress display and keeps what failed."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress
        self.done = 0
        self.failures: list[str] = []

    def reporter(self) -> type[ZeroReporter]:
        steps = self

        class Reporter(ZeroReporter):  # type: ignore[misc]  # doit is untyped
            def execute_task(self, task: Any) -> None:
                if steps.progress is not None and task.actions:
                    steps.progress(str(task.name), steps.done)
                steps.done += 1

            def skip_uptodate(self, task: Any) -> None:
                steps.done += 1

            def add_failure(self, task: Any, fail: Any) -> None:
                steps.failures.append(f"{task.name}: {fail.get_msg()}")

            def runtime_error(self, msg: str) -> None:
                steps.failures.append(msg)

        return Reporter


def _refuse_overlap(lite_dir: Path, output: Path, contents: Sequence[Path]) -> None:
    if output == lite_dir or output in lite_dir.parents:
        # JupyterLite empties the output folder.
        raise SiteRefused(
            f"{output} holds the site's sources and would be emptied. Choose another --output-dir."
        )
    for path in contents:
        if output == path.resolve() or output in path.resolve().parents:
            raise SiteRefused(f"{output} holds {path} and would be emptied. Choose another --output-dir.")
    if output.is_dir() and any(output.iterdir()) and not (output / "jupyter-lite.json").is_file():
        raise SiteRefused(f"{output} is not empty and is no site. Choose another --output-dir, or empty it.")


def _own_contents(options: Config, lite_dir: Path, files: Path) -> list[Path]:
    """Return the contents that the options name, relative to the lite folder, or else its `files/`."""
    named = configured(options, "contents")
    if named is None:
        return [files] if files.is_dir() else []
    found = [(lite_dir / path).resolve() for path in named]
    for path in found:
        if not path.exists():
            raise SiteRefused(f"There is no {path} to put into the site. Correct contents in {NAME}.json.")
    return found


def _key(output: Path) -> str:
    return hashlib.sha256(str(output).encode()).hexdigest()[:12]


def _inputs(manager: LiteManager, config: Config, lite_dir: Path, output: Path) -> str:
    """Return a hash of the choices and of the configuration that JupyterLite merges; files of contents have none."""
    digest = hashlib.sha256(
        repr(
            (manager.contents, manager.apps, manager.ignore_contents, manager.extra_ignore_contents)
        ).encode()
    )
    digest.update(json.dumps(config, sort_keys=True, default=repr).encode())
    for path in configuration_files(lite_dir, output):
        digest.update(f"\0{path.relative_to(lite_dir)}\0{sha256_of(path)}".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
