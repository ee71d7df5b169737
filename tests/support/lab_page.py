"""JupyterLab in a real Chromium, driven as a person would: launcher card, cells, menus.

Cells are filled and read through the notebook's own model (`--LabApp.expose_app_in_browser=True`), because
a windowed notebook takes cells that are out of view out of the page; all else goes through clicks and keys.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Request, TimeoutError

from tests.support.jupyter import JupyterProcess

PATIENCE = 180.0
"""Seconds that a page, a cell or a server may take: a guard against hanging, not a measure."""

CHROMIUM = "/usr/bin/chromium"
FEATURES_OFF = (
    # The address bar's popups are pages of their own, which every new window loads, for two thirds of a second of a
    # core, and no test opens.
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    # What Playwright switches off: of this switch Chromium heeds the last one only.
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "TcpPortRandomizationWin",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
    "msForceBrowserSignIn",
    "msEdgeUpdateLaunchServicesPreferredVersion",
)
CHROMIUM_FLAGS = [
    f"--disable-features={','.join(FEATURES_OFF)}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
BROWSER_CARD = "PySpark (browser)"

_READ_CELL = """([index]) => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cell = panel && panel.content && panel.content.widgets && panel.content.widgets[index];
  if (!cell) return null;
  if (cell.model.executionState !== 'idle') return null;
  const outputs = cell.model.outputs.toJSON();
  const failed = outputs.some(output => output.output_type === 'error');
  // A kernel that could not start has no count, but it must have said why.
  if (cell.model.executionCount === null && !failed) return null;
  return { count: cell.model.executionCount ?? 0, outputs };
}"""

_DESCRIBE_CELL = """([index]) => {
  const panel = window.jupyterapp.shell.currentWidget;
  const model = panel.content.widgets[index].model;
  const status = panel.sessionContext?.session?.kernel?.status ?? 'no kernel';
  return JSON.stringify({
    status, count: model.executionCount, state: model.executionState,
    source: model.sharedModel.getSource(), outputs: model.outputs.toJSON()
  });
}"""

_FILL_LAST = """(source) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  const index = notebook.widgets.length - 1;
  notebook.activeCellIndex = index;
  notebook.activeCell.model.sharedModel.setSource(source);
  return index;
}"""

#: What Shift+Enter does, for this cell in one turn of the page: JupyterLab moves the focus by timers of its own after a
#: cell was sent and after a question was answered, and a key that comes in between is for another cell.
_RUN_CELL = """index => {
  window.jupyterapp.shell.currentWidget.content.activeCellIndex = index;
  void window.jupyterapp.commands.execute('notebook:run-cell-and-select-next');
}"""


#: A page that was left before JupyterLab saved which document is current shows its documents, and none is.
_SHOWS_SOMETHING = """() => {
  const shell = window.jupyterapp?.shell;
  if (!shell) return false;
  const visible = [...shell.widgets('main')].find(widget => widget.isVisible);
  if (shell.currentWidget === null && visible) shell.activateById(visible.id);
  return shell.currentWidget !== null;
}"""

_HAS_ACTIVE_CELL = """() => {
  const shell = window.jupyterapp.shell;
  const visible = [...shell.widgets('main')].find(widget => widget.isVisible && widget.content?.activeCell);
  if (!shell.currentWidget?.isVisible && visible) shell.activateById(visible.id);
  const panel = shell.currentWidget;
  return Boolean(panel && panel.content && panel.content.activeCell && panel.context.isReady);
}"""


_DESCRIBE_PAGE = """() => {
  const shell = window.jupyterapp?.shell;
  if (!shell) return document.readyState + ', no application: ' + document.body?.innerText.slice(0, 500);
  return JSON.stringify({
    main: [...shell.widgets('main')].map(widget => [widget.id, widget.title.label, widget.isVisible]),
    current: shell.currentWidget && shell.currentWidget.id,
    ready: Boolean(shell.currentWidget?.context?.isReady),
    over: [...document.querySelectorAll('.jp-Dialog, .Toastify__toast')].map(element => element.innerText),
  });
}"""


@dataclass
class CellResult:
    """What one executed cell shows: `outputs` as in the notebook format."""

    count: int
    outputs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Standard output and plain-text results, in order."""
        return self._text(("stdout",))

    @property
    def all_text(self) -> str:
        """Standard output, standard error and plain-text results, in order."""
        return self._text(("stdout", "stderr"))

    def _text(self, streams: tuple[str, ...]) -> str:
        pieces: list[str] = []
        for output in self.outputs:
            if output["output_type"] == "stream":
                if output["name"] not in streams:
                    continue
                pieces.append(_joined(output["text"]))
            elif "data" in output:
                pieces.append(_joined(output["data"].get("text/plain", "")))
        return "".join(pieces)

    @property
    def error(self) -> str | None:
        """`Name: value` of the exception that ended the cell, or None."""
        for output in self.outputs:
            if output["output_type"] == "error":
                return f"{output['ename']}: {output['evalue']}"
        return None

    def expect_ok(self) -> CellResult:
        """Return self; AssertionError with the cell's error and traceback if it failed."""
        if self.error is not None:
            trace = "\n".join(
                o.get("traceback", [""])[-1] for o in self.outputs if o["output_type"] == "error"
            )
            raise AssertionError(f"the cell failed: {self.error}\n{trace}\n{self.text}")
        return self


