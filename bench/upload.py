"""Local data to the server, from the browser kernel against the ordinary client with pyarrow, in turns.

Result: for each case, and `ratio`, the worst one's: as `python -m bench collect`, and

    artifact_copies   growth of the memory of all of Chromium's processes, at most, / bytes of a file of /drive that
                      `addArtifact` sends, in a page of its own. About one is that of Chromium's developer tools, which
                      the page is driven with: they keep up to 100 MiB of responses
    relation_copies   the same for a local relation; the rows were there before
    relation_heap_copies, artifact_heap_copies
                      growth of Python's own memory (WebAssembly's) in the same run

Cases: `rows`, `createDataFrame` of tuples (long, double, string) and its count; `relation`, a local relation of
64 MiB (strings), which PySpark sends as a cached artifact; `archive`, `addArtifact` of a file of 100 MiB.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from bench._clients import MIB, PRELUDE, InBrowser, clients, interleave, summary
from tests.support.lab_page import LabPage, lab_page
from tests.support.memory import PeakOfChromium

ROWS = """
data = [(i, i * 0.5, f"row {{i}}") for i in range({rows})]
found = measure(lambda: spark.createDataFrame(data, "id long, value double, name string").count())
assert found == {rows}, found
del data
"""

RELATION = """
text = "x" * 1016
data = [(f"{{i:08}}{{text}}",) for i in range({mib} * 1024)]
found = measure(lambda: spark.createDataFrame(data, "s string").selectExpr("sum(length(s))").collect()[0][0])
assert found == {mib} * 1024 * 1024, found
del data
"""

ARCHIVE = """
import itertools, os, tempfile
numbers = globals().get("numbers") or itertools.count()
path = os.path.join(tempfile.gettempdir(), f"pcw_{{sys.platform}}_{{next(numbers)}}_{{time.time_ns()}}.bin")
with open(path, "wb") as file:
    for _ in range({mib}):
        file.write(os.urandom(65536) * 16)
measure(lambda: spark.addArtifact(path, file=True))
os.remove(path)
"""


HEAP = """
import gc, pyodide_js
gc.collect()
print(json.dumps({"heap": pyodide_js._module.HEAP8.length}))
"""

FRAME = """
text = "x" * 1016
data = [(f"{{i:08}}{{text}}",) for i in range({mib} * 1024)]
"""


def copies(page: LabPage, prepare: str, code: str, size: int) -> tuple[float, float]:
    """By how much the memory of Chromium, and of Python in it, grows at most while a cell runs, / `size`."""
    browser = page.context.browser
    assert browser is not None
    with lab_page(browser, page.server) as fresh:
        kernel = InBrowser(fresh.open().new_notebook())
        kernel.run(f"import json\nspark.range(1).collect()\n{prepare}")
        before = kernel.run(HEAP)["heap"]
        with PeakOfChromium() as peak:
            kernel.run(code)
        return round(peak.grown / size, 2), round((kernel.run(HEAP)["heap"] - before) / size, 2)


def main(arguments: list[str]) -> dict[str, Any]:
    """Run every case; returns the figures of the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m bench upload")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of long, double, string")
    parser.add_argument("--relation", type=int, default=64, help="MiB of the local relation")
    parser.add_argument("--archive", type=int, default=100, help="MiB of the file")
    parser.add_argument("--rounds", type=int, default=3, help="pairs that count")
    parser.add_argument("--engine", choices=("spark", "sail"), default="spark")
    chosen = parser.parse_args(arguments)
    cases = {
        "rows": ROWS.format(rows=chosen.rows),
        "relation": RELATION.format(mib=chosen.relation),
        "archive": ARCHIVE.format(mib=chosen.archive),
    }
    sizes = {"relation": chosen.relation * MIB, "archive": chosen.archive * MIB}
    with clients(chosen.engine) as who:
        for client in who:
            client.run(PRELUDE)
        natively, ours = interleave(who, cases, chosen.rounds)
        page = who[1].page
        file = page.server.root / "upload.bin"
        file.write_bytes(os.urandom(sizes["archive"]))
        archive = copies(page, "", f"spark.addArtifact('/drive/{file.name}', file=True)", sizes["archive"])
        frame = FRAME.format(mib=chosen.relation)
        relation = copies(page, frame, "spark.createDataFrame(data, 's string')", sizes["relation"])
    result = summary(natively, ours)
    result["artifact_copies"], result["artifact_heap_copies"] = archive
    result["relation_copies"], result["relation_heap_copies"] = relation
    return result
