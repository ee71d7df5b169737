"""The browser runtime inside a site: the same bundle as the Lab kernel's, below a folder named by its content."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcw_server_ext.site import packages
from pcw_server_ext.site.errors import SiteError
from pcw_server_ext.site.hosts import RUNTIME_FOLDER, Host

BUNDLE = Path(__file__).resolve().parents[1] / "runtime" / "bundle"

#: Served by a host that compresses nothing by itself, these cost the first start most.
_COMPRESSED = ".gz"

_LOCK = "pyodide/pyodide-lock.json"
_FULL_LOCK = "pyodide/pyodide-lock.full.json"


def read_manifest(bundle: Path) -> dict[str, Any]:
    """Return the manifest of the bundle in `bundle`; raises `SiteError` that says how to build it."""
    path = bundle / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SiteError(
            f"The browser runtime is missing: {path} does not exist. Install pcw-server-ext from its wheel, "
            "or run `make build` in a source tree."
        ) from None
    except (OSError, ValueError) as error:
        raise SiteError(
            f"The browser runtime's manifest {path} cannot be read: {error}. Build it again."
        ) from error
    if not isinstance(manifest, dict) or "hash" not in manifest:
        raise SiteError(f"{path} describes no browser runtime. Build it again.")
    return manifest


@dataclass(frozen=True)
class RuntimePlan:
    """What of the browser runtime goes into a site.

    Attributes:
        manifest: as the browser will read it.
        sources: where each of its files comes from.
        texts: files whose content is made here.
    """

    manifest: dict[str, Any]
    sources: dict[str, Path]
    texts: dict[str, bytes]

    @property
    def path(self) -> str:
        """Where the runtime lies in a site, relative to the root, without a final `/`."""
        return f"{RUNTIME_FOLDER}/{self.manifest['hash']}"


def plan_runtime(bundle: Path, host: Host, profile: str) -> RuntimePlan:
    """Decide what goes into a site on `host`; raises `SiteError`.

    Where the host compresses nothing, or limits the size of a file, the snapshot is stored compressed and the
    browser unpacks it. The full profile adds packages. Both give another hash, so that each can be cached for ever.
    """
    manifest = read_manifest(bundle)
    files: dict[str, Any] = dict(manifest["files"])
    sources = {path: bundle / path for path in files}
    texts: dict[str, bytes] = {}
    kernel = manifest["kernel"]
    snapshot = kernel.get("snapshot")
    if snapshot is not None and not host.precompressed:
        packed = f"{snapshot['path']}{_COMPRESSED}"
        if (bundle / packed).is_file():
            del files[snapshot["path"]], sources[snapshot["path"]]
            files[packed] = _entry((bundle / packed).read_bytes())
            sources[packed] = bundle / packed
            kernel = {**kernel, "snapshot": {**snapshot, "path": packed}}
    if profile == "full":
        lock = json.loads((bundle / _LOCK).read_bytes())
        every = json.loads((bundle / _FULL_LOCK).read_bytes())
        names = [name for name in packages.closure(every, packages.FULL) if name not in lock["packages"]]
        wheels = packages.find_wheels(every, names, packages.packages_folders())
        for name, wheel in wheels.items():
            lock["packages"][name] = {**every["packages"][name], "file_name": wheel.name}
            files[f"pyodide/{wheel.name}"] = _entry(wheel.read_bytes())
            sources[f"pyodide/{wheel.name}"] = wheel
        texts[_LOCK] = json.dumps(lock, sort_keys=True).encode()
        files[_LOCK] = _entry(texts[_LOCK])
        del sources[_LOCK]
    if kernel is manifest["kernel"] and not texts:
        return RuntimePlan(manifest, sources, texts)
    changed = {**manifest, "kernel": kernel, "files": dict(sorted(files.items()))}
    del changed["hash"]
    text = json.dumps(changed, sort_keys=True).encode()
    return RuntimePlan({**changed, "hash": hashlib.sha256(text).hexdigest()[:16]}, sources, texts)


def copy_runtime(plan: RuntimePlan, site: Path, host: Host) -> None:
    """Put the runtime into the site and remove older ones.

    A runtime that is there already is left alone: its folder's name stands for its content, and it is moved into
    place only when complete.
    """
    target = site / plan.path
    if not (target / "manifest.json").is_file():
        fresh = target.with_name(f"{target.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        for path, source in plan.sources.items():
            _copy(source, fresh / path)
            if host.precompressed:
                for suffix in (".br", ".gz"):
                    sibling = source.with_name(source.name + suffix)
                    if sibling.is_file():
                        _copy(sibling, fresh / f"{path}{suffix}")
        for path, content in plan.texts.items():
            (fresh / path).write_bytes(content)
        text = json.dumps(plan.manifest, sort_keys=True, indent=1)
        (fresh / "manifest.json").write_text(text, encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    for other in target.parent.iterdir():
        if other != target:
            shutil.rmtree(other)


def _entry(content: bytes) -> dict[str, Any]:
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError:
        raise SiteError(f"The browser runtime is incomplete: {source} is missing. Build it again.") from None
