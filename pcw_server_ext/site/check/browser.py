"""Opens a site in a real browser, starts its kernel and runs a query: what no look at files can show.

Needs Playwright (`pip install playwright`) and a Chromium: its own (`playwright install chromium`), or one that is
installed on the machine.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from pcw_server_ext.errors import NoBrowser, SiteError
from pcw_server_ext.site import record
from pcw_server_ext.site.check.findings import Finding, failed, note, ok
from pcw_server_ext.site.check.source import FolderSource, Source, UrlSource
from pcw_server_ext.site.settings import ASK, SAME_ORIGIN

#: What a first start may take on a slow line.
TIMEOUT_MS = 120_000
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
#: Seconds that a page of which a file is missing has until it counts as failed.
GRACE = 10.0

#: The title of the question for Spark's address.
QUESTION = "Where is Spark?"

#: In this order: a console starts a kernel of its own.
_APPS = ("lab", "tree", "notebooks", "edit", "consoles", "repl")

#: Lets every application show itself to scripts, as `exposeAppInBrowser` in the configuration does.
_EXPOSE = """new MutationObserver((_, observer) => {
  const element = document.getElementById('jupyter-config-data');
  const text = element?.textContent.trim();
  // It is empty until the configuration files are merged into it.
  if (!text || text === '{}') return;
  const data = JSON.parse(text);
  observer.disconnect();
  element.textContent = JSON.stringify({ ...data, exposeAppInBrowser: true });
}).observe(document, { childList: true, subtree: true });"""

_STARTED = "() => window.jupyterapp?.shell && document.getElementById('jupyterlab-splash') === null"

#: Not awaited: the page may ask where Spark is.
_START_KERNEL = """() => {
  const { sessions } = window.jupyterapp.serviceManager;
  const options = { name: 'check', path: 'pcw-check', type: 'console', kernel: { name: 'pyspark_browser' } };
  window.pcwCheck = sessions.startNew(options);
  window.pcwCheck.catch(() => undefined);
}"""

_EXECUTE = """async ([code, patience]) => {
  const shown = [];
  const run = async () => {
    const { kernel } = await window.pcwCheck;
    const future = kernel.requestExecute({ code });
    future.onIOPub = ({ content: { text, ename, evalue } }) => shown.push(text ?? (ename ? `${ename}: ${evalue}` : ''));
    await future.done;
  };
  const late = new Promise(resolve => setTimeout(resolve, patience));
  await Promise.race([run(), late]).catch(error => shown.push(String(error)));
  return shown.join('');
}"""

#: Plain Python: the kernel, its files, isolation.
KERNEL_CODE = """
import os, sys
data = bytes(range(256))
with open("pcw-check.bin", "wb") as file: file.write(data)
with open("pcw-check.bin", "rb") as file: same = file.read() == data
os.remove("pcw-check.bin")
print("files", same, os.getcwd(), "python", sys.version.split()[0])
"""


def check_browser(source: Source, *, endpoint: str = "", token: str = "") -> Iterator[Finding]:
    """Yield what a browser shows.

    Args:
        source: the site; a folder is served for the time of the check, as its host would serve it.
        endpoint: grpc-web address to query; without it the one the site knows, if any.
        token: of the endpoint given; typed into the page with it, never put into an address.
    """
    with contextlib.ExitStack() as stack:
        try:
            first_page, url = stack.enter_context(visit(source))
        except NoBrowser as error:
            yield failed("browser", str(error), error.fix)
            return
        yield from _look(first_page(), url, source, endpoint, token)


@contextlib.contextmanager
def visit(source: Source) -> Iterator[tuple[Callable[[], Any], str]]:
    """Yield what opens an empty page of a fresh browser profile, and the site's URL.

    A folder is served on loopback meanwhile. The applications show themselves to scripts.

    Raises:
        NoBrowser: Playwright or a browser is missing.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise NoBrowser("Playwright is not installed", "pip install playwright") from None
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(_served(source))
        playwright = stack.enter_context(sync_playwright())
        program = next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
        try:
            chromium = playwright.chromium.launch(
                executable_path=program, args=["--no-sandbox", "--disable-gpu"]
            )
        except Error as error:
            raise NoBrowser(
                f"no browser could be started: {str(error).splitlines()[0]}",
                "playwright install chromium, or install Chromium or Chrome",
            ) from None
        stack.callback(chromium.close)

        def first_page() -> Any:
            profile = chromium.new_context(viewport={"width": 1280, "height": 900})
            profile.add_init_script(_EXPOSE)
            profile.set_default_timeout(TIMEOUT_MS)
            return profile.new_page()

        yield first_page, url


