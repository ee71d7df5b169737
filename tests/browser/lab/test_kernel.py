"""The kernel "PySpark (browser)" as a Jupyter kernel: messages, input, interrupts, restarts, files, other kernels."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Route

from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import BROWSER_CARD, CellResult, LabPage, lab_page
from tests.support.labs import StartLab
from tests.support.stock_kernel import with_stock_kernel

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

_CONTEXT = "window.jupyterapp.shell.currentWidget.sessionContext"
_KERNEL = f"{_CONTEXT}.session.kernel"


@pytest.fixture(scope="module")
def server(venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterProcess]:
    folder = tmp_path_factory.mktemp("lab")
    (folder / "root" / "sub folder").mkdir(parents=True)
    with JupyterProcess(
        venv, folder / "root", folder / "state", arguments=("--LabApp.expose_app_in_browser=True",)
    ) as process:
        yield process


@pytest.fixture(scope="module")
def page(browser: Browser, server: JupyterProcess) -> Iterator[LabPage]:
    with lab_page(browser, server) as lab:
        yield lab.open()


@pytest.fixture
def notebook(page: LabPage) -> Iterator[LabPage]:
    yield page.new_notebook()
    page.page.evaluate(f"async () => {{ await {_CONTEXT}.shutdown() }}")


def interrupt(lab: LabPage) -> None:
    lab.page.evaluate("() => void window.jupyterapp.commands.execute('notebook:interrupt-kernel')")


def begin(lab: LabPage, code: str) -> int:
    """Run `code` in the last cell, wait until Python has begun with it, and return the cell's index.

    By what the cell prints first: JupyterLab says "running" of a cell that it has yet to send, and its kernel is "busy"
    with other questions too. A stop that comes before the cell stops nothing, as with other kernels.
    """
    index = lab.submit(f"print('begun')\n{code}")
    lab.page.wait_for_function(
        """index => {
          const outputs = window.jupyterapp.shell.currentWidget.content.widgets[index].model.outputs;
          return outputs.length > 0 && String(outputs.get(0).toJSON().text).startsWith("begun");
        }""",
        arg=index,
    )
    return index


def test_first_cell_run_at_once_is_counted_as_one(notebook: LabPage) -> None:
    result = notebook.run("1 + 1")
    assert (result.count, result.text) == (1, "2")


@pytest.fixture
def launcher(page: LabPage) -> Iterator[LabPage]:
    """The only launcher of the page, in front; what has taken its place is closed at the end."""
    page.page.evaluate(
        """() => {
          const launchers = [...window.jupyterapp.shell.widgets('main')].filter(w => w.id.startsWith('launcher'));
          launchers.forEach(widget => widget.dispose());
          void window.jupyterapp.commands.execute('launcher:create');
        }"""
    )
    page.page.locator(".jp-Launcher:visible").wait_for()
    yield page
    page.page.evaluate("() => window.jupyterapp.shell.currentWidget.dispose()")


def test_card_is_in_both_sections_beside_other_kernels(launcher: LabPage, screenshots: Path) -> None:
    for section in ("Notebook", "Console"):
        for title in ("Python 3 (ipykernel)", BROWSER_CARD, "Python (Pyodide)"):
            launcher.card(title, section).wait_for()
    launcher.screenshot(screenshots, "launcher-cards")


def test_console_runs_a_first_line_typed_at_once(launcher: LabPage, screenshots: Path) -> None:
    page = launcher
    page.card(section="Console").click()
    prompt = page.page.locator(".jp-CodeConsole:visible .jp-CodeConsole-promptCell .cm-content")
    prompt.click()
    prompt.press_sequentially("6 * 7")
    prompt.press("Shift+Enter")
    page.page.locator(".jp-CodeConsole:visible .jp-OutputArea-output", has_text="42").wait_for()
    page.screenshot(screenshots, "console")


def test_cell_is_run_by_its_keys(notebook: LabPage) -> None:
    cell = notebook.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell .cm-content").first
    cell.click()
    cell.press_sequentially("6 * 7")
    cell.press("Shift+Enter")
    assert notebook.result(0).text == "42"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("while True: pass", "KeyboardInterrupt"),
        ("import time; time.sleep(600)", "KeyboardInterrupt"),
        # Between its print and its wait the cell computes.
        ("import asyncio; await asyncio.sleep(600)", ("CancelledError", "KeyboardInterrupt")),
        ("input('name? ')", "KeyboardInterrupt"),
    ],
)
def test_stop_ends_a_cell(notebook: LabPage, code: str, error: str | tuple[str, ...]) -> None:
    index = begin(notebook, code)
    interrupt(notebook)
    result = notebook.result(index, 60)
    assert result.error is not None
    assert result.error.startswith(error)
    assert notebook.run("'usable'").text == "'usable'"


def press_enter(box: Locator) -> None:
    """To the box itself: the notebook moves the focus to its next cell at a moment of its own after Shift+Enter."""
    box.dispatch_event("keydown", {"key": "Enter", "bubbles": True})


def test_input_gives_what_was_typed(notebook: LabPage) -> None:
    index = notebook.submit("answer = input('name? '); answer")
    box = notebook.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Stdin-input")
    box.fill("Ann")
    press_enter(box)
    assert notebook.result(index).text == "'Ann'"


def test_error_names_the_exception_and_stops_the_cells_behind_it(notebook: LabPage) -> None:
    # It runs until the second cell waits behind it; a cell that asks for input lets no other be sent.
    first = begin(notebook, "try:\n    while True: pass\nexcept KeyboardInterrupt:\n    1 / 0")
    second = notebook.submit("print('must not run')")
    interrupt(notebook)
    assert notebook.result(first).error == "ZeroDivisionError: division by zero"
    notebook.page.wait_for_function(f"() => {_KERNEL}.status === 'idle'")
    assert notebook.page.evaluate(
        f"""() => {{
          const cell = window.jupyterapp.shell.currentWidget.content.widgets[{second}].model;
          return [cell.executionState, cell.executionCount, cell.outputs.length];
        }}"""
    ) == ["idle", None, 0]
    assert notebook.run("'usable'").text == "'usable'"


def test_restart_forgets_everything_and_counts_from_one(notebook: LabPage) -> None:
    notebook.run("kept = 1")
    begin(notebook, "while True: pass")
    notebook.page.evaluate(f"async () => {{ await {_CONTEXT}.restartKernel() }}")
    result = notebook.run("'kept' in globals()")
    assert (result.count, result.text) == (1, "False")


def test_crashed_interpreter_says_so_until_restarted(notebook: LabPage, screenshots: Path) -> None:
    result = notebook.run("import pyodide_js; pyodide_js._api.fatal_error(pyodide_js._api.fatal_error)")
    assert result.error is not None
    assert result.error.startswith("KernelCrashed: Python has crashed in this tab")
    assert "Restart the kernel" in (notebook.run("1").error or "")
    notebook.screenshot(screenshots, "crashed")
    notebook.page.evaluate(f"async () => {{ await {_CONTEXT}.restartKernel() }}")
    assert notebook.run("2").text == "2"


def test_requests_other_than_execute_are_answered(notebook: LabPage) -> None:
    notebook.run("import os")
    answers = notebook.page.evaluate(
        f"""async () => {{
          const kernel = {_KERNEL};
          const [completed, inspected, complete, comms, history] = await Promise.all([
            kernel.requestComplete({{ code: 'os.pathse', cursor_pos: 9 }}),
            kernel.requestInspect({{ code: 'print', cursor_pos: 3, detail_level: 0 }}),
            kernel.requestIsComplete({{ code: 'for i in range(3):' }}),
            kernel.requestCommInfo({{}}),
            kernel.requestHistory({{ hist_access_type: 'tail', n: 1, output: false, raw: true }})
          ]);
          const info = await kernel.info;
          return [completed.content.matches, inspected.content.found, complete.content.status, comms.content.status,
                  history.content.status, info.implementation];
        }}"""
    )
    assert answers == [["pathsep"], True, "incomplete", "ok", "ok", "pyspark-browser"]


def test_two_kernels_of_a_page_share_neither_names_nor_random_state(page: LabPage) -> None:
    code = "import random, uuid, tempfile; random.random(), uuid.uuid4().hex, tempfile.mktemp()"
    seen: list[CellResult] = []
    for _ in range(2):
        page.new_notebook()
        seen.append(page.run(code))
    assert not set(seen[0].text.strip("()").split(", ")) & set(seen[1].text.strip("()").split(", "))


FILES = {
    "every byte": "bytes(range(256)) * 5000",
    "text": "'héllo ✓\\r\\nworld\\n'.encode()",
    "no UTF-8 at the end": "b'text ' * 100 + b'\\xe2\\x82'",
    "byte order mark": "b'\\xef\\xbb\\xbfa,b\\n'",
    "empty": "b''",
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_files_are_exact_both_ways(notebook: LabPage, server: JupyterProcess, content: str) -> None:
    path = server.root / "exact.bin"
    path.unlink(missing_ok=True)
    notebook.run(f"data = {content}\nwith open('exact.bin', 'wb') as file: file.write(data)").expect_ok()
    assert path.read_bytes() == eval(content)
    path.write_bytes(path.read_bytes() * 2)
    assert notebook.run("open('exact.bin', 'rb').read() == data * 2").text == "True"


def test_files_behave_as_in_a_file_system(notebook: LabPage, server: JupyterProcess) -> None:
    notebook.run(
        """
