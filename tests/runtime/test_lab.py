"""The runtime in a real JupyterLab: loading ahead, slow and failed restores, packages from the server."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, Worker

from tests.runtime.distribution import WHEEL, bundle_with_package, wheel
from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import LabPage, lab_page

pytestmark = pytest.mark.browser

SNAPSHOT = "**/kernel/snapshot.bin*"
NOTEBOOK_IS_THERE = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  return Boolean(panel && panel.content && panel.content.activeCell && panel.context.isReady);
}"""


@pytest.fixture(scope="module")
def server(bundle: Path, tmp_path_factory: pytest.TempPathFactory, venv: Path) -> Iterator[JupyterProcess]:
    """JupyterLab whose packages come from a folder with one compiled wheel."""
    folder = tmp_path_factory.mktemp("lab")
    for name in ("root", "source"):
        (folder / name).mkdir()
    shutil.copy(wheel(), folder / "source")
    with JupyterProcess(
        venv,
        folder / "root",
        folder / "state",
        arguments=(
            "--LabApp.expose_app_in_browser=True",
            "--PcwExtension.engine=sail",
            f"--PcwExtension.runtime_dir={bundle_with_package(bundle, folder / 'bundle')}",
            f"--PcwExtension.packages_source={(folder / 'source').as_uri()}",
        ),
    ) as process:
        yield process


@pytest.fixture
def lab(browser: Browser, server: JupyterProcess) -> Iterator[LabPage]:
    with lab_page(browser, server) as page:
        yield page


def loaded(lab: LabPage) -> list[str]:
    """The files of the runtime that were asked for, by name."""
    return [url.rpartition("/")[2] for url in lab.requests if "/pcw/runtime/" in url]


def test_idle_page_loads_the_runtime_ahead_and_the_kernel_does_not_load_it_again(lab: LabPage) -> None:
    with lab.context.expect_event("requestfinished", lambda request: request.url.endswith("/snapshot.bin")):
        lab.open()
    wanted = {"pyodide.asm.wasm", "manifest.json", "site.json", "pyodide-lock.full.json"}
    end = time.monotonic() + 60
    while not wanted <= set(loaded(lab)):
        assert time.monotonic() < end, f"not loaded: {wanted - set(loaded(lab))}"
        lab.page.wait_for_timeout(50)
    lab.new_notebook()
    assert lab.run("1 + 1").text == "2"
    assert loaded(lab).count("snapshot.bin") == 1
    assert loaded(lab).count("pyodide.asm.wasm") == 1


def test_page_loads_nothing_ahead_when_that_is_switched_off(
    browser: Browser, venv: Path, bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "root").mkdir()
    arguments = ("--LabApp.expose_app_in_browser=True", "--PcwExtension.prefetch=False")
    with (
        JupyterProcess(venv, tmp_path / "root", tmp_path / "state", arguments=arguments) as server,
        lab_page(browser, server) as lab,
    ):
        lab.open()
        # Loading ahead begins when the page is idle, at the latest 5 s after it is there.
        lab.page.wait_for_timeout(6000)
        assert not loaded(lab)
        lab.new_notebook()
        assert lab.run("1 + 1").text == "2"
        assert "snapshot.bin" in loaded(lab)


def test_start_of_over_a_second_shows_its_progress_in_the_notebook(lab: LabPage) -> None:
    held: list[Route] = []
    lab.context.route(SNAPSHOT, lambda route: held.append(route))
    lab.open()
    lab.new_notebook()
    banner = lab.page.locator(".pcw-Banner[data-pcw-kind='progress']")
    banner.wait_for()
    assert "Starting PySpark in this tab" in banner.inner_text()
    for route in held:
        route.continue_()
    assert lab.run("1 + 1").text == "2"
    banner.wait_for(state="detached")


def test_failed_restore_is_one_line_in_the_log_and_the_kernel_works(lab: LabPage) -> None:
    lab.context.route(SNAPSHOT, lambda route: route.abort())
    lab.open()
    lab.new_notebook()
    assert lab.run("spark.range(3).collect()").expect_ok().text == "[Row(id=0), Row(id=1), Row(id=2)]"
    lines = [line for line in lab.console if "Started without the memory snapshot" in line]
    assert len(lines) == 1
    assert "could not be downloaded" in lines[0]


