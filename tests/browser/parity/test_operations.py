"""The operations that the clients on CPython are compared by, in the browser kernel, in a time zone that has seconds.

One notebook runs all of them; the ordinary client runs them in the same folder, on the same engine, in the same zone.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.parity.notebook import Notebook
from tests.client import operations
from tests.client.outcomes import Outcome
from tests.client.runner import run_operations
from tests.support.lab_page import LabPage, lab_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

ZONE = "America/New_York"
"""Until 1883 its clocks showed 4:56:02 less than Greenwich's: Emscripten alone is two seconds off."""

IN_KERNEL = [name for name in operations.OPERATIONS if name not in operations.NEED_THREADS]


@pytest.fixture(scope="module")
def page(notebook: Notebook, browser: Browser) -> Iterator[LabPage]:
    """A notebook of its own in `ZONE`, with the operations in its folder."""
    root = notebook.rig.jupyter.root
    folder = root / "tests" / "client"
    folder.mkdir(parents=True)
    for module in (operations, *operations.MODULES):
        shutil.copy(Path(str(module.__file__)), folder)
    with lab_page(browser, notebook.rig.jupyter, timezone_id=ZONE) as lab:
        yield lab.open().new_notebook()


@pytest.fixture(scope="module")
def seen(notebook: Notebook, page: LabPage) -> tuple[dict[str, Outcome], dict[str, Outcome]]:
    """What each operation gave in the browser kernel, and natively."""
    root = notebook.rig.jupyter.root
    page.run("import time\ntime.tzname", 200).expect_ok()
    # Paths that both the kernel and the engine resolve: the engine was started in the kernel's folder.
    page.run(
        "from tests.client import operations\noperations.in_kernel(spark, 'in-browser', 'in-browser.json')",
        600,
    ).expect_ok()
    ours = json.loads((root / "in-browser.json").read_text(encoding="utf-8"))
    native = run_operations(
        "native", notebook.rig.remote, Path("natively"), cwd=root, zone=ZONE, only=IN_KERNEL
    )
    return ours, native


@pytest.mark.parametrize("name", IN_KERNEL)
def test_operation_shows_what_the_native_client_shows(
    seen: tuple[dict[str, Outcome], dict[str, Outcome]], name: str
) -> None:
    ours, native = (dict(results[name]) for results in seen)
    assert "hung" not in native, native["hung"]
    trace = ours.pop("trace", None)
    native.pop("trace", None)
    assert ours == native, trace


def test_kernel_is_in_the_zone_of_its_page(page: LabPage) -> None:
    told = page.run("import datetime\nprint(datetime.datetime.fromtimestamp(1720000000))").expect_ok()
    assert told.text == "2024-07-03 05:46:40\n"


LISTEN = """
from pyspark.sql import SparkSession
from pyspark.sql.streaming.listener import StreamingQueryListener

class Listener(StreamingQueryListener):
    def onQueryStarted(self, event): print('started', event.name)
    def onQueryProgress(self, event): heard.append(event.progress.batchId); print('heard', event.progress.batchId)
    def onQueryIdle(self, event): pass
    def onQueryTerminated(self, event): print('terminated', event.exception)

heard, listener = [], Listener()
spark = SparkSession.builder.getOrCreate()
spark.streams.addListener(listener)
source = spark.readStream.format('rate-micro-batch').option('rowsPerBatch', 4).load()
query = source.writeStream.format('memory').queryName('heard').start()
print('cell ended')
"""

#: A query that is interrupted while Spark 4.3 still plans it leaves a job behind, which nobody ends: it would hold all
#: task slots of the Spark that the tests share.
TELL_TASKS = """
def tell(stages, inflight_tasks, operation_id, done):
    if inflight_tasks: print('tasks run')

spark.registerProgressHandler(tell)
"""

_OUTPUT_OF_RUNNING = """([index, text]) => {
  const model = window.jupyterapp.shell.currentWidget.content.widgets[index].model;
  return model.executionState === 'running' && JSON.stringify(model.outputs.toJSON()).includes(text);
}"""

_OUTPUT_OF = """([index, text]) => {
  const model = window.jupyterapp.shell.currentWidget.content.widgets[index].model;
  return model.executionState === 'idle' && JSON.stringify(model.outputs.toJSON()).includes(text);
}"""


def test_listener_hears_between_cells_and_within_and_outlives_stop(notebook: Notebook, page: LabPage) -> None:
    if notebook.rig.engine == "sail":
        pytest.skip("Sail has no source of streams that the test could use (rate-micro-batch)")
    index = page.submit(LISTEN)
    # No cell runs, and the events show where the listener was made, as with a thread.
    page.page.wait_for_function(_OUTPUT_OF, arg=[index, "heard 0"], timeout=60_000)
    text = page.result(index).expect_ok().text
    assert text.index("started heard") < text.index("cell ended")
    within = page.run(
        "before = len(heard)\n"
        "while len(heard) == before and query.isActive: query.awaitTermination(0.5)\n"
        "print('within', len(heard) > before)",
        60,
    ).expect_ok()
    assert "within True" in within.text
    # Stop ends the cell, not the listener: events that come meanwhile are handed out in the cell that waits.
    index = page.submit(f"{TELL_TASKS}spark.range(0, 10**13, 1, 8).selectExpr('sum(id % 7)').collect()")
    page.page.wait_for_function(_OUTPUT_OF_RUNNING, arg=[index, "heard"], timeout=60_000)
    page.page.wait_for_function(_OUTPUT_OF_RUNNING, arg=[index, "tasks run"], timeout=60_000)
    page.page.evaluate("() => window.jupyterapp.commands.execute('notebook:interrupt-kernel')")
    assert (page.result(index, 60).error or "").startswith("KeyboardInterrupt")
    later = page.run(
        "spark.removeProgressHandler(tell)\nbefore = len(heard)\nprint(query.isActive)", 60
    ).expect_ok()
    assert "True" in later.text
    page.run("while len(heard) == before: query.awaitTermination(0.5)", 60).expect_ok()
    ended = page.run(
        "query.stop(); spark.streams.removeListener(listener)\nprint('each once', heard == sorted(set(heard)))",
        60,
    )
    assert ended.expect_ok().text.endswith("terminated None\neach once True\n")