def without_query(text: str) -> str:
    """A text whose addresses end before their query, in which a Jupyter server takes its token."""
    return re.sub(r"(https?://[^\s?\"']*)\?[^\s\"']*", r"\1", text)


def login_query(source: Source) -> str:
    """What the first address of a visit ends with: `?token=...` for a site on a Jupyter server, else nothing."""
    return f"?token={quote(source.token)}" if isinstance(source, UrlSource) and source.token else ""


def _look(page: Any, url: str, source: Source, endpoint: str, token: str) -> Iterator[Finding]:
    troubles = Troubles(page)
    app = _app_of(source)
    problem = _open(page, f"{url}{app}{login_query(source)}", troubles)
    banner = " ".join(page.locator("#pcw-isolation-problem").all_inner_texts())
    if problem:
        yield failed("browser", f"{app} did not start: {banner or problem}", troubles.fix())
        return
    isolated = bool(page.evaluate("() => crossOriginIsolated"))
    if isolated:
        yield ok("page isolation", "crossOriginIsolated is true")
    elif banner:
        # such a page starts no kernel that could be asked
        yield failed("page isolation", banner, "Do what the banner says.")
        return
    else:
        yield note("page isolation", "the page is not isolated; it uses the XMLHttpRequest channel")
    page.evaluate(_START_KERNEL)
    yield from _answer_question(page, endpoint, token, troubles)
    text = _run(page, KERNEL_CODE)
    found = re.search(r"files (True|False) (\S+) python (\S+)", text)
    if not found:
        tail = text.strip()[-600:] or "nothing within two minutes"
        yield failed("kernel", f"the first cell did not end well: {tail}", troubles.fix())
        return
    yield ok("kernel", f"Python {found.group(3)} started and ran a cell in {found.group(2)}")
    if found.group(1) == "True":
        yield ok("files", "a binary file in /drive was written, read and deleted")
    else:
        yield failed("files", "a binary file came back changed", "Report it: this must not happen.")
    yield from _query(page, endpoint)


class Troubles:
    """What went wrong in a page: files that did not come, what the policies refused, errors of scripts."""

    def __init__(self, page: Any) -> None:
        self.files: dict[str, str] = {}
        self.policies: list[str] = []
        self.errors: list[str] = []
        page.on("response", self._on_response)
        page.on("requestfailed", lambda request: self.files.setdefault(request.url, str(request.failure)))
        page.on("pageerror", lambda error: self.errors.append(str(error).splitlines()[0]))
        page.on("console", self._on_console)

    def __bool__(self) -> bool:
        """Whether the page will hardly start any more."""
        return bool(self.files or self.policies or self.errors)

    def __str__(self) -> str:
        """All of it in one line, the first of each kind."""
        told = [f"{without_query(url)} {problem}" for url, problem in list(self.files.items())[:3]]
        return "; ".join([*told, *self.policies[:1], *self.errors[:2]])

    def fix(self) -> str:
        """Return the next step."""
        if self.policies:
            return "Take the policy away at the host, or let it allow what is named."
        if self.files:
            return (
                "Deploy the whole folder that the build wrote; check without --browser names what is missing."
            )
        return (
            "Run jupyter pcw check without --browser, which compares all files with the build; if it finds nothing, "
            "build the site again with this pcw-server-ext and deploy all of it."
        )

    def _on_response(self, response: Any) -> None:
        kinds = ("document", "script", "stylesheet", "fetch", "xhr")
        # Settings and listings that a site need not have are asked for with fetch.
        if response.status >= 400 and response.request.resource_type in kinds[:3]:
            self.files.setdefault(response.url, f"answers {response.status}")

    def _on_console(self, message: Any) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            self.policies.append(message.text.splitlines()[0])


