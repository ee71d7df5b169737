"""Downloads pinned sources with the ordinary clients, pip and npm, and checks every byte of them.

Nothing here names a registry: pip and npm use what they are configured for.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from client.runtime.errors import HashMismatch, SourceError, ToolError
from client.runtime.pins import Pins, Sdist, Source

#: The Python that wheels are chosen for is Pyodide's, not the one that runs the build.
_WHEEL_CHOICE = ("--only-binary=:all:", "--platform", "any", "--implementation", "py")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def ensure(pins: Pins, cache: Path) -> dict[str, Path]:
    """Put every pinned source into `cache` and return their paths by package name.

    What is there already is not downloaded again, but always verified.

    Raises:
        HashMismatch: a file's bytes are not the pinned ones.
        SourceError: pip or npm succeeded without giving the pinned file.
        ToolError: pip or npm is missing or failed.
    """
    folder = cache / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    wanted: tuple[Source, ...] = (*pins.wheels, pins.bundled)
    _pip(
        folder,
        _missing(folder, wanted),
        cache,
        "--python-version",
        _minor(pins.pyodide.python),
        *_WHEEL_CHOICE,
    )
    for sdist in _missing(folder, pins.sdists):
        _pip(folder, [sdist], cache, "--no-binary", sdist.name)
    for package in _missing(folder, [pins.pyodide]):
        _npm(folder, package, cache)
    paths = {source.name: folder / source.file for source in (*wanted, *pins.sdists, pins.pyodide)}
    for source in (*wanted, *pins.sdists, pins.pyodide):
        _verify(paths[source.name], source)
    return paths


def _missing(folder: Path, sources: Iterable[Source]) -> list[Source]:
    return [source for source in sources if not (folder / source.file).is_file()]


def _verify(path: Path, source: Source) -> None:
    if not path.is_file():
        raise SourceError(
            f"{source.name} {source.version} was downloaded, but not as {source.file}. "
            f"Look into {path.parent} for what came instead, and compare with pins.json."
        )
    found = sha256(path)
    if found != source.sha256:
        raise HashMismatch(path, source.sha256, found)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _pip(folder: Path, sources: Sequence[Source], cache: Path, *options: str) -> None:
    if not sources:
        return
    requirements = [f"{source.name}=={source.version}" for source in sources]
    kind = "source of" if isinstance(sources[0], Sdist) else "wheels of"
    print(f"downloading the {kind} {', '.join(requirements)}", flush=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
    _run([*command, *options, "--dest", str(folder), *requirements], cache)


def _npm(folder: Path, package: Source, cache: Path) -> None:
    print(f"downloading {package.name} {package.version}", flush=True)
    target = f"{package.name}@{package.version}"
    _run(["npm", "pack", target, "--silent", "--pack-destination", str(folder)], cache)


def _run(command: list[str], cache: Path) -> None:
    # A build keeps its downloads in the project's own cache folder unless the caller has another one.
    caches = {"PIP_CACHE_DIR": str(cache.parent / "pip"), "npm_config_cache": str(cache.parent / "npm")}
    environment = {**caches, **os.environ}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ToolError(
            f"{command[0]} was not found. Install it (npm comes with Node.js 20) and build again."
        ) from error
    if done.returncode:
        raise ToolError(
            f"`{' '.join(command)}` failed with exit code {done.returncode}:\n{done.stderr.strip()}\n"
            "Check that the package index can be reached, then build again."
        )
