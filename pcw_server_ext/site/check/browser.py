"""Opens a site in a real browser, starts its kernel and runs a query: what no look at files can show.

Needs Playwright (`pip install playwright`) and a Chromium: its own (`playwright install chromium`), or one that is
installed on the machine.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from pcw_server_ext.site.check.findings import Finding, failed, note, ok
from pcw_server_ext.site.check.source import FolderSource, Source, UrlSource
from pcw_server_ext.site.errors import SiteError
from pcw_server_ext.site.settings import ASK, SAME_ORIGIN

#: What a first start may take on a slow line.
TIMEOUT_MS = 120_000
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_DONE = "pcw-check-done"

#: Plain Python: the kernel, its files, isolation.
KERNEL_CODE = f"""
import os, sys
data = bytes(range(256))
with open("pcw-check.bin", "wb") as file: file.write(data)
with open("pcw-check.bin", "rb") as file: same = file.read() == data
os.remove("pcw-check.bin")
print("files", same, os.getcwd(), "python", sys.version.split()[0])
print("{_DONE}")
"""


def check_browser(source: Source, *, endpoint: str = "", token: str = "") -> Iterator[Finding]:
    """Yield what a browser shows.

    Args:
        source: the site; a folder is served for the time of the check, as its host would serve it.
        endpoint: grpc-web address to query; without it the one the site knows, if any.
        token: of the endpoint; typed into the page, never put into an address.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        yield failed("browser", "Playwright is not installed", "pip install playwright")
        return
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(_served(source))
        playwright = stack.enter_context(sync_playwright())
        program = next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
        try:
            chromium = playwright.chromium.launch(
                executable_path=program, args=["--no-sandbox", "--disable-gpu"]
            )
        except Error as error:
            text = f"no browser could be started: {str(error).splitlines()[0]}"
            yield failed("browser", text, "playwright install chromium, or install Chromium or Chrome")
            return
        stack.callback(chromium.close)
        yield from _look(chromium, url, source, endpoint, token)


def _look(chromium: Any, url: str, source: Source, endpoint: str, token: str) -> Iterator[Finding]:
    from playwright.sync_api import Error

    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error).splitlines()[0]))
    login = f"&token={quote(source.token)}" if isinstance(source, UrlSource) and source.token else ""
    try:
        page.goto(f"{url}repl/index.html?kernel=pyspark_browser{login}")
        page.wait_for_selector(".jp-CodeConsole-input .cm-content", timeout=TIMEOUT_MS)
    except Error as error:
        banner = page.locator("#pcw-isolation-problem").all_inner_texts()
        reason = "; ".join([*banner, *problems, str(error).splitlines()[0]])
        yield failed(
            "browser", f"the page did not start: {reason}", "Open it yourself and look at the console."
        )
        return
    isolated = bool(page.evaluate("() => crossOriginIsolated"))
    banner = " ".join(page.locator("#pcw-isolation-problem").all_inner_texts())
    if isolated:
        yield ok("page isolation", "crossOriginIsolated is true")
    elif banner:
        # such a page starts no kernel that could be asked
        yield failed("page isolation", banner, "Do what the banner says.")
        return
    else:
        yield note("page isolation", "the page is not isolated; it uses the XMLHttpRequest channel")
    yield from _answer_question(page, endpoint, token)
    text = _run(page, KERNEL_CODE)
    found = re.search(r"files (True|False) (\S+) python (\S+)", text)
    if not found:
        tail = text.strip()[-300:] or "nothing within two minutes"
        yield failed("kernel", f"the first cell did not end well: {tail}", "Look at the browser's console.")
        return
    yield ok("kernel", f"Python {found.group(3)} started and ran a cell in {found.group(2)}")
    if found.group(1) == "True":
        yield ok("files", "a binary file in /drive was written, read and deleted")
    else:
        yield failed("files", "a binary file came back changed", "Report it: this must not happen.")
    yield from _query(page, endpoint)