def _app_of(source: Source) -> str:
    """Return the page of the site's first application that starts no kernel by itself, relative to the root."""
    reply = source.get(record.NAME)
    built = record.loads(reply.body).apps if reply.status == 200 else ()
    pages = [f"{app}/index.html" for app in _APPS if f"{app}/index.html" in built]
    return pages[0] if pages else "lab/index.html"


def _open(page: Any, url: str, troubles: Troubles) -> str:
    """Open a page and wait for its application; returns what went wrong, an empty string for nothing."""
    from playwright.sync_api import Error

    try:
        page.goto(url)
    except Error as error:
        return without_query(str(error).splitlines()[0])
    deadline = time.monotonic() + TIMEOUT_MS / 1000
    while (now := time.monotonic()) < deadline:
        try:
            page.wait_for_function(_STARTED, timeout=1000)
        except Error:
            if troubles:
                # What failed is loaded no more; what only looks bad may still turn out well.
                deadline = min(deadline, now + GRACE)
        else:
            return ""
    return str(troubles) or f"nothing was shown within {TIMEOUT_MS / 1000:.0f} s"


def _answer_question(page: Any, endpoint: str, token: str, troubles: Troubles) -> Iterator[Finding]:
    """Answer the question where Spark is, as a visitor would."""
    from playwright.sync_api import Error

    if _endpoint_of(page) == SAME_ORIGIN:
        return
    try:
        answer_question(page, endpoint, token)
    except Error as error:
        reason = str(troubles) or str(error).splitlines()[0]
        yield failed("connection", f"the page did not ask where Spark is: {reason}", troubles.fix())


def answer_question(page: Any, endpoint: str, token: str) -> None:
    """Wait for the question where Spark is, and answer it. Raises Playwright's `Error`."""
    dialog = page.locator(".jp-Dialog", has_text=QUESTION)
    dialog.wait_for(timeout=TIMEOUT_MS)
    if endpoint:
        dialog.locator("input[type=url]").fill(endpoint)
    if token and endpoint:
        dialog.locator("input[type=password]").fill(token)
    known = dialog.locator("input[type=url]").input_value() != ""
    dialog.get_by_role("button", name="Connect" if known else "Without Spark").click()


def _query(page: Any, endpoint: str) -> Iterator[Finding]:
    if not endpoint and _endpoint_of(page) in (ASK, ""):
        yield note(
            "query", "not run: the site asks for its endpoint", "Give it: --endpoint https://host/path"
        )
        return
    text = _run(page, 'print("rows", len(spark.range(1000).collect()))')
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
    """Run code in the kernel; return what it shows, or why it could not be run."""
    from playwright.sync_api import Error

    try:
        return str(page.evaluate(_EXECUTE, [code, TIMEOUT_MS]))
    except Error as error:
        return str(error).splitlines()[0]


@contextlib.contextmanager
def _served(source: Source) -> Iterator[str]:
    """Yield a URL of the site's root; a folder is served on loopback meanwhile."""
    if isinstance(source, UrlSource):
        yield source.root
        return
    if not isinstance(source, FolderSource):
        raise SiteError("Only a folder or a URL can be opened in a browser.")
    import asyncio

    from pcw_server_ext.site.serving.server import serve

    loop = asyncio.new_event_loop()
    ready: list[str] = []
    refused: list[SiteError] = []
    started = threading.Event()

    def announce(url: str) -> None:
        ready.append(url)
        started.set()

    task = loop.create_task(
        serve(source.site, ip="127.0.0.1", port=source.port, base_path="/", announce=announce)
    )

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        except SiteError as error:
            refused.append(error)
        started.set()
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait(60)
    if refused:
        raise refused[0]
    try:
        if not ready:
            raise SiteError("The site could not be served for the check within a minute. Try again.")
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
