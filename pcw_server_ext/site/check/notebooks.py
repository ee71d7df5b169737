"""Runs every notebook of a site in a real browser, as a visitor does who opens it and runs all cells."""

from __future__ import annotations

import fnmatch
import itertools
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pcw_server_ext.errors import NoBrowser, SiteError
from pcw_server_ext.site import inventory, record
from pcw_server_ext.site.check.browser import (
    GRACE,
    QUESTION,
    TIMEOUT_MS,
    Troubles,
    answer_question,
    login_query,
    visit,
    without_query,
)
from pcw_server_ext.site.check.findings import Finding, failed, note, ok
from pcw_server_ext.site.check.outputs import Output, difference, error_in, plain
from pcw_server_ext.site.check.runs import CELL_TIMEOUT, CellRun, NotebookRun
from pcw_server_ext.site.check.source import Source

#: Tags of cells, as nbclient and nbval know them.
MAY_FAIL: Final = "raises-exception"
SKIPPED: Final = "skip-execution"
UNCOMPARED: Final = "nbval-ignore-output"

#: Applications that show a notebook named in the address, the preferred one first.
_APPS: Final = ("lab/index.html", "notebooks/index.html")
_FOLDER: Final = "files/"
_POLL_MS: Final = 200
#: Characters of a picture's name, of what a file system takes.
_LONGEST_NAME: Final = 100

_STATE: Final = """() => {
  const panel = window.jupyterapp?.shell?.currentWidget;
  const dialog = document.querySelector('.jp-Dialog');
  const kernel = panel?.sessionContext?.session?.kernel;
  const cells = panel?.content?.widgets ?? [];
  return {
    dialog: dialog ? dialog.innerText.trim() : '',
    path: panel?.context?.path ?? '',
    cells: panel?.context?.isReady ? cells.length : 0,
    kernel: kernel ? `${kernel.status}, ${kernel.connectionStatus}` : 'none yet',
    banner: document.getElementById('pcw-isolation-problem')?.innerText ?? '',
  };
}"""

_CELLS: Final = """() => window.jupyterapp.shell.currentWidget.content.widgets.map(({ model }) => ({
  type: model.type, source: model.sharedModel.getSource(), tags: model.sharedModel.getMetadata('tags') ?? [],
}))"""

#: Ends with the cell, after `patience` milliseconds, or when the cell asks for a line that nobody will type.
_RUN: Final = """async ([index, patience]) => {
  const { content: notebook, sessionContext } = window.jupyterapp.shell.currentWidget;
  const cell = notebook.widgets[index];
  notebook.deselectAll();
  notebook.activeCellIndex = index;
  let timer, poll;
  const begun = performance.now();
  const ended = await Promise.race([
    window.jupyterapp.commands.execute('notebook:run-cell').then(() => 'done', error => String(error)),
    new Promise(resolve => { timer = setTimeout(resolve, patience, 'late'); }),
    new Promise(resolve => {
      poll = setInterval(() => cell.node.querySelector('.jp-Stdin-input') && resolve('input'), 250);
    }),
  ]);
  clearTimeout(timer);
  clearInterval(poll);
  const seconds = (performance.now() - begun) / 1000;
  if (ended !== 'done') {
    void sessionContext.session?.kernel?.interrupt().catch(() => undefined);
  }
  return { ended, seconds, outputs: cell.model.outputs.toJSON() };
}"""


@dataclass(frozen=True)
class RunOptions:
    """How notebooks are run.

    Attributes:
        endpoint: grpc-web address to query; without it the one the site knows, if any.
        token: of the endpoint; typed into the page, never shown or put into an address.
        only: patterns of paths (`*` matches `/` too); all notebooks when empty.
        compare: whether outputs must be those that the notebook was saved with.
        cell_timeout: seconds a cell may take.
        screenshots: a folder for a picture of each notebook's end; created.
    """

    endpoint: str = ""
    token: str = ""
    only: Sequence[str] = ()
    compare: bool = False
    cell_timeout: float = CELL_TIMEOUT
    screenshots: Path | None = None


@dataclass
class NotebookCheck:
    """What running the notebooks gave: `findings` for the report, and `runs` with every cell."""

    findings: list[Finding] = field(default_factory=list)
    runs: list[NotebookRun] = field(default_factory=list)


