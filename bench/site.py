"""Building a site with the browser runtime inside, against plain `jupyter lite build` with the same contents.

Result (seconds of whole commands, medians of interleaved rounds):

    build_s             `jupyter pcw build` into an empty folder
    plain_s             `jupyter lite build` of the same lite folder into an empty folder, our addon switched off
    build_ratio         median over pairs of build_s / plain_s; ours copies the runtime (size_mb has it), plain does not
    lite_s              `jupyter lite build` with our addon
    rebuild_s           `jupyter pcw build` after one file of the contents has changed
    plain_rebuild_s     the same for plain `jupyter lite build`
    size_mb             the site, in 10^6 bytes; plain_size_mb: the plain one, whose kernel needs a CDN
    identical           whether two builds into different folders have the same bytes
"""

from __future__ import annotations

import argparse
import filecmp
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
MB = 1_000_000


def main(arguments: list[str]) -> dict[str, Any]:
    """Run every round; returns the figures of the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m bench site")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of builds")
    parser.add_argument("--files", type=int, default=100, help="further small files among the contents")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        return _measure(Path(folder), options.rounds, options.files)


def _measure(folder: Path, rounds: int, files: int) -> dict[str, Any]:
    lite = folder / "lite"
    contents = lite / "files"
    (contents / "many").mkdir(parents=True)
    for name in ("weather.csv", "weather.ipynb"):
        shutil.copy2(REPOSITORY / "demo" / name, contents)
    for number in range(files):
        (contents / "many" / f"{number}.txt").write_text(f"{number}\n" * 100)
    ours, plain, addon = folder / "ours", folder / "plain", folder / "addon"
    commands = {
        "ours": _pcw(lite, ours),
        "plain": [*_lite(lite, plain), "--LiteBuildConfig.disable_addons=pcw"],
        "addon": _lite(lite, addon),
    }
    # Caches of the file system and compiled Python are warm for everybody.
    for command in commands.values():
        _run(command, folder)
    times: dict[str, list[float]] = {name: [] for name in (*commands, "rebuild", "plain_rebuild")}
    for number in range(rounds):
        for name, command in commands.items():
            shutil.rmtree(folder / name)
            for state in (*lite.glob(".cache/*.db"), *folder.glob(".jupyterlite.doit.db")):
                state.unlink()
            times[name].append(_run(command, folder))
            if name in ("ours", "plain"):
                (contents / "weather.csv").write_text(f"changed {number} {name}\n")
                times["rebuild" if name == "ours" else "plain_rebuild"].append(_run(command, folder))
            print(f"round {number + 1} of {rounds}: {name} {times[name][-1]:.2f} s")
    again = folder / "again"
    _run(_pcw(lite, ours), folder)
    _run(_pcw(lite, again), folder)
    return {
        "build_s": round(statistics.median(times["ours"]), 2),
        "plain_s": round(statistics.median(times["plain"]), 2),
        "build_ratio": round(
            statistics.median(a / b for a, b in zip(times["ours"], times["plain"], strict=True)), 2
        ),
        "lite_s": round(statistics.median(times["addon"]), 2),
        "rebuild_s": round(statistics.median(times["rebuild"]), 2),
        "plain_rebuild_s": round(statistics.median(times["plain_rebuild"]), 2),
        "size_mb": round(_size(ours) / MB, 1),
        "plain_size_mb": round(_size(plain) / MB, 1),
        "identical": _same(ours, again),
        "rounds": rounds,
    }


def _pcw(lite: Path, output: Path) -> list[str]:
    program = str(Path(sys.executable).with_name("jupyter"))
    return [program, "pcw", "build", "--lite-dir", str(lite), "--output-dir", str(output)]


def _lite(lite: Path, output: Path) -> list[str]:
    program = str(Path(sys.executable).with_name("jupyter"))
    return [program, "lite", "build", "--lite-dir", str(lite), "--output-dir", str(output)]


def _run(command: list[str], folder: Path) -> float:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return time.monotonic() - began


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _same(one: Path, other: Path) -> bool:
    paths = {path.relative_to(root) for root in (one, other) for path in root.rglob("*") if path.is_file()}
    return all(
        (one / path).is_file()
        and (other / path).is_file()
        and filecmp.cmp(one / path, other / path, shallow=False)
        for path in paths
    )