def test_two_kernels_have_sessions_and_names_of_their_own(lab: LabPage) -> None:
    lab.open()
    code = """
import os, random, tempfile, uuid
print(spark.session_id, random.random(), uuid.uuid1(), uuid.uuid4(), tempfile.mktemp(), os.urandom(8).hex())
os.environ["MINE"] = spark.session_id
"""
    seen: set[str] = set()
    for _ in range(2):
        lab.new_notebook()
        assert lab.run("import os; os.environ.get('MINE'), os.getcwd()").text == "(None, '/drive')"
        now = float(lab.run("import datetime; datetime.datetime.now().timestamp()").text)
        assert abs(now - time.time()) < 30
        values = set(lab.run(code).expect_ok().text.split())
        assert len(values) == 6
        assert not values & seen
        seen |= values


def test_compiled_package_is_loaded_from_the_server_by_its_import(
    lab: LabPage, server: JupyterProcess
) -> None:
    lab.open()
    lab.new_notebook()
    text = lab.run("import nanoarrow as na\nna.Array([1, 2, 3], na.int64()).to_pylist()").expect_ok().text
    assert text == "[1, 2, 3]"
    assert loaded(lab).count(WHEEL) == 1
    assert not lab.foreign_requests()
    assert list((server.state / "data" / "pcw" / "packages").glob(f"*/{WHEEL}"))
    # In the lock, but not in the folder that is this server's source.
    failed = lab.run("import scipy")
    assert failed.error is not None
    assert failed.error.startswith("ModuleNotFoundError")
    said = lab.page.evaluate(
        """async () => {
          const config = JSON.parse(JSON.parse(document.getElementById('jupyter-config-data').textContent).pcw);
          const lock = await (await fetch(config.runtimeUrl + 'pyodide/pyodide-lock.full.json')).json();
          const answer = await fetch(config.runtimeUrl + 'pyodide/' + lock.packages.scipy.file_name);
          return [answer.status, await answer.json()];
        }"""
    )
    assert (said[0], said[1]["reason"]) == (503, "unreachable")
    assert "jupyter pcw runtime fetch scipy" in said[1]["message"]


def kernel_workers(lab: LabPage) -> int:
    return sum("kernel.worker" in worker.url for worker in lab.page.workers)


def hold_new_notebooks(lab: LabPage) -> list[Route]:
    """Requests that create a notebook, which wait here."""
    held: list[Route] = []

    def handle(route: Route) -> None:
        if route.request.method == "POST":
            held.append(route)
        else:
            route.continue_()

    lab.context.route("**/api/contents*", handle)
    return held


def test_python_starts_while_the_notebook_is_still_being_made(lab: LabPage) -> None:
    lab.open()
    held = hold_new_notebooks(lab)
    with lab.page.expect_worker(lambda worker: "kernel.worker" in worker.url) as started:
        lab.card().click()
    # Every start fetches the index of files.
    started.value.evaluate(
        """async () => {
          const fetched = name => performance.getEntriesByType('resource').some(entry => entry.name.endsWith(name));
          while (!fetched('/site.json')) await new Promise(resolve => setTimeout(resolve, 20));
        }"""
    )
    held[0].continue_()
    lab.page.wait_for_function(NOTEBOOK_IS_THERE)
    assert lab.run("1 + 1").text == "2"
    assert kernel_workers(lab) == 1
    began, created = lab.page.evaluate(
        """() => {
          const [entry] = performance.getEntriesByName('pcw:kernel-start');
          const { origin, marks } = entry.detail;
          return [origin + marks.begin - performance.timeOrigin, entry.startTime];
        }"""
    )
    assert began < created


def test_worker_that_no_kernel_takes_is_ended(lab: LabPage) -> None:
    lab.context.add_init_script(
        "const wait = setTimeout;"
        "window.setTimeout = (work, ms, ...rest) => wait(work, ms === 30000 ? 1500 : ms, ...rest);"
    )
    lab.open()
    held = hold_new_notebooks(lab)
    ended: list[Worker] = []
    with lab.page.expect_worker(lambda worker: "kernel.worker" in worker.url) as started:
        lab.card().click()
    started.value.on("close", lambda worker: ended.append(worker))
    deadline = time.monotonic() + 60
    while kernel_workers(lab) and not ended and time.monotonic() < deadline:
        lab.page.wait_for_timeout(50)
    assert kernel_workers(lab) == 0
    held[0].continue_()
    lab.page.wait_for_function(NOTEBOOK_IS_THERE)
    assert lab.run("1 + 1").text == "2"
    assert kernel_workers(lab) == 1
