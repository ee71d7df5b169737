"""What the wheel's parts weigh: `python -m client.runtime.sizes [WHEEL]`, from the repository's root."""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from client.runtime.build import ROOT

#: Bytes of the wheel: the package index refuses files of more than 100 MB, and every environment loads them.
PACKED_LIMIT = 60_000_000
#: Bytes of the files that an installation unpacks.
INSTALLED_LIMIT = 120_000_000

_BUNDLE = "pcw_server_ext/runtime/bundle/"

#: Part -> where its files begin; the first that fits a file has it.
PARTS = {
    "memory snapshot": (f"{_BUNDLE}kernel/snapshot.bin",),
    "packs of packages": (f"{_BUNDLE}kernel/",),
    "wheels for the stock kernel": (f"{_BUNDLE}pyodide/*.whl",),
    "Pyodide": (f"{_BUNDLE}pyodide/",),
    "scripts and manifest of the runtime": (_BUNDLE,),
    "Sail's PySpark": ("pcw_server_ext/engines/sail_site/",),
    "labextension": ("pcw_server_ext/labextension/", "*.data/data/share/jupyter/labextensions/"),
    "Python and the rest": ("",),
}


@dataclass
class Size:
    """Bytes of some files: in the wheel, and unpacked."""

    files: int = 0
    packed: int = 0
    installed: int = 0


def measure(wheel: Path) -> dict[str, Size]:
    """Part -> size, for every part of `PARTS`."""
    found = {part: Size() for part in PARTS}
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            size = found[_part(entry.filename)]
            size.files += 1
            size.packed += entry.compress_size
            size.installed += entry.file_size
    return found


def problems(wheel: Path) -> list[str]:
    """What is over its limit, a sentence each; empty when nothing is."""
    packed = wheel.stat().st_size
    installed = sum(size.installed for size in measure(wheel).values())
    return [
        f"{wheel.name} has {size / 1e6:.1f} MB {what}, more than {limit / 1e6:.0f}. See which part has grown, and"
        " keep it smaller: `drop` in client/runtime/pins.json leaves files out."
        for what, size, limit in (
            ("packed", packed, PACKED_LIMIT),
            ("installed", installed, INSTALLED_LIMIT),
        )
        if size > limit
    ]


def table(wheel: Path) -> str:
    """The parts as a Markdown table, the largest first, in 10^6 bytes."""
    sizes = measure(wheel)
    total = Size(
        sum(size.files for size in sizes.values()),
        wheel.stat().st_size,
        sum(size.installed for size in sizes.values()),
    )
    rows = [*sorted(sizes.items(), key=lambda item: -item[1].packed), ("the wheel", total)]
    lines = ["| part | files | packed, MB | installed, MB |", "|---|---:|---:|---:|"]
    lines += [
        f"| {part} | {size.files} | {size.packed / 1e6:.2f} | {size.installed / 1e6:.2f} |"
        for part, size in rows
    ]
    return "\n".join(lines)


def _part(path: str) -> str:
    for part, places in PARTS.items():
        for place in places:
            before, star, after = place.partition("*")
            if path.startswith(before) and (not star or after in path[len(before) :]):
                return part
    raise AssertionError(f"the last part takes every file, and {path} went to none")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; returns 1 when the wheel is over a limit, or is not there."""
    parser = argparse.ArgumentParser(prog="python -m client.runtime.sizes", description=__doc__)
    parser.add_argument("wheel", nargs="?", type=Path, help="default: the one in dist/")
    chosen = parser.parse_args(arguments).wheel
    wheels = [chosen] if chosen else sorted((ROOT / "dist").glob("*.whl"))
    if len(wheels) != 1 or not wheels[0].is_file():
        print("There is no wheel to measure. Build it: make build")
        return 1
    print(table(wheels[0]))
    for problem in problems(wheels[0]):
        print(problem)
    return 1 if problems(wheels[0]) else 0


if __name__ == "__main__":
    raise SystemExit(main())