def check_notebooks(source: Source, options: RunOptions) -> NotebookCheck:
    """Open each notebook of a site, in the order of their paths, in a browser profile of its own, and run its cells.

    A notebook ends at the first cell that fails, as it does for who runs all cells. Nothing is written to the site:
    what a notebook writes is in the browser's own storage, and gone with the profile.

    Args:
        source: the site; a folder is served for the time of the check, as its host would serve it.
        options: how.
    """
    check = NotebookCheck()
    try:
        app, paths, problem = _plan(source, options.only)
    except SiteError as error:
        problem = failed("notebooks", f"not run: {error}", "Build the site again, and deploy all of it.")
    if problem is None and options.screenshots is not None:
        problem = _prepare(options.screenshots)
    if problem is not None:
        check.findings.append(problem)
        return check
    pictures = _pictures(paths, options.screenshots)
    try:
        with visit(source) as (first_page, url):
            login = login_query(source)
            for path in paths:
                page = first_page()
                address = f"{url}{app}{login}{'&' if login else '?'}path={quote(path)}"
                run = _run_notebook(page, address, path, source, options, pictures.get(path))
                page.context.close()
                check.runs.append(run)
                check.findings.append(_finding(run))
    except NoBrowser as error:
        check.findings.append(failed("browser", str(error), error.fix))
    return check


def _plan(source: Source, only: Sequence[str]) -> tuple[str, list[str], Finding | None]:
    """Return the application, the notebooks, and a finding where there is nothing to run."""
    name = "notebooks"
    reply = source.get(inventory.NAME)
    if reply.status != 200:
        text = f"not run: there is no {inventory.NAME} (status {reply.status}), which names them"
        return "", [], failed(name, text, "Build the site again, and deploy all of it.")
    paths = sorted(
        path.removeprefix(_FOLDER)
        for path in inventory.loads(reply.body)
        if path.startswith(_FOLDER) and path.endswith(".ipynb")
    )
    chosen = [path for path in paths if not only or any(fnmatch.fnmatchcase(path, one) for one in only)]
    if not chosen and only:
        there = ", ".join(paths[:5]) + (", …" if len(paths) > 5 else "")
        text = f"none of the site's {len(paths)} notebooks is meant by --only {' '.join(only)}"
        return (
            "",
            [],
            failed(name, text, f"Name some of: {there}" if paths else "Put notebooks into the site."),
        )
    if not chosen:
        return "", [], note(name, "the site has none")
    known = source.get(record.NAME)
    built = record.loads(known.body).apps if known.status == 200 else ()
    app = next((page for page in _APPS if page in built or not built), None)
    if app is None:
        text = "not run: the site has no application that opens notebooks"
        return "", [], failed(name, text, "Build it with --apps lab, or with notebooks,tree.")
    return app, chosen, None


def _run_notebook(
    page: Any, address: str, path: str, source: Source, options: RunOptions, picture: Path | None
) -> NotebookRun:
    from playwright.sync_api import Error

    troubles = Troubles(page)
    cells: list[CellRun] = []
    try:
        saved = _saved_outputs(source, path) if options.compare else {}
        page.goto(address)
        problem, fix = _await_kernel(page, path, options, troubles)
        if not problem:
            for cell in _run_cells(page, saved, options):
                # Those that ran before a page is lost are told.
                cells.append(cell)
    except SiteError as error:
        problem, fix = str(error), "Save the notebook in JupyterLab, and build the site again."
    except Error as error:
        problem, fix = _hide(without_query(str(error).splitlines()[0]), options.token), troubles.fix()
    return NotebookRun(
        path,
        round(sum(cell.seconds for cell in cells), 3),
        tuple(cells),
        problem,
        fix,
        _screenshot(page, picture),
    )


def _await_kernel(page: Any, path: str, options: RunOptions, troubles: Troubles) -> tuple[str, str]:
    """Wait until a notebook is shown and its kernel idle; returns a problem and its fix, empty strings for none."""
    from playwright.sync_api import Error

    deadline = time.monotonic() + TIMEOUT_MS / 1000
    state: dict[str, Any] = {}
    dialog, shown_since = "", 0.0
    while time.monotonic() < deadline:
        try:
            state = page.evaluate(_STATE)
        except Error:
            # A site that gets its isolation from a service worker loads its page again at the first visit.
            page.wait_for_timeout(_POLL_MS)
            continue
        if state["dialog"] != dialog:
            dialog, shown_since = state["dialog"], time.monotonic()
        if QUESTION in dialog:
            answer_question(page, options.endpoint, options.token)
        elif not dialog or time.monotonic() - shown_since < GRACE:
            # Its parts come one after the other, and the title may be the last.
            pass
        elif "Select Kernel" in dialog:
            return (
                "it asks for a kernel, as the site has not the one that it was saved with",
                'Open it in JupyterLab, choose the kernel "PySpark (browser)", save it, and build the site again.',
            )
        elif dialog:
            return (
                f"a dialog is in the way: {_line(dialog)}",
                "Open the notebook on the site and see what it asks.",
            )
        if state["banner"]:
            return _line(state["banner"]), "Do what the banner says."
        opened = state["cells"] and state["path"].endswith(path)
        if opened and not dialog and state["kernel"] == "idle, connected":
            return "", ""
        page.wait_for_timeout(_POLL_MS)
    late = f"its kernel did not start ({state['kernel']})" if state.get("cells") else "it was not shown"
    return f"{late} within {TIMEOUT_MS / 1000:.0f} s" + (f": {troubles}" if troubles else ""), troubles.fix()


