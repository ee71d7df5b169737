"""Start a browser kernel in many fresh pages while a core is busy, and count what is lost.

    python -m tests.browser.soak --starts 200 --json soak.json

Each start has a browser profile of its own. A notebook is opened by clicking the launcher card, and its first cell is
run in the same task in which its document has loaded: long before the kernel, and before the session, exist. A
start is lost unless that cell shows its result, counted as 1.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import LabPage, lab_page, launch_chromium

REPOSITORY = Path(__file__).parents[2]
#: Longest wait for the first result, in seconds.
PATIENCE = 60.0

_RUN_AT_ONCE = """async () => {
  const app = window.jupyterapp;
  let panel;
  for (;;) {
    panel = app.shell.currentWidget;
    if (panel && panel.content && panel.content.widgets && panel.context) break;
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  await panel.context.ready;
  panel.content.activeCellIndex = 0;
  panel.content.activeCell.model.sharedModel.setSource('1+1');
  const early = !(panel.sessionContext.session && panel.sessionContext.session.kernel);
  void app.commands.execute('notebook:run-cell');
  return early;
}"""

_FIRST_CELL = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cell = panel.content.widgets[0].model;
  const kernel = panel.sessionContext.session && panel.sessionContext.session.kernel;
  const dialog = document.querySelector('.jp-Dialog');
  return {
    state: cell.executionState,
    count: cell.executionCount,
    outputs: cell.outputs.toJSON(),
    kernel: kernel ? kernel.status + '/' + kernel.connectionStatus : 'none',
    dialog: dialog ? dialog.innerText.slice(0, 300) : null
  };
}"""

_REPORT = """() => performance.getEntriesByName('pcw:kernel-start').map(entry => ({
  mode: entry.detail.mode, reason: entry.detail.reason, milliseconds: entry.duration
}))[0] || null"""


@dataclass
class Start:
    """One start: `cause` is None if its first cell showed its result, else what was seen instead."""

    number: int
    seconds: float
    cause: str | None
    before_session: bool
    mode: str | None
    detail: dict[str, Any] = field(default_factory=dict)


def _cause(cell: dict[str, Any]) -> str | None:
    """What keeps this from being a good start; None if nothing does."""
    texts = [output.get("data", {}).get("text/plain") for output in cell["outputs"]]
    if cell["count"] == 1 and texts == ["2"]:
        return None
    if cell["dialog"]:
        return "dialog"
    if any(output["output_type"] == "error" for output in cell["outputs"]):
        return "error"
    if cell["state"] == "idle" and not cell["outputs"]:
        return "dropped"
    return "pending" if cell["state"] != "idle" else "wrong result"


def one_start(browser: Browser, server: JupyterProcess, number: int) -> Start:
    """Open a fresh profile, click the card, run the first cell at once and wait for what comes of it."""
    with lab_page(browser, server) as lab:
        try:
            return _observe(lab, number)
        except PlaywrightError as error:
            return Start(
                number, 0.0, "page", False, None, {"error": str(error)[:500], "console": lab.console[-20:]}
            )


def _observe(lab: LabPage, number: int) -> Start:
    lab.open()
    card = lab.card()
    card.wait_for()
    began = time.monotonic()
    card.click()
    early = bool(lab.page.evaluate(_RUN_AT_ONCE))
    deadline = began + PATIENCE
    while True:
        cell = lab.page.evaluate(_FIRST_CELL)
        cause = _cause(cell)
        # A cell that is idle and empty may not have been taken up yet; an error or a dialog is final.
        if cause in (None, "error", "dialog", "wrong result") or time.monotonic() > deadline:
            break
        lab.page.wait_for_timeout(20)
    seconds = time.monotonic() - began
    report = lab.page.evaluate(_REPORT)
    detail = {} if cause is None else {"cell": cell, "console": lab.console[-20:]}
    return Start(number, round(seconds, 3), cause, early, report["mode"] if report else None, detail)


def _burn() -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        sum(range(100_000))


@contextlib.contextmanager
def busy_cores(count: int) -> Iterator[None]:
    """Keep `count` cores busy; the processes end with the block, and with this process."""
    context = multiprocessing.get_context("spawn")
    burners = [context.Process(target=_burn, daemon=True) for _ in range(count)]
    for burner in burners:
        burner.start()
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.join()


def soak(
    browser: Browser, venv: Path, starts: int, busy: int = 1, arguments: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Make `starts` starts and return the figures; `lost` is to be 0. Each start is a line on standard error."""
    results: list[Start] = []
    with tempfile.TemporaryDirectory(prefix="pcw-soak-") as name:
        folder = Path(name)
        (folder / "root").mkdir()
        with (
            JupyterProcess(
                venv,
                folder / "root",
                folder / "state",
                arguments=("--LabApp.expose_app_in_browser=True", *arguments),
            ) as server,
            busy_cores(busy),
        ):
            for number in range(starts):
                result = one_start(browser, server, number)
                results.append(result)
                print(json.dumps(asdict(result)), file=sys.stderr, flush=True)
    return figures(results, busy)


def figures(results: list[Start], busy: int) -> dict[str, Any]:
    """Sum up: counts, causes, and the seconds from the click to the result of the good starts."""
    good = sorted(result.seconds for result in results if result.cause is None)
    lost = [result for result in results if result.cause is not None]
    return {
        "starts": len(results),
        "lost": len(lost),
        "causes": dict(Counter(result.cause for result in lost)),
        "cells_before_session": sum(result.before_session for result in results),
        "modes": dict(Counter(str(result.mode) for result in results)),
        "busy_cores": busy,
        "cores": os.cpu_count(),
        "seconds": {
            "median": statistics.median(good) if good else None,
            "p90": good[int(len(good) * 0.9)] if good else None,
            "max": good[-1] if good else None,
        },
        "lost_starts": [asdict(result) for result in lost],
    }


def main() -> int:
    """Run from the command line; exit status 1 when a start was lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--starts", type=int, default=200, help="fresh pages (default 200)")
    parser.add_argument("--busy", type=int, default=1, help="busy cores (default 1)")
    parser.add_argument(
        "--venv", type=Path, default=REPOSITORY / ".venv", help="environment with the package"
    )
    parser.add_argument("--json", type=Path, help="file for the result (default: standard output)")
    parser.add_argument("--jupyter", action="append", default=[], help="a further argument for JupyterLab")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        result = soak(browser, options.venv.absolute(), options.starts, options.busy, tuple(options.jupyter))
        browser.close()
    text = json.dumps(result, indent=2)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 1 if result["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
