"""The browser runtime inside a site: the same bundle as the Lab kernel's, below a folder named by its content."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pcw_server_ext.site.errors import SiteError
from pcw_server_ext.site.hosts import RUNTIME_FOLDER, Host

BUNDLE = Path(__file__).resolve().parents[1] / "runtime" / "bundle"

#: Served by a host that compresses nothing by itself, these cost the first start most.
_COMPRESSED = ".gz"


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


def site_manifest(bundle: Path, host: Host) -> dict[str, Any]:
    """Return the manifest of the runtime as it will be in a site on `host`.

    Where the host compresses nothing, or limits the size of a file, the snapshot is stored compressed and the
    browser unpacks it; the hash then is another one, so that both can be cached for ever.
    """
    manifest = read_manifest(bundle)
    snapshot = manifest["kernel"].get("snapshot")
    compressed = None if snapshot is None else bundle / f"{snapshot['path']}{_COMPRESSED}"
    if host.precompressed or compressed is None or not compressed.is_file():
        return manifest
    path = f"{snapshot['path']}{_COMPRESSED}"
    content = compressed.read_bytes()
    files = {name: entry for name, entry in manifest["files"].items() if name != snapshot["path"]}
    files[path] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    kernel = {**manifest["kernel"], "snapshot": {**snapshot, "path": path}}
    changed = {**manifest, "kernel": kernel, "files": dict(sorted(files.items()))}
    del changed["hash"]
    text = json.dumps(changed, sort_keys=True).encode()
    return {**changed, "hash": hashlib.sha256(text).hexdigest()[:16]}


def runtime_path(manifest: Mapping[str, Any]) -> str:
    """Return where this runtime lies in a site, relative to the root, without a final `/`."""
    return f"{RUNTIME_FOLDER}/{manifest['hash']}"


def copy_runtime(bundle: Path, site: Path, host: Host) -> str:
    """Put the runtime into the site and remove older ones; return its path.

    A runtime that is there already is left alone: its folder's name stands for its content, and it is moved into
    place only when complete.
    """
    manifest = site_manifest(bundle, host)
    target = site / runtime_path(manifest)
    if not (target / "manifest.json").is_file():
        fresh = target.with_name(f"{target.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        for path in manifest["files"]:
            _copy(bundle / path, fresh / path)
            if host.precompressed:
                for suffix in (".br", ".gz"):
                    if (bundle / f"{path}{suffix}").is_file():
                        _copy(bundle / f"{path}{suffix}", fresh / f"{path}{suffix}")
        (fresh / "manifest.json").write_text(json.dumps(manifest, sort_keys=True, indent=1), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    for other in target.parent.iterdir():
        if other != target:
            shutil.rmtree(other)
    return runtime_path(manifest)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError:
        raise SiteError(f"The browser runtime is incomplete: {source} is missing. Build it again.") from None
