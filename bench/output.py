"""Lines that a cell prints: the browser kernel against ipykernel in the same JupyterLab.

ratio               seconds from Shift+Enter until the cell has ended and its last line is drawn, divided by
                    ipykernel's: median over the rounds' pairs; also `ratio_min`, `ratio_max`
longest_freeze_ms   the longest time that the page had for nothing else, in any round; `ipykernel_freeze_ms` with
                    ipykernel; `freeze_difference_ms` by how much it is longer, median over the pairs
lines, seconds, ipykernel_seconds
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import BROWSER_CARD, LabPage, lab_page, launch_chromium
from tests.support.paths import REPOSITORY

NATIVE_CARD = "Python 3 (ipykernel)"

# A message of the page to itself comes as soon as the page has time, where timers come late by themselves.
_METER = """() => {
  const meter = window.meter = { longest: 0, last: performance.now(), on: true };
  const channel = new MessageChannel();
  channel.port1.onmessage = () => {
    const now = performance.now();
    meter.longest = Math.max(meter.longest, now - meter.last);
    meter.last = now;
    if (meter.on) setTimeout(() => channel.port2.postMessage(null), 4);
  };
  channel.port2.postMessage(null);
}"""

# Resolves to milliseconds when the last line is drawn and the cell is idle; the cell's outputs are taken away then.
_RUN = """async ([source, last, patience]) => {
  const app = window.jupyterapp;
  const notebook = app.shell.currentWidget.content;
  notebook.activeCellIndex = notebook.widgets.length - 1;
  const cell = notebook.activeCell;
  cell.model.sharedModel.setSource(source);
  window.meter.longest = 0;
  const began = performance.now();
  void app.commands.execute('notebook:run-cell-and-insert-below');
  const shown = () => {
    const outputs = cell.model.outputs;
    const output = outputs.length ? outputs.get(outputs.length - 1) : null;
    return output?.streamText?.text.endsWith(last);
  };
  while (!(cell.model.executionState === 'idle' && cell.model.executionCount !== null && shown())) {
    if (performance.now() - began > patience) throw new Error('the cell did not end in time');
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve, 0)));
  const milliseconds = performance.now() - began;
  await new Promise(resolve => setTimeout(resolve, 500));
  const freeze = window.meter.longest;
  const text = cell.model.outputs.get(0).streamText.text;
  cell.model.outputs.clear();
  return { milliseconds, freeze, lines: text.split('\\n').length - 1 };
}"""


def main(arguments: list[str]) -> dict[str, Any]:
    """Run both kernels in turns; returns the figures of the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m bench output")
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5, help="pairs that count, after one that does not")
    parser.add_argument(
        "--venv", type=Path, default=Path(os.environ.get("PCW_TEST_VENV", REPOSITORY / ".venv"))
    )
    chosen = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pcw-output-")))
        (folder / "root").mkdir()
        server = stack.enter_context(
            JupyterProcess(
                chosen.venv.absolute(),
                folder / "root",
                folder / "state",
                arguments=("--LabApp.expose_app_in_browser=True", "--PcwExtension.engine=off"),
            )
        )
        browser = launch_chromium(stack.enter_context(sync_playwright()))
        stack.callback(browser.close)
        pages = [
            notebook(stack, browser, server, BROWSER_CARD),
            notebook(stack, browser, server, NATIVE_CARD),
        ]
        found: tuple[list[dict[str, float]], list[dict[str, float]]] = ([], [])
        for number in range(chosen.rounds + 1):
            for index in (0, 1) if number % 2 else (1, 0):
                figures = printed(pages[index], chosen.lines)
                print(
                    f"{('browser', 'ipykernel')[index]}: {figures['milliseconds']:.0f} ms,"
                    f" frozen for {figures['freeze']:.0f} ms",
                    flush=True,
                )
                if number:
                    found[index].append(figures)
    return summary(*found) | {"lines": chosen.lines, "load_average": round(os.getloadavg()[0], 1)}


def notebook(stack: ExitStack, browser: Browser, server: JupyterProcess, card: str) -> LabPage:
    """A page of its own with a kernel that has run something."""
    lab = stack.enter_context(lab_page(browser, server))
    lab.open().new_notebook(card).await_kernel().run("1").expect_ok()
    lab.page.evaluate(_METER)
    return lab


def printed(lab: LabPage, lines: int) -> dict[str, float]:
    """Print so many lines; RuntimeError if one is missing."""
    lab.page.bring_to_front()
    source = f"for number in range({lines}):\n    print(number)"
    figures: dict[str, float] = lab.page.evaluate(_RUN, [source, f"{lines - 1}\n", 300_000])
    if figures["lines"] != lines:
        raise RuntimeError(f"{figures['lines']} lines are shown of {lines}")
    return figures


def summary(ours: list[dict[str, float]], natively: list[dict[str, float]]) -> dict[str, Any]:
    """The figures of pairs of rounds."""
    ratios = [
        mine["milliseconds"] / theirs["milliseconds"] for mine, theirs in zip(ours, natively, strict=True)
    ]
    freezes, native = ([one["freeze"] for one in both] for both in (ours, natively))
    longer = statistics.median(mine - theirs for mine, theirs in zip(freezes, native, strict=True))
    return {
        "ratio": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "longest_freeze_ms": round(max(freezes)),
        "ipykernel_freeze_ms": round(max(native)),
        "freeze_difference_ms": round(longer),
        "seconds": round(statistics.median(one["milliseconds"] for one in ours) / 1000, 3),
        "ipykernel_seconds": round(statistics.median(one["milliseconds"] for one in natively) / 1000, 3),
    }
