"""A site of the demo, and its page in a real Chromium."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from playwright.sync_api import BrowserContext, Frame

from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import CellResult, LabPage
from tests.support.paths import REPOSITORY

#: The machine may be busy; nothing here is about speed.
PATIENCE = 180.0

_APPEND_CODE_CELL = """async () => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  const last = notebook.widgets.length - 1;
  if (notebook.widgets[last].model.type !== 'code') {
    notebook.activeCellIndex = last;
    await window.jupyterapp.commands.execute('notebook:insert-cell-below');
  }
}"""


class SitePage(LabPage):
    """A page of the site at `url` (its root, ending with `/`); `loads`: addresses of its main frame, in order."""

    def __init__(self, context: BrowserContext, url: str, token: str = "") -> None:
        server = SimpleNamespace(url=url, token=token, port=int(url.split("/")[2].rpartition(":")[2]))
        super().__init__(context, cast("JupyterProcess", server))
        self.url = url
        self.token = token
        self.loads: list[str] = []
        self.page.set_default_timeout(PATIENCE * 1000)
        self.page.on("framenavigated", self._on_navigation)

    def _on_navigation(self, frame: Frame) -> None:
        if frame.parent_frame is None and not frame.url.startswith("about:"):
            self.loads.append(frame.url)

    def open(self, path: str = "lab/index.html", /, **query: str) -> SitePage:
        """Open a page of the site and wait for its application."""
        if self.token:
            query = {**query, "token": self.token}
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        self.page.goto(f"{self.url}{path}?{asked}" if asked else f"{self.url}{path}")
        self.await_app()
        return self

    def open_notebook(self, name: str = "weather.ipynb") -> SitePage:
        """Open a notebook of the site with its own kernel; a question for Spark's address is not answered here."""
        self.open("lab/index.html", path=name)
        return self.await_notebook()

    def open_without_spark(self) -> SitePage:
        """Open the demo and leave the question where Spark is."""
        self.open_notebook()
        self.page.get_by_role("button", name="Without Spark").click()
        return self

    def await_notebook(self) -> SitePage:
        """Wait until the notebook that the page shows has its content."""
        self.page.wait_for_function(
            "() => Boolean(window.jupyterapp.shell.currentWidget?.content?.activeCell)"
        )
        self.page.evaluate(
            "() => Promise.all([window.jupyterapp.shell.currentWidget.context.ready, "
            "window.jupyterapp.shell.currentWidget.revealed]).then(() => null)"
        )
        return self

    def sources(self) -> str:
        """The code of the notebook's cells."""
        return str(
            self.page.evaluate(
                "() => window.jupyterapp.shell.currentWidget.content.widgets"
                ".map(cell => cell.model.sharedModel.getSource()).join('\\n')"
            )
        )

    def submit(self, code: str) -> int:
        """As in `LabPage`, in a new code cell where the last one is text."""
        self.page.evaluate(_APPEND_CODE_CELL)
        return super().submit(code)

    def connect(self, address: str, token: str) -> None:
        """Answer the question where Spark is."""
        dialog = self.page.locator(".jp-Dialog", has_text="Where is Spark?")
        dialog.locator("input[type=url]").fill(address)
        dialog.locator("input[type=password]").fill(token)
        dialog.get_by_role("button", name="Connect").click()

    def is_isolated(self) -> bool:
        """Whether the page is cross-origin isolated."""
        return bool(self.page.evaluate("() => crossOriginIsolated"))

    def problem(self) -> str:
        """The banner's text, or an empty string."""
        return " ".join(self.page.locator("#pcw-isolation-problem").all_inner_texts())

    def run(self, code: str, timeout: float = PATIENCE) -> CellResult:
        """Run `code` in the last cell and return its result."""
        return super().run(code, timeout)

    def restart_kernel(self) -> None:
        """Restart the notebook's kernel."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
        self.await_kernel()

    def reload(self) -> SitePage:
        """Reload the page, without a question whether to leave it."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")
        self.page.reload()
        self.await_app()
        return self

    def foreign(self, *allowed: str) -> list[str]:
        """Requested URLs that are neither the site's own nor below one of `allowed`."""
        return [url for url in self.foreign_requests() if not url.startswith(allowed)]


def new_stock_notebook(page: SitePage) -> SitePage:
    """Open a new notebook of JupyterLite's own kernel and wait for its session."""
    page.page.evaluate(
        """async () => {
          await window.jupyterapp.commands.execute('notebook:create-new', { kernelName: 'python' });
          await window.jupyterapp.shell.currentWidget.sessionContext.ready;
        }"""
    )
    page.await_kernel()
    return page


def context_options() -> dict[str, Any]:
    """Options of a fresh, ordinary profile."""
    return {"viewport": {"width": 1280, "height": 900}}


def make_site(pcw: Callable[..., str], folder: Path, host: str, options: tuple[str, ...]) -> None:
    """Build a site of the demo in `folder`: `lite` is what it is made of, `site` what was made."""
    lite = folder / "lite"
    (lite / "files" / "nested" / "deeper").mkdir(parents=True)
    for name in ("weather.csv", "weather.ipynb"):
        shutil.copy(REPOSITORY / "demo" / name, lite / "files")
    (lite / "files" / "nested" / "deeper" / "text.txt").write_text("deep text\n")
    (lite / "jupyter-lite.json").write_text(
        json.dumps({"jupyter-lite-schema-version": 0, "jupyter-config-data": {"exposeAppInBrowser": True}})
    )
    pcw("build", "--lite-dir", lite, "--output-dir", folder / "site", "--host", host, *options)


BuildSite = Callable[..., Path]


ServeSite = Callable[..., AbstractContextManager[str]]


OpenPage = Callable[..., SitePage]
