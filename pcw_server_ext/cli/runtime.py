"""``jupyter pcw runtime``: packages of the Pyodide distribution, fetched ahead for servers without the internet."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from pcw_server_ext.cli.options import add_configuration, read_configuration
from pcw_server_ext.errors import PackageError, PcwError
from pcw_server_ext.packages.lock import Package, PackageLock
from pcw_server_ext.packages.mirror import PackageMirror, shared_folders
from pcw_server_ext.packages.sources import make_source
from pcw_server_ext.runtime.bundle import Bundle


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``runtime`` to the subcommands of ``jupyter pcw``."""
    text = "packages that browser kernels load from this server (numpy, pandas, pyarrow, ...)"
    parser = subparsers.add_parser("runtime", help=text, description=__doc__)
    below = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    fetch = below.add_parser("fetch", help="fetch packages and what they need, and keep them")
    fetch.add_argument("names", nargs="+", metavar="PACKAGE", help="its name, such as pandas")
    fetch.add_argument(
        "--source",
        help="URL, index+URL of a wheel index, file:// URL or folder (default: PcwExtension.packages_source)",
    )
    listing = below.add_parser("list", help="list the packages that are kept, or all that there are")
    listing.add_argument("--all", action="store_true", help="also those that are not kept")
    listing.add_argument("--json", action="store_true", help="print JSON")
    for action in (fetch, listing):
        action.add_argument(
            "--folder", type=Path, help="where packages are kept (default: PcwExtension.packages_dir)"
        )
        add_configuration(action)
    fetch.set_defaults(run=run_fetch)
    listing.set_defaults(run=run_list)


def run_fetch(arguments: argparse.Namespace) -> int:
    """Fetch every package; 0 when all are kept now, else 1."""
    try:
        mirror = _mirror(arguments, arguments.source)
        packages = [package for package in mirror.lock.closure(arguments.names) if not package.bundled]
    except PcwError as error:
        print(error, file=sys.stderr)
        return 1
    failed = 0
    for package in packages:
        before = mirror.kept(package)
        try:
            path = before or mirror.fetch(package)
        except PackageError as error:
            print(error, file=sys.stderr)
            failed += 1
            continue
        word = "is kept already" if before else "fetched"
        print(f"{package.name} {package.version} {word}: {path.stat().st_size / 1e6:.1f} MB", flush=True)
    if not packages:
        print("Every kernel has that already: nothing to fetch.")
    elif failed:
        print(f"{failed} of {len(packages)} packages are missing.", file=sys.stderr)
    else:
        print(f"{len(packages)} packages in {mirror.folders[0]}")
    return 1 if failed else 0


def run_list(arguments: argparse.Namespace) -> int:
    """Print the packages that are kept (verified), or all."""
    try:
        mirror = _mirror(arguments, "")
    except PcwError as error:
        print(error, file=sys.stderr)
        return 1
    rows = [(package, _state(mirror, package)) for package in mirror.lock.packages.values()]
    shown = sorted(
        ((package, state) for package, state in rows if arguments.all or state == "kept"),
        key=lambda row: row[0].name,
    )
    if arguments.json:
        listed = [
            {"name": package.name, "version": package.version, "file": package.file, "state": state}
            for package, state in shown
        ]
        print(
            json.dumps({"pyodide": mirror.lock.version, "folder": str(mirror.folders[0]), "packages": listed})
        )
        return 0
    for package, state in shown:
        print(f"{package.name:30} {package.version:16} {state}")
    if not shown:
        print(
            f"No packages in {mirror.folders[0]}. `jupyter pcw runtime fetch pandas pyarrow` puts some there."
        )
    return 0


def _state(mirror: PackageMirror, package: Package) -> str:
    if package.bundled:
        return "bundled"
    return "kept" if mirror.kept(package) else "-"


def _mirror(arguments: argparse.Namespace, source: str | None) -> PackageMirror:
    """As the server has it, but for the options. Raises PcwError."""
    configuration = read_configuration(arguments)
    settings = configuration.extension()
    for problem in configuration.problems:
        print(problem.text, file=sys.stderr)
    lock = PackageLock.load(Bundle.load(Path(settings.runtime_dir)))
    if lock is None:
        raise PackageError(
            "unknown", "This browser runtime has no list of Pyodide's packages: install the package's wheel."
        )
    chosen = settings.packages_source if source is None else source
    folder: Path | None = arguments.folder
    folders = [folder] if folder is not None else [Path(settings.packages_dir), *shared_folders()]
    return PackageMirror(lock, make_source(chosen, lock.version), folders, logging.getLogger(__name__))
