"""`collect()` in the browser kernel against the ordinary client with pyarrow, on the same server, in turns.

Result: for each case, and `ratio`, the worse one's:

    ratio                 seconds in the browser / seconds of the ordinary client, median over the rounds' pairs
    seconds, native_seconds
    peak_heap_mib         size of the WebAssembly heap afterwards: it never shrinks
    native_peak_rss_mib   peak resident memory of the ordinary client's process

Cases: `rows`, long, double and string; `nested`, wide rows of arrays, maps and structs.
"""

from __future__ import annotations

import argparse
from typing import Any

from bench._clients import PRELUDE, clients, interleave, summary

ROWS = """
df = spark.range({rows}).selectExpr("id", "id * 0.5 AS value", "concat('row ', id) AS name")
rows = measure(df.collect)
assert len(rows) == {rows} and rows[-1].name == "row {last}", rows[-1]
del rows
"""

NESTED = """
wide = [f"named_struct('a', id + {{i}}, 'b', cast(id AS string), 'c', array(id, id + 1)) AS s{{i}}" for i in range(4)]
wide += [f"map('k', id, 'l', id + {{i}}) AS m{{i}}" for i in range(2)]
wide += [f"array(cast(id AS double), {{i}}.5D, NULL) AS l{{i}}" for i in range(4)]
wide += [f"id + {{i}} AS n{{i}}" for i in range(10)]
df = spark.range({rows}).selectExpr("id", *wide)
rows = measure(df.collect)
assert len(rows) == {rows} and rows[-1].s3.a == {last} + 3 and rows[-1].m1["l"] == {last} + 1, rows[-1]
del rows
"""


def main(arguments: list[str]) -> dict[str, Any]:
    """Run every case; returns the figures of the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m bench collect")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of long, double, string")
    parser.add_argument("--nested", type=int, default=100_000, help="wide nested rows")
    parser.add_argument("--rounds", type=int, default=5, help="pairs that count")
    parser.add_argument("--engine", choices=("spark", "sail"), default="spark")
    chosen = parser.parse_args(arguments)
    cases = {
        "rows": ROWS.format(rows=chosen.rows, last=chosen.rows - 1),
        "nested": NESTED.format(rows=chosen.nested, last=chosen.nested - 1),
    }
    with clients(chosen.engine) as who:
        for client in who:
            client.run(PRELUDE)
        natively, ours = interleave(who, cases, chosen.rounds)
    return summary(natively, ours)
