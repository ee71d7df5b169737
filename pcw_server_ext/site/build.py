"""`jupyter pcw build`: JupyterLite's own build with our addon, quiet, with progress, from any folder."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doit.reporter import ZeroReporter  # type: ignore[import-untyped]
from jupyterlite_core.manager import LiteManager  # type: ignore[import-untyped]
from traitlets.config import Config

from pcw_server_ext.site.errors import SiteError, SiteRefused
from pcw_server_ext.site.record import SiteRecord
from pcw_server_ext.site.record import read as read_record
from pcw_server_ext.site.settings import SiteSettings

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
    """

    lite_dir: Path
    output_dir: Path
    settings: SiteSettings
    contents: Sequence[Path] = ()
    apps: Sequence[str] = ()


def build(request: BuildRequest, progress: Progress | None = None) -> SiteRecord:
    """Build or rebuild a site and return its record.

    Args:
        request: what to build.
        progress: called with the name of each step and how many were done before.

    Raises:
        SiteError: the site cannot be built; the text says why and what to do.
    """
    settings = request.settings.checked()
    lite_dir, output = request.lite_dir.resolve(), request.output_dir.resolve()
    _refuse_overlap(lite_dir, output, request.contents)
    lite_dir.mkdir(parents=True, exist_ok=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    contents = [path.resolve() for path in request.contents]
    for path in contents:
        if not path.exists():
            raise SiteRefused(f"There is no {path} to put into the site. Check --contents.")
    files = lite_dir / "files"
    state = lite_dir / ".cache" / f"pcw-{_key(request, settings)}.db"
    state.parent.mkdir(exist_ok=True)
    manager = _Manager(
        config=Config(
            {"PcwAddon": {name: getattr(settings, name) for name in SiteSettings.__dataclass_fields__}}
        ),
        log=logging.getLogger("pcw.build"),
        lite_dir=lite_dir,
        output_dir=output,
        contents=[*([files] if files.is_dir() else []), *contents],
        apps=list(request.apps),
        # What the developer of JupyterLite wants of an error in it, nobody who opens a site does.
        no_sourcemaps=True,
    )
    manager.state, manager.steps = state, _Steps(progress)
    # A stale state says "up to date" of a folder that is gone.
    if not (output / "jupyter-lite.json").is_file():
        state.unlink(missing_ok=True)
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


def _key(request: BuildRequest, settings: SiteSettings) -> str:
    # Sources that leave must leave the site: other contents and applications are another state.
    parts = [str(request.output_dir.resolve()), repr(settings), *map(str, request.contents), *request.apps]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
