"""`make parity`: run PySpark's documentation examples through every client and write docs/parity.md.

Exit status 1 means that an example which passes with the ordinary client fails through ours, with no reason in
`report.REASONS`. Results are kept below build/parity; `--keep` runs only what is not there, with `--again` also what
failed.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.parity import report, runs
from tests.parity.docstrings import MODULES

REPOSITORY = Path(__file__).parents[2]
KEPT = REPOSITORY / "build" / "parity"


def main(arguments: list[str]) -> int:
    """Run and report; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("--engine", action="append", choices=runs.ENGINES, help="only this one (repeatable)")
    parser.add_argument("--client", action="append", choices=runs.CLIENTS, help="only this one (repeatable)")
    parser.add_argument(
        "--module", action="append", choices=tuple(MODULES), help="only this one (repeatable)"
    )
    parser.add_argument("--keep", action="store_true", help="do not run again what has a result")
    parser.add_argument("--again", action="store_true", help="with --keep: run what failed once more")
    parser.add_argument(
        "--report", action="store_true", help="run nothing: only write the page from what is there"
    )
    parser.add_argument("--results", type=Path, default=KEPT, help="folder of the results")
    parser.add_argument("--page", type=Path, default=REPOSITORY / "docs" / "parity.md", help="file to write")
    chosen = parser.parse_args(arguments)
    if not chosen.report:
        for engine in chosen.engine or runs.ENGINES:
            clients = chosen.client or runs.CLIENTS
            # A Sail that has run the streaming examples may answer no further query: each client gets one of its own.
            for together in [[client] for client in clients] if engine == "sail" else [clients]:
                run_engine(engine, together, chosen)
    engines = {engine: kept(chosen.results, engine) for engine in runs.ENGINES}
    engines = {engine: found for engine, found in engines.items() if found.get("native")}
    versions = {"spark": f"Apache Spark {version('pyspark')}", "sail": f"Sail {version('pysail')}"}
    report.write(chosen.page, engines, versions)
    unexplained = [
        f"{engine}, {found.client}: {found.docstring}\n    {found.example}\n    {found.got[:600]}"
        for engine, results in engines.items()
        for found in report.differences(results)
        if found.reason is None
    ]
    print("\n".join(unexplained) or "nothing that passes with the ordinary client fails through ours")
    return 1 if unexplained else 0


def run_engine(engine: str, clients: Sequence[str], chosen: argparse.Namespace) -> None:
    """Run the chosen modules on one engine through some clients."""
    test_venv = Path(os.environ.get("PCW_TEST_VENV", sys.prefix))
    # Python functions of the examples run in the server's Python with pandas and pyarrow: in that of this process.
    folder = Path(tempfile.mkdtemp(prefix="pcw-parity-"))
    try:
        with runs.rig(engine, test_venv, Path(sys.prefix), folder) as rig:
            for client in clients:
                if client == "browser":
                    with notebook(rig) as page:
                        run_client(rig, client, chosen, functools.partial(runs.in_browser, page, rig))
                else:
                    run_client(rig, client, chosen, functools.partial(runs.on_cpython, rig, client))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_client(
    rig: runs.Rig, client: str, chosen: argparse.Namespace, run: Callable[..., runs.Results]
) -> None:
    """Run the chosen modules; what failed runs once more, since examples race with streams and with each other.

    The client with the real packages runs what names them, and no more.
    """
    for module in chosen.module or MODULES:
        out = result_file(chosen.results, rig.engine, client, module)
        before = runs.read(out) if chosen.keep and out.is_file() else None
        began = time.monotonic()
        if before is not None:
            found = before
        elif client == "full":
            names = sorted(runs.naming_packages(module))
            if not names:
                continue
            found = run(module, out, names)
        else:
            found = run(module, out)
        again = {name for name in found if report.worth_again(found[name])}
        natively = result_file(chosen.results, rig.engine, "native", module)
        if client != "native" and natively.is_file():
            again &= runs.passed(runs.read(natively))
        if again and (before is None or chosen.again):
            found = {**found, **run(module, out.with_suffix(".again"), sorted(again))}
            out.with_suffix(".again").unlink()
            runs.write(out, found)
        good, seconds = len(runs.passed(found)), time.monotonic() - began
        print(f"{rig.engine} {client} {module}: {good} of {len(found)}, {seconds:.0f} s", flush=True)


@contextmanager
def notebook(rig: runs.Rig) -> Iterator[Any]:
    """A notebook of the browser kernel in Chromium."""
    from playwright.sync_api import sync_playwright

    from tests.support.lab_page import lab_page, launch_chromium

    with sync_playwright() as playwright:
        chromium = launch_chromium(playwright)
        with lab_page(chromium, rig.jupyter) as page:
            yield page.open().new_notebook()
        chromium.close()


def result_file(folder: Path, engine: str, client: str, module: str) -> Path:
    """Where results are kept."""
    return folder / f"{engine}-{client}-{module}.json"


def kept(folder: Path, engine: str) -> dict[str, dict[str, runs.Results]]:
    """Client -> module -> results, as far as they are there."""
    return {
        client: {
            module: runs.read(file)
            for module in MODULES
            if (file := result_file(folder, engine, client, module)).is_file()
        }
        for client in runs.CLIENTS
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