def _answer_question(page: Any, endpoint: str, token: str) -> Iterator[Finding]:
    """Answer the question where Spark is, as a visitor would."""
    from playwright.sync_api import Error

    if _endpoint_of(page) == SAME_ORIGIN:
        return
    dialog = page.locator(".jp-Dialog", has_text="Where is Spark?")
    try:
        dialog.wait_for(timeout=TIMEOUT_MS)
        if endpoint:
            dialog.locator("input[type=url]").fill(endpoint)
        if token:
            dialog.locator("input[type=password]").fill(token)
        known = dialog.locator("input[type=url]").input_value() != ""
        dialog.get_by_role("button", name="Connect" if known else "Without Spark").click()
    except Error as error:
        yield failed(
            "connection",
            f"the page did not ask where Spark is: {str(error).splitlines()[0]}",
            "Open it yourself and look at the console.",
        )


def _query(page: Any, endpoint: str) -> Iterator[Finding]:
    if not endpoint and _endpoint_of(page) in (ASK, ""):
        yield note(
            "query", "not run: the site asks for its endpoint", "Give it: --endpoint https://host/path"
        )
        return
    text = _run(page, f'print("rows", len(spark.range(1000).collect()))\nprint("{_DONE}")')
    if "rows 1000" in text:
        yield ok("query", "collect() of a thousand rows")
    else:
        tail = text.strip()[-400:] or "no answer within two minutes"
        yield failed("query", tail, "See the findings about endpoint, CORS and token.")


def _endpoint_of(page: Any) -> str:
    """Return what the site was built with: an address, `ask` or `same-origin`."""
    script = """() => {
      const pcw = JSON.parse(document.getElementById('jupyter-config-data').textContent).pcw;
      const config = typeof pcw === 'string' ? JSON.parse(pcw) : pcw;
      return config?.site?.endpoint ?? '';
    }"""
    return str(page.evaluate(script))


def _run(page: Any, code: str) -> str:
    """Run code in the console; return what its last cell shows."""
    from playwright.sync_api import Error

    before = page.locator(".jp-CodeConsole-content .jp-CodeCell").count()
    script = f"""([before]) => {{
      const cells = document.querySelectorAll('.jp-CodeConsole-content .jp-CodeCell');
      const last = cells[cells.length - 1];
      const text = cells.length > before && last ? [...last.querySelectorAll('.jp-OutputArea-output')]
        .map(output => output.textContent).join('\\n') : '';
      return text.includes('{_DONE}') || text.includes('Traceback') || text.includes('Error') ? text : null;
    }}"""
    try:
        page.locator(".jp-CodeConsole-input .cm-content").click()
        # Inserted at once: typed line by line, the editor would indent it.
        page.keyboard.insert_text(code)
        page.keyboard.press("Shift+Enter")
        return str(page.wait_for_function(script, arg=[before]).json_value())
    except Error:
        return str(
            page.locator(".jp-CodeConsole-content .jp-CodeCell .jp-OutputArea-output").all_inner_texts()
        )


@contextlib.contextmanager
def _served(source: Source) -> Iterator[str]:
    """Yield a URL of the site's root; a folder is served on loopback meanwhile."""
    if isinstance(source, UrlSource):
        yield source.root
        return
    if not isinstance(source, FolderSource):
        raise SiteError("Only a folder or a URL can be opened in a browser.")
    import asyncio

    from pcw_server_ext.site.serve import serve

    loop = asyncio.new_event_loop()
    ready: list[str] = []
    started = threading.Event()

    def announce(url: str) -> None:
        ready.append(url)
        started.set()

    task = loop.create_task(serve(source.site, ip="127.0.0.1", port=0, base_path="/", announce=announce))

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        started.set()
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait(10)
    try:
        if not ready:
            raise SiteError("The site could not be served for the check.")
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
