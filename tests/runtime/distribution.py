"""A distribution of one compiled package, for kernels that load from a server what the runtime does not hold.

numpy, pandas and pyarrow exist for Pyodide's Python only in Pyodide's own distribution, which test machines may not
reach. nanoarrow's wheel for it is in the package index: compiled modules, without dependencies.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from pcw_server_ext.runtime.bundle import Bundle

REPOSITORY = Path(__file__).parents[2]
NAME, VERSION = "nanoarrow", "0.9.0"
WHEEL = f"{NAME}-{VERSION}-cp314-cp314-pyemscripten_2026_0_wasm32.whl"
SHA256 = "56078876f9ec3594c95d9f75f07ef025fe84a63331fcd1f5f8b36b8a1ce3a210"
FULL_LOCK = "pyodide/pyodide-lock.full.json"


def wheel() -> Path:
    """The wheel, downloaded with pip into the project's cache. Raises RuntimeError."""
    path = REPOSITORY / ".cache" / "test-wheels" / WHEEL
    if not path.is_file():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += [
            "--platform",
            "pyemscripten_2026_0_wasm32",
            "--implementation",
            "cp",
            "--python-version",
            "3.14",
        ]
        command += ["--abi", "cp314", "--dest", str(path.parent), f"{NAME}=={VERSION}"]
        environment = {"PIP_CACHE_DIR": str(REPOSITORY / ".cache" / "pip"), **os.environ}
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=90, check=False
        )
        if done.returncode or not path.is_file():
            raise RuntimeError(f"{WHEEL} could not be downloaded: {done.stderr}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise RuntimeError(f"{path} has the hash {found}, not {SHA256}: remove it.")
    return path


def content(bundle: Path, path: str) -> bytes:
    """What a bundle's file holds, whatever form it is stored in."""
    file = Bundle.load(bundle).get(path)
    assert file is not None, f"The bundle in {bundle} has no {path}."
    return file.read()


def lock(bundle: Path) -> dict[str, Any]:
    """The full lock of a bundle with the package added."""
    document: dict[str, Any] = json.loads(content(bundle, FULL_LOCK))
    document["packages"][NAME] = {
        "name": NAME,
        "version": VERSION,
        "file_name": WHEEL,
        "sha256": SHA256,
        "depends": [],
        "imports": [NAME],
        "install_dir": "site",
        "package_type": "package",
        "unvendored_tests": False,
    }
    return document


def bundle_with_package(bundle: Path, target: Path) -> Path:
    """A copy of a bundle whose full lock has the package."""
    shutil.copytree(bundle, target, copy_function=_link)
    for sibling in target.glob(f"{FULL_LOCK}*"):
        sibling.unlink()
    (target / FULL_LOCK).write_text(json.dumps(lock(bundle)))
    return target


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
