"""Builds what the wheel holds besides Python: the browser runtime, Sail's private PySpark, the JupyterLab extension.

Runs for every wheel; building one needs Node.js 20 and a package index. An editable installation builds nothing: it
uses the parts that are in the work tree.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: What must be there at the end, and how it is made.
PARTS = {
    "pcw_server_ext/runtime/bundle/manifest.json": "python -m client.runtime.build",
    "pcw_server_ext/engines/sail_site/pyspark/__init__.py": "python pcw_server_ext/engines/build_sail_site.py",
    "pcw_server_ext/labextension/package.json": "npm run build in labextension",
}


class PartsBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Makes the parts before files are collected."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the parts unless this is an editable build.

        Raises:
            RuntimeError: a part is missing afterwards; the message says how it is made.
        """
        if version == "editable":
            return
        root = Path(self.root)
        build_parts(root)
        for part, command in PARTS.items():
            if not (root / part).is_file():
                raise RuntimeError(f"{part} is missing, so the wheel would not work. Make it with: {command}")


def build_parts(root: Path) -> None:
    """Make every part in the work tree at `root`; quick where nothing has changed."""
    cache = root / ".cache"
    # pip and npm keep their downloads in the repository unless the caller has a cache of its own.
    os.environ.setdefault("PIP_CACHE_DIR", str(cache / "pip"))
    os.environ.setdefault("npm_config_cache", str(cache / "npm"))
    build_scripts(root / "client" / "js", "dist")
    build_runtime(root)
    sail = _load(root / "pcw_server_ext" / "engines" / "build_sail_site.py")
    sail.build(root / "pcw_server_ext" / "engines" / "sail_site", cache)
    build_scripts(root / "labextension", "../pcw_server_ext/labextension")


def build_runtime(root: Path) -> None:
    """Assemble the browser runtime bundle."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    from client.runtime.build import main

    if main([]) != 0:
        raise RuntimeError("The browser runtime could not be built; the reason is above.")


def build_scripts(folder: Path, output: str) -> None:
    """Install an npm package's dependencies and run its build, unless its output is newer than all of its sources."""
    if _up_to_date(folder, folder / output):
        return
    environment = {
        **os.environ,
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
    }
    # Not `npm ci`: it refuses lock files that leave out optional binaries of other platforms.
    install = ["npm", "install", "--no-save", "--legacy-peer-deps", "--no-audit", "--no-fund"]
    if not _up_to_date(
        folder, folder / "node_modules" / ".package-lock.json", sources=("package-lock.json",)
    ):
        subprocess.run(install, cwd=folder, env=environment, check=True)
    subprocess.run(["npm", "run", "build"], cwd=folder, env=environment, check=True)


def _up_to_date(folder: Path, output: Path, sources: tuple[str, ...] = ()) -> bool:
    if not output.exists():
        return False
    made = [output] if output.is_file() else [path for path in output.rglob("*") if path.is_file()]
    inputs = [folder / name for name in sources] if sources else list(_sources(folder))
    newest = max((path.stat().st_mtime for path in inputs if path.is_file()), default=0.0)
    return bool(made) and max(path.stat().st_mtime for path in made) >= newest


def _sources(folder: Path) -> list[Path]:
    skipped = {"node_modules", "dist", "lib"}
    folders = [folder]
    if folder.name == "labextension":
        # Its worker takes modules from there.
        folders += [folder.parent / "client" / "js", folder.parent / "client" / "runtime" / "js"]
    found = []
    for place in folders:
        for path in place.rglob("*"):
            if path.is_file() and not skipped & set(path.relative_to(place).parts):
                found.append(path)
    return found


def _load(path: Path) -> ModuleType:
    """Import one file of the package without importing the package, whose dependencies a build does not have."""
    specification = importlib.util.spec_from_file_location(path.stem, path)
    if specification is None or specification.loader is None:
        raise RuntimeError(f"{path} cannot be imported.")
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    return module