def _joined(text: str | list[str]) -> str:
    return "".join(text) if isinstance(text, list) else text


class LabPage:
    """One JupyterLab page; `requests`: all URLs it and its workers asked for, `console`: what they logged."""

    def __init__(self, context: BrowserContext, server: JupyterProcess) -> None:
        self.context = context
        self.server = server
        self.requests: list[str] = []
        self.console: list[str] = []
        context.on("request", self._on_request)
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.console.append(f"pageerror: {error}"))
        self.page.set_default_timeout(PATIENCE * 1000)

    def _on_request(self, request: Request) -> None:
        self.requests.append(request.url)

    def open(self, path: str = "") -> LabPage:
        """Open JupyterLab afresh (no restored workspace), optionally on a file: `tree/demo.ipynb`."""
        where = f"lab/{path}" if path else "lab"
        self.page.goto(f"{self.server.url}{where}?token={self.server.token}&reset")
        self.await_app()
        return self

    def await_app(self) -> None:
        """Wait until the application shows something."""
        try:
            self.page.wait_for_function(_SHOWS_SOMETHING)
        except TimeoutError:
            shown = self.page.evaluate(_DESCRIBE_PAGE)
            logged = "\n".join([*self.console[-20:], *self.requests[-10:]])
            raise AssertionError(f"nothing is shown at {self.page.url}: {shown}\n{logged}") from None

    def card(self, title: str = BROWSER_CARD, section: str = "Notebook") -> Any:
        """Return the locator of a launcher card."""
        block = self.page.locator(
            ".jp-Launcher-section", has=self.page.locator(f".jp-Launcher-sectionTitle:text-is('{section}')")
        )
        return block.locator(f".jp-LauncherCard[title='{title}'], .jp-LauncherCard:has-text('{title}')").first

    def new_notebook(self, title: str = BROWSER_CARD) -> LabPage:
        """Click the launcher card and wait for the notebook's first cell."""
        if not self.page.locator(".jp-Launcher:visible").count():
            # The command returns the widget: Playwright must not try to serialize that.
            self.page.evaluate("() => void window.jupyterapp.commands.execute('launcher:create')")
        try:
            with _alone_in(self.server.root) if isinstance(self.server, JupyterProcess) else nullcontext():
                self.card(title).click()
                self.page.wait_for_function(_HAS_ACTIVE_CELL)
        except TimeoutError:
            shown = self.page.evaluate(_DESCRIBE_PAGE)
            logged = "\n".join(self.console[-20:])
            raise AssertionError(f"no notebook was opened by {title!r}: {shown}\n{logged}") from None
        return self

    def await_kernel(self) -> LabPage:
        """Wait until the notebook's session is there.

        JupyterLab drops a cell that is run before; our own kernel must not need this, a server kernel does.
        """
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.ready")
        self.page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
        )
        return self

    def submit(self, code: str) -> int:
        """Put `code` into the last cell, click on it, run it and return its index without waiting."""
        index = int(self.page.evaluate(_FILL_LAST, code))
        self.page.locator(
            f".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell[data-windowed-list-index='{index}'] .cm-content"
        ).click()
        self.page.evaluate(_RUN_CELL, index)
        return index

    def result(self, index: int, timeout: float = PATIENCE) -> CellResult:
        """Wait at most `timeout` seconds until the cell at `index` has run, and return what it shows."""
        try:
            handle = self.page.wait_for_function(_READ_CELL, arg=[index], timeout=timeout * 1000)
        except TimeoutError:
            state = self.page.evaluate(_DESCRIBE_CELL, [index])
            logged = "\n".join(self.console[-20:])
            raise AssertionError(f"cell {index} did not end within {timeout} s: {state}\n{logged}") from None
        found = handle.json_value()
        return CellResult(found["count"], found["outputs"])

    def run(self, code: str, timeout: float = PATIENCE) -> CellResult:
        """Run `code` in the last cell and return its result."""
        return self.result(self.submit(code), timeout)

    def foreign_requests(self) -> list[str]:
        """Return the requested URLs that are not on the server's own origin."""
        origin = f"http://127.0.0.1:{self.server.port}/"
        return [url for url in self.requests if not url.startswith((origin, "blob:", "data:"))]

    def screenshot(self, folder: Path, name: str) -> Path:
        """Write a PNG of the page into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def close(self) -> None:
        """Close the page and its browser context."""
        self.context.close()


@contextmanager
def _alone_in(root: Path) -> Iterator[None]:
    """Hold the lock of a folder: of two servers there that make a notebook at once, both would call it Untitled."""
    with root.with_name(f"{root.name}.lock").open("w") as lock:
        # released when the file is closed, also by the end of the process
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def launch_chromium(playwright: Playwright, *extra: str) -> Browser:
    """Start Debian's Chromium, headless, with its own background traffic off."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=[*CHROMIUM_FLAGS, *extra])


@contextmanager
def lab_page(browser: Browser, server: JupyterProcess, **context: Any) -> Iterator[LabPage]:
    """A page in a fresh profile (no cache, no cookies), closed at the end."""
    lab = LabPage(browser.new_context(viewport={"width": 1280, "height": 900}, **context), server)
    try:
        yield lab
    finally:
        lab.close()
