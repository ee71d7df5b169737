"""Local data to the server, from the browser kernel against the ordinary client with pyarrow, in turns.

Result: for each case, and `ratio`, the worst one's: as `python -m bench collect`, and

    copies     growth of the browser's heap, with the rows that a case makes, / bytes that travel, where that is known

Cases: `rows`, `createDataFrame` of tuples (long, double, string) and its count; `relation`, a local relation of
64 MiB (strings), which PySpark sends as a cached artifact; `archive`, `addArtifact` of a file of 100 MiB.
"""

from __future__ import annotations

import argparse
from typing import Any

from bench._clients import MIB, PRELUDE, clients, interleave, summary

ROWS = """
data = [(i, i * 0.5, f"row {{i}}") for i in range({rows})]
found = measure(lambda: spark.createDataFrame(data, "id long, value double, name string").count())
assert found == {rows}, found
del data
"""

RELATION = """
text = "x" * 1023
data = [(f"{{i % 10}}{{text}}",) for i in range({mib} * 1024)]
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
        natively, ours, grown = interleave(who, cases, chosen.rounds)
    result = summary(natively, ours)
    for case, size in sizes.items():
        result[case]["copies"] = round(grown[case] / size, 1)
    return result
