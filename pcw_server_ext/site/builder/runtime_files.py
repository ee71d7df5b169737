"""The browser runtime inside a site: the same bundle as the Lab kernel's, below a folder named by its content."""

from __future__ import annotations

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import brotli

from pcw_server_ext.errors import ConfigurationError, SiteError
from pcw_server_ext.runtime.bundle import DEFAULT_FOLDER, Bundle, RuntimeFile
from pcw_server_ext.runtime.forms import Forms, default_folder
from pcw_server_ext.site.builder import full_profile as packages
from pcw_server_ext.site.hosts import RUNTIME_FOLDER, Host
from pcw_server_ext.web.content_codings import GZIP, IDENTITY, SUFFIXES

BUNDLE = DEFAULT_FOLDER

#: Large, and read late: browsers that take no brotli get them plain.
_NO_GZIP: Final = ".pack"

#: Unpacking, compressing and writing release the interpreter's lock.
_THREADS: Final = 2

_LOCK = "pyodide/pyodide-lock.json"


def load_bundle(folder: Path) -> Bundle:
    """The bundle in `folder`; raises `SiteError` that says how to get one."""
    try:
        return Bundle.load(folder)
    except ConfigurationError as error:
        raise SiteError(str(error)) from None


@dataclass(frozen=True)
class RuntimePlan:
    """What of the browser runtime goes into a site.

    Attributes:
        manifest: as the browser will read it.
        files: the bundle's files, and the content coding that each is put into the site with.
        wheels: further packages, and where they come from.
        texts: files whose content is made here.
    """

    manifest: dict[str, Any]
    files: dict[str, tuple[RuntimeFile, str]]
    wheels: dict[str, Path]
    texts: dict[str, bytes]

    @property
    def path(self) -> str:
        """Where the runtime lies in a site, relative to the root, without a final `/`."""
        return f"{RUNTIME_FOLDER}/{self.manifest['hash']}"


def plan_runtime(folder: Path, host: Host, profile: str, forms: Forms | None = None) -> RuntimePlan:
    """Decide what goes into a site on `host`.

    Where the host compresses nothing, or limits the size of a file, the snapshot is stored compressed and the
    browser unpacks it. The full profile adds packages. Both give another hash, so that each can be cached for ever.

    Args:
        folder: the bundle's folder.
        host: where the site will lie.
        profile: `lean` or `full`.
        forms: makes and keeps compressed files; None: in Jupyter's data folder.

    Raises:
        SiteError: the bundle is missing or damaged, or packages are.
    """
    forms = forms or Forms(default_folder())
    bundle = load_bundle(folder)
    manifest = dict(bundle.manifest)
    entries: dict[str, Any] = dict(manifest["files"])
    files = {path: (_file(bundle, path), IDENTITY) for path in entries}
    wheels: dict[str, Path] = {}
    texts: dict[str, bytes] = {}
    kernel = manifest["kernel"]
    snapshot = kernel.get("snapshot")
    if snapshot is not None and not host.precompressed:
        file, _ = files.pop(snapshot["path"])
        if GZIP in file.codings:
            packed = f"{snapshot['path']}{SUFFIXES[GZIP]}"
            del entries[file.path]
            entries[packed] = _entry(_read(file, GZIP, forms))
            files[packed] = (file, GZIP)
            kernel = {**kernel, "snapshot": {**snapshot, "path": packed}}
        else:
            files[file.path] = (file, IDENTITY)
    if profile == "full":
        lock = json.loads(_read(_file(bundle, _LOCK), IDENTITY, forms))
        needed = packages.needed(bundle)
        found = packages.find_wheels(needed, packages.packages_folders())
        for package in needed:
            wheel, path = found[package.name], f"pyodide/{package.file}"
            lock["packages"][package.name] = package.entry
            entries[path] = {"size": wheel.stat().st_size, "sha256": package.sha256}
            wheels[path] = wheel
        texts[_LOCK] = json.dumps(lock, sort_keys=True).encode()
        entries[_LOCK] = _entry(texts[_LOCK])
        del files[_LOCK]
    if kernel is manifest["kernel"] and not texts:
        return RuntimePlan(manifest, files, wheels, texts)
    changed = {**manifest, "kernel": kernel, "files": dict(sorted(entries.items()))}
    del changed["hash"]
    text = json.dumps(changed, sort_keys=True).encode()
    manifest = {**changed, "hash": hashlib.sha256(text).hexdigest()[:16]}
    return RuntimePlan(manifest, files, wheels, texts)


def copy_runtime(plan: RuntimePlan, site: Path, host: Host, forms: Forms | None = None) -> None:
    """Put the runtime into the site and remove older ones.

    A runtime that is there already is left alone: its folder's name stands for its content, and it is moved into
    place only when complete.

    Args:
        plan: what `plan_runtime` decided.
        site: the site's folder.
        host: where the site will lie; one that serves `.br` and `.gz` siblings gets them.
        forms: makes and keeps compressed files; None: in Jupyter's data folder.

    Raises:
        SiteError: the bundle is damaged.
    """
    forms = forms or Forms(default_folder())
    target = site / plan.path
    if not (target / "manifest.json").is_file():
        fresh = target.with_name(f"{target.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        jobs = [(file, coding, fresh / path) for path, (file, coding) in plan.files.items()]
        if host.precompressed:
            jobs += [
                (file, coding, fresh / f"{path}{SUFFIXES[coding]}")
                for path, (file, _) in plan.files.items()
                for coding in _siblings(file)
            ]
        for folder in {path.parent for _, _, path in jobs}:
            folder.mkdir(parents=True, exist_ok=True)
        # Large ones first: the last one decides when all are done.
        jobs.sort(key=lambda job: -job[0].size)
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(lambda job: _write(job[0], job[1], job[2], forms), jobs))
        for path, wheel in plan.wheels.items():
            shutil.copyfile(wheel, fresh / path)
        for path, content in plan.texts.items():
            (fresh / path).write_bytes(content)
        text = json.dumps(plan.manifest, sort_keys=True, indent=1)
        (fresh / "manifest.json").write_text(text, encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    for other in target.parent.iterdir():
        if other != target:
            shutil.rmtree(other)


def _file(bundle: Bundle, path: str) -> RuntimeFile:
    file = bundle.get(path)
    if file is None:
        raise SiteError(f"The browser runtime in {bundle.folder} has no {path}. Build it again.")
    return file


def _siblings(file: RuntimeFile) -> list[str]:
    """The content codings of the compressed files beside a plain one."""
    return [
        coding
        for coding in file.codings
        if coding in SUFFIXES and not (coding == GZIP and file.path.endswith(_NO_GZIP))
    ]


def _read(file: RuntimeFile, coding: str, forms: Forms) -> bytes:
    try:
        return forms.read(file, coding)
    except (OSError, brotli.error) as error:
        raise _damaged(file, error) from error


def _write(file: RuntimeFile, coding: str, target: Path, forms: Forms) -> None:
    try:
        forms.write(file, coding, target)
    except (FileNotFoundError, brotli.error) as error:
        raise _damaged(file, error) from error


def _damaged(file: RuntimeFile, error: Exception) -> SiteError:
    return SiteError(
        f"The browser runtime is incomplete or damaged: {file.stored} cannot be read ({error}). Install"
        " pcw-server-ext again, or build it again in a source tree."
    )


def _entry(content: bytes) -> dict[str, Any]:
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
