"""Builds the browser runtime bundle: `python -m client.runtime.build`, from the repository's root."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from client.runtime import client, compress, lockfile, manifest, packs, pins, snapshot, sources, stamp, wheels
from client.runtime.errors import RuntimeBuildError, SourceError
from client.runtime.pins import Pins
from client.runtime.wheels import BuiltWheel

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "pcw_server_ext" / "runtime" / "bundle"
CACHE = ROOT / ".cache" / "runtime"

#: The modules of client/runtime/js that are served as they are.
_BOOT_MODULES = ("restore.js", "preload.js", "site.js", "transfer.js", "lend.js", "sample.js", "damage.js")


def build(
    target: Path = TARGET, cache: Path = CACHE, *, with_snapshot: bool = True, force: bool = False
) -> bool:
    """Assemble the bundle into `target`; return whether anything had to be done.

    Args:
        target: the bundle's folder; replaced as a whole once the new content is complete.
        cache: downloads, compiled and compressed files; may be deleted at any time.
        with_snapshot: False leaves the memory snapshot out, kernels then boot the ordinary way.
        force: build even when no input has changed.

    Raises:
        RuntimeBuildError: see `client.runtime.errors`.
    """
    cache.mkdir(parents=True, exist_ok=True)
    inputs = stamp.of_inputs(ROOT, [f"snapshot {with_snapshot}"])
    stamped = stamp.path(cache, target)
    if (
        not force
        and (target / "manifest.json").is_file()
        and stamped.is_file()
        and stamped.read_text() == inputs
    ):
        return False
    files = _assemble(pins.load(), cache, with_snapshot)
    _replace(target, compress.stored(files, cache))
    stamped.parent.mkdir(parents=True, exist_ok=True)
    stamped.write_text(inputs)
    return True


def _assemble(pinned: Pins, cache: Path, with_snapshot: bool) -> dict[str, bytes]:
    paths = sources.ensure(pinned, cache)
    core = _core(pinned, paths["pyodide"], cache)
    python = pinned.pyodide.python
    published = json.loads((core / "pyodide-lock.json").read_bytes())
    built = _wheels(pinned, paths)
    lock = lockfile.trimmed(published, built, python)
    index, blobs = packs.build(built, packs.compiled(built, core, python, cache), python)
    files = {f"pyodide/{name}": (core / name).read_bytes() for name in pinned.pyodide.members}
    files["pyodide/pyodide-lock.json"] = lockfile.dumps(lock)
    files["pyodide/pyodide-lock.full.json"] = lockfile.dumps(lockfile.full(published, lock))
    files.update({f"pyodide/{wheel.file}": wheel.content for wheel in built})
    files.update(blobs)
    files["kernel/site.json"] = lockfile.dumps(index)
    files.update(_scripts())
    described: Mapping[str, Any] | None = None
    if with_snapshot:
        files["kernel/snapshot.bin"], described = snapshot.make(core, files, cache)
    document = manifest.describe(
        files,
        built,
        pyodide=pinned.pyodide.version,
        python=python,
        abi=published["info"]["abi_version"],
        packs=list(blobs),
        snapshot=described,
    )
    return {**files, "manifest.json": lockfile.dumps(document)}


def _core(pinned: Pins, package: Path, cache: Path) -> Path:
    """The folder of the unpacked Pyodide core, from which the build itself runs it under Node.js."""
    folder = cache / f"pyodide-{pinned.pyodide.sha256[:16]}"
    if not (folder / "package.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(package) as archive:
            for name in (*pinned.pyodide.members, "package.json"):
                member = archive.extractfile(f"package/{name}")
                if member is None:
                    raise SourceError(f"{package.name} holds no {name}. Compare its content with pins.json.")
                (folder / name).write_bytes(member.read())
    return folder


def _wheels(pinned: Pins, paths: Mapping[str, Path]) -> list[BuiltWheel]:
    built = [wheels.published(pin, paths[pin.name].read_bytes()) for pin in pinned.wheels]
    built += wheels.carried(pinned.bundled, paths[pinned.bundled.name])
    built += [wheels.from_sdist(pin, paths[pin.name]) for pin in pinned.sdists]
    return [*built, client.wheel(ROOT), client.runtime_wheel(ROOT)]


def _scripts() -> dict[str, bytes]:
    own = Path(__file__).with_name("js")
    scripts = {f"js/{name}": (own / name).read_bytes() for name in _BOOT_MODULES}
    built = ROOT / "client" / "js" / "dist"
    for path in sorted(built.glob("*.js")):
        scripts[f"js/{path.name}"] = path.read_bytes()
    return scripts


def _replace(target: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` beside `target`, then swap: a reader sees the old bundle or the new one."""
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    for path, content in files.items():
        file = fresh / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the build; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m client.runtime.build", description=build.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--target", type=Path, default=TARGET, help="folder of the bundle (default: %(default)s)"
    )
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help="folder of downloads and results (default: %(default)s)"
    )
    parser.add_argument("--no-snapshot", action="store_true", help="leave the memory snapshot out")
    parser.add_argument("--force", action="store_true", help="build even when no input has changed")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        done = build(
            options.target, options.cache, with_snapshot=not options.no_snapshot, force=options.force
        )
    except RuntimeBuildError as error:
        print(f"The browser runtime was not built: {error}", file=sys.stderr)
        return 1
    word = "built" if done else "is up to date"
    size = sum(path.stat().st_size for path in options.target.rglob("*") if path.is_file())
    print(
        f"The browser runtime {word}: {options.target}, {size / 1e6:.1f} MB, {time.monotonic() - began:.1f} s"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
