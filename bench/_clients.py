"""One server, two clients in turn: the ordinary one (grpcio, pyarrow) in an ipykernel, and the browser kernel."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.manager import start_new_kernel
from playwright.sync_api import sync_playwright

from tests.parity import runs
from tests.support.lab_page import LabPage, lab_page, launch_chromium

MIB = 1 << 20

Figures = dict[str, list[dict[str, float]]]
"""Case -> what each of its rounds measured."""


class Native:
    """The ordinary client in an ipykernel."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def run(self, code: str) -> dict[str, float]:
        """Run a cell that prints one JSON object last; RuntimeError if it fails."""
        printed: list[str] = []
        errors: list[str] = []

        def output(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream" and content["name"] == "stdout":
                printed.append(content["text"])
            elif message["msg_type"] == "error":
                errors.append(f"{content['ename']}: {content['evalue']}")

        self._client.execute_interactive(code, timeout=900, output_hook=output, allow_stdin=False)
        if errors:
            raise RuntimeError(f"the ordinary client failed: {errors[0]}")
        return last_object("".join(printed))


class InBrowser:
    """The browser kernel in a notebook."""

    def __init__(self, page: LabPage) -> None:
        self.page = page

    def run(self, code: str) -> dict[str, float]:
        """Run a cell that prints one JSON object last; AssertionError if it fails."""
        return last_object(self.page.run(code, timeout=900).expect_ok().text)


def last_object(text: str) -> dict[str, float]:
    """The JSON object in the last line that holds one."""
    lines = [line for line in text.splitlines() if line.startswith("{")]
    found: dict[str, float] = json.loads(lines[-1]) if lines else {}
    return found


@contextmanager
def clients(engine: str) -> Iterator[tuple[Native, InBrowser]]:
    """Start the engine, a Jupyter server, Chromium and both kernels."""
    venv = Path(os.environ.get("PCW_TEST_VENV", sys.prefix)).absolute()
    folder = Path(tempfile.mkdtemp(prefix="pcw-bench-"))
    try:
        with (
            runs.rig(engine, venv, Path(sys.prefix), folder, more=MEMORY) as rig,
            native(rig) as ordinary,
            sync_playwright() as playwright,
        ):
            chromium = launch_chromium(playwright)
            with lab_page(chromium, rig.jupyter) as page:
                yield ordinary, InBrowser(page.open().new_notebook())
            chromium.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


MEMORY = {"spark.driver.memory": "3g"}


@contextmanager
def native(rig: runs.Rig) -> Iterator[Native]:
    """The ordinary client on the rig's engine."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(rig.jupyter.root))
    try:
        found = Native(client)
        found.run(
            textwrap.dedent(f"""
            import warnings
            warnings.simplefilter("ignore")
            from pyspark.sql import SparkSession
            spark = SparkSession.builder.remote({rig.remote!r}).getOrCreate()
            spark.range(1).collect()
            """)
        )
        yield found
    finally:
        client.stop_channels()
        with contextlib.suppress(RuntimeError):
            manager.shutdown_kernel(now=True)


PRELUDE = """
import gc, json, sys, time

def heap():
    if sys.platform == "emscripten":  # it grows and never shrinks: its size is the peak
        import pyodide_js
        return pyodide_js._module.HEAP8.length
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def measure(work, times=1):
    taken = []
    for _ in range(times):
        gc.collect()
        began = time.perf_counter()
        kept = work()
        taken.append(time.perf_counter() - began)
    seconds = sorted(taken)[times // 2]
    print(json.dumps({"seconds": seconds, "heap": heap()}), flush=True)
    return kept
"""


def interleave(who: tuple[Native, InBrowser], cases: dict[str, str], rounds: int) -> tuple[Figures, Figures]:
    """Run each case in both, in turns and each first in every other round, after one round that is not counted."""
    found: tuple[Figures, Figures] = ({}, {})
    for number in range(rounds + 1):
        for case, code in cases.items():
            for index in (0, 1) if number % 2 else (1, 0):
                figures = who[index].run(code)
                print(f"{('ordinary', 'browser')[index]} {case}: {figures['seconds']:.2f} s")
                if number:
                    found[index].setdefault(case, []).append(figures)
    return found


def summary(natively: Figures, ours: Figures) -> dict[str, Any]:
    """Ratios (browser's seconds / ordinary client's, median of the rounds' pairs), seconds and peak heap a case."""
    result: dict[str, Any] = {}
    for case in natively:
        pairs = list(zip(ours[case], natively[case], strict=True))
        ratios = [mine["seconds"] / theirs["seconds"] for mine, theirs in pairs]
        result[case] = {
            "ratio": round(statistics.median(ratios), 3),
            "ratio_min": round(min(ratios), 3),
            "ratio_max": round(max(ratios), 3),
            "seconds": round(median_of(ours[case], "seconds"), 3),
            "native_seconds": round(median_of(natively[case], "seconds"), 3),
            "peak_heap_mib": round(max(figures["heap"] for figures in ours[case]) / MIB),
            "native_peak_rss_mib": round(max(figures["heap"] for figures in natively[case]) / MIB),
        }
    result["ratio"] = max(figures["ratio"] for figures in result.values())
    result["load_average"] = round(os.getloadavg()[0], 1)
    return result


def median_of(figures: Sequence[dict[str, float]], key: str) -> float:
    """The median of one figure."""
    return statistics.median(figure[key] for figure in figures)
