"""``jupyter pcw runtime``: packages of the Pyodide distribution, fetched ahead for servers without the internet."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from jupyter_core.application import JupyterApp
from traitlets import TraitError

from ..errors import PackageError, PcwError
from .bundle import Bundle
from .lock import Package, PackageLock
from .mirror import PackageMirror, shared_folders
from .sources import make_source


class _ServerConfig(JupyterApp):
    """Reads the server's configuration files, so that the commands use what the server uses."""

    name = "jupyter-pcw-runtime"
    config_file_name = "jupyter_server_config"


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
    fetch.set_defaults(run=run_fetch)
    listing.set_defaults(run=run_list)


def run_fetch(arguments: argparse.Namespace) -> int:
    """Fetch every package; 0 when all are kept now, else 1."""
    try:
        mirror = _mirror(arguments.folder, arguments.source)
        packages = [package for package in mirror.lock.closure(arguments.names) if not package.bundled]
    except (PcwError, TraitError) as error:
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
        mirror = _mirror(arguments.folder, "")
    except (PcwError, TraitError) as error:
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


def _mirror(folder: Path | None, source: str | None) -> PackageMirror:
    """As the server has it, but for the options. Raises PcwError, or TraitError for its configuration."""
    # not at the top: the extension imports this package
    from ..app import PcwExtension

    reader = _ServerConfig()
    for name in ("jupyter_server_config", "jupyter_pcw_server_ext_config"):
        reader.config_file_name = name
        reader.load_config_file(suppress_errors=False)
    settings = PcwExtension(config=reader.config)
    lock = PackageLock.load(Bundle.load(Path(settings.runtime_dir)))
    if lock is None:
        raise PackageError(
            "unknown", "This browser runtime has no list of Pyodide's packages: install the package's wheel."
        )
    chosen = settings.packages_source if source is None else source
    folders = [folder] if folder is not None else [Path(settings.packages_dir), *shared_folders()]
    return PackageMirror(lock, make_source(chosen, lock.version), folders, logging.getLogger(__name__))