import os
os.makedirs("deep/er")
with open("deep/er/a.txt", "w") as file:
    file.write("one")
    file.flush()
    os.fsync(file.fileno())
    assert os.stat("deep/er/a.txt").st_size == 3
with open("deep/er/a.txt", "a") as file: file.write(" two")
with open("deep/er/a.txt", "r+") as file:
    file.seek(4); file.write("TWO"); file.truncate()
with open("deep/er/b.txt", "w") as file: file.write("old")
os.replace("deep/er/a.txt", "deep/er/b.txt")
assert os.listdir("deep/er") == ["b.txt"], os.listdir("deep/er")
assert open("deep/er/b.txt").read() == "one TWO"
try: os.rmdir("deep/er")
except OSError: pass
else: raise AssertionError("a folder that is not empty was removed")
os.remove("deep/er/b.txt"); os.rmdir("deep/er"); os.rmdir("deep")
assert not os.path.exists("deep")
try: open("missing.txt")
except FileNotFoundError: pass
"""
    ).expect_ok()
    assert not (server.root / "deep").exists()


def test_kernel_starts_in_the_folder_of_its_notebook(page: LabPage) -> None:
    page.page.evaluate(
        """async () => {
          const app = window.jupyterapp;
          const model = await app.commands.execute('docmanager:new-untitled', { path: 'sub folder', type: 'notebook' });
          await app.commands.execute('docmanager:open', {
            path: model.path, factory: 'Notebook', kernel: { name: 'pyspark_browser' }
          });
        }"""
    )
    page.page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.context.ready }")
    assert page.run("import os; os.getcwd()").text == "'/drive/sub folder'"


def test_server_kernel_works_beside_and_a_notebook_may_change_to_it_and_back(page: LabPage) -> None:
    page.new_notebook()
    assert page.run("import sys; sys.platform").text == "'emscripten'"
    for name, platform in (("python3", "linux"), ("pyspark_browser", "emscripten"), ("python3", "linux")):
        page.page.evaluate(f"async () => {{ await {_CONTEXT}.changeKernel({{ name: '{name}' }}) }}")
        result = page.run("import sys; sys.platform")
        assert (result.count, result.text) == (1, f"'{platform}'")
        # Neither manager takes the session for dead at its next look.
        page.page.evaluate("async () => { await window.jupyterapp.serviceManager.sessions.refreshRunning() }")
        page.page.evaluate("async () => { await window.jupyterapp.serviceManager.kernels.refreshRunning() }")
        assert page.run("'still there'").text == "'still there'"


@pytest.mark.timeout(900)
def test_stock_kernel_reaches_spark_after_install(browser: Browser, start_lab: StartLab) -> None:
    server = start_lab("--PcwExtension.engine=sail")

    def work(lab: LabPage) -> None:
        lab.open().new_notebook("Python (Pyodide)")
        assert lab.run("2 + 2", 90).expect_ok().text == "4"
        lab.run("import pyspark_connect_web as pcw; pcw.install()", 60).expect_ok()
        lab.run(
            "from pyspark.sql import SparkSession\n"
            f"address = 'sc://127.0.0.1:{server.port}/;transport=grpcweb'\n"
            "spark = SparkSession.builder.remote(address).getOrCreate()"
        ).expect_ok()
        rows = lab.run("spark.range(3).collect()", 60).expect_ok()
        assert rows.text == "[Row(id=0), Row(id=1), Row(id=2)]"

    with contextlib.ExitStack() as pages:
        with_stock_kernel(lambda: pages.enter_context(lab_page(browser, server)), work)


def test_page_that_is_not_isolated_says_so_with_the_remedy(
    browser: Browser, start_lab: StartLab, screenshots: Path
) -> None:
    with lab_page(browser, start_lab("--PcwExtension.isolation=off")) as lab:
        lab.open().new_notebook()
        assert lab.run("1 + 1").text == "2"
        banner = lab.page.locator(".pcw-Banner[data-pcw-kind='warning']")
        banner.wait_for()
        assert "Cross-Origin-Opener-Policy" in banner.inner_text()
        assert "This page is not cross-origin isolated" in (lab.run("input()").error or "")
        lab.screenshot(screenshots, "not-isolated")


def test_failed_start_is_told_in_the_notebook_and_can_be_tried_again(
    browser: Browser, server: JupyterProcess, screenshots: Path
) -> None:
    with lab_page(browser, server) as lab:
        # before the page loads the runtime ahead
        lab.context.route("**/pcw/runtime/*/pyodide/pyodide.mjs", lambda route: route.abort())
        late: list[Route] = []
        lab.context.route("**/pcw/runtime/*/kernel/snapshot.bin", lambda route: late.append(route))
        lab.open()
        index = lab.new_notebook().submit("1 + 1")
        banner = lab.page.locator(".pcw-Banner[data-pcw-kind='error']")
        banner.wait_for(timeout=120_000)
        output = lab.page.locator(".jp-OutputArea-output", has_text="Error").first
        output.wait_for(timeout=120_000)
        lab.screenshot(screenshots, "failed-start")
        # What arrives after the failure is no progress of the start.
        for route in late:
            with lab.context.expect_event(
                "requestfinished", lambda request: request.url.endswith("snapshot.bin")
            ):
                route.continue_()
        lab.page.wait_for_timeout(1000)
        assert banner.is_visible()
        lab.context.unroute_all()
        assert index == 0
        banner.get_by_role("button", name="Try again").click()
        banner.wait_for(state="detached")
        assert lab.run("3 * 4").text == "12"