def _run_cells(page: Any, saved: dict[int, list[Output]], options: RunOptions) -> Iterator[CellRun]:
    over = False
    for number, cell in enumerate(page.evaluate(_CELLS), 1):
        if cell["type"] != "code" or not cell["source"].strip():
            continue
        first = _line(cell["source"])
        if over:
            yield CellRun(number, first, "not run")
            continue
        if SKIPPED in cell["tags"]:
            yield CellRun(number, first, "skipped")
            continue
        ran = page.evaluate(_RUN, [number - 1, options.cell_timeout * 1000])
        problem, details = _judge(ran, cell["tags"], saved.get(number - 1), options.cell_timeout)
        over = bool(problem)
        yield CellRun(
            number,
            first,
            "failed" if problem else "passed",
            round(ran["seconds"], 3),
            _hide(problem, options.token),
            _hide(details, options.token),
        )


def _judge(
    ran: dict[str, Any], tags: Sequence[str], saved: Sequence[Output] | None, patience: float
) -> tuple[str, str]:
    """Return what is wrong with a cell that ran, in a line and in full; empty strings for nothing."""
    if ran["ended"] == "late":
        text = f"it had not ended after {patience:g} s (--cell-timeout), and was interrupted"
        return text, text
    if ran["ended"] == "input":
        text = f"it asks for input, which nobody gives in a check: tag it {SKIPPED}"
        return text, text
    if ran["ended"] != "done":
        return _line(ran["ended"]), ran["ended"]
    error = error_in(ran["outputs"])
    if error is not None and MAY_FAIL not in tags:
        return error
    if saved is not None and UNCOMPARED not in tags:
        text = difference(saved, ran["outputs"])
        return text, text
    return "", ""


def _saved_outputs(source: Source, path: str) -> dict[int, list[Output]]:
    """Return the outputs of a notebook's code cells as it was saved, by their place. Raises SiteError."""
    reply = source.get(_FOLDER + path)
    if reply.status != 200:
        raise SiteError(f"its saved outputs cannot be read: {_FOLDER}{path} answers {reply.status}")
    try:
        cells = json.loads(reply.body)["cells"]
        saved = {at: list(cell["outputs"]) for at, cell in enumerate(cells) if cell["cell_type"] == "code"}
    except (ValueError, KeyError, TypeError, RecursionError):
        saved = None
    if saved is None or not all(isinstance(output, dict) for outputs in saved.values() for output in outputs):
        raise SiteError("it is no notebook of nbformat 4")
    return saved


def _finding(run: NotebookRun) -> Finding:
    name = f"notebook {run.path}"
    if run.problem:
        return failed(name, run.problem, run.fix)
    for cell in run.cells:
        if cell.status == "failed":
            picture = f" A picture of it: {run.screenshot}." if run.screenshot else ""
            return failed(
                name,
                f"cell {cell.number} ({cell.source}) after {cell.seconds:.1f} s: {cell.problem}",
                f"Run the notebook on the site and correct the cell; one that is meant to fail has the tag {MAY_FAIL}."
                + picture,
            )
    ran = sum(cell.status == "passed" for cell in run.cells)
    return ok(name, f"{ran} cells ran in {run.seconds:.1f} s")


def _prepare(folder: Path) -> Finding | None:
    """Make a folder for pictures; a finding where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"not run: {folder} cannot be made for pictures: {error.strerror}"
        return failed("notebooks", text, "Name another folder with --screenshots.")
    return None


def _pictures(paths: Sequence[str], folder: Path | None) -> dict[str, Path]:
    """Where the picture of each notebook goes: one folder for all, and no two of one name."""
    files: dict[str, Path] = {}
    if folder is None:
        return files
    for path in paths:
        name = re.sub(r"[^\w.-]+", "_", path.removesuffix(".ipynb"))[:_LONGEST_NAME]
        taken = {file.stem for file in files.values()}
        number = next(count for count in itertools.count(1) if f"{name}-{count}" not in taken)
        files[path] = folder / f"{name if name not in taken else f'{name}-{number}'}.png"
    return files


def _screenshot(page: Any, file: Path | None) -> str:
    if file is None:
        return ""
    from playwright.sync_api import Error

    try:
        page.screenshot(path=str(file))
    except (Error, OSError):
        # What was found is told without a picture.
        return ""
    return str(file)


def _line(text: str) -> str:
    """The first line of a text, cut to what a report takes."""
    first = plain(text).strip().partition("\n")[0].strip()
    return first if len(first) <= 200 else f"{first[:199]}…"


def _hide(text: str, secret: str) -> str:
    return text.replace(secret, "…") if secret else text
