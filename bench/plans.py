"""Large and deep plans: the browser kernel against the ordinary client, what each does before anything is sent.

Result: for each case its ratio, and the worst one's:

    cases       [{name, ratio, ratio_min, ratio_max, seconds, native_seconds, peak_heap_mib, native_peak_rss_mib}];
                ratio is seconds in the browser / seconds of the ordinary client, median over the rounds' pairs.
                A case that the browser kernel cannot do has `ratio` null and its `error`
    max_ratio   the highest ratio; null when a case failed

Cases: `isin`, 10,000 values; `select`, 1,000 expressions; `udfs`, 30 functions beside an f-string, where the second
query is measured, and the eight after it: the figure is their median, since one is over in milliseconds, for which
another process may have the processor; `rows`, `createDataFrame` of 100,000 rows; `steps`, 500 times `withColumn`.
"""

from __future__ import annotations

import argparse
import os
import statistics
from typing import Any

from bench._clients import MIB, PRELUDE, InBrowser, Native, clients, median_of

SETUP = """
from pyspark.sql import functions as F

def sent(df):
    return len(df._plan.to_proto(spark.client).SerializeToString())
"""

ISIN = """
base = spark.range(10)
size = measure(lambda: sent(base.where(F.col("id").isin(list(range(10_000))))))
assert size > 10_000, size
"""

SELECT = """
base = spark.range(10)
size = measure(lambda: sent(base.select(*[(F.col("id") + i).alias(f"c{i}") for i in range(1_000)])))
assert size > 10_000, size
"""

UDFS = """
name = "n"
text, df = f"{name}", spark.range(10).select(*[F.udf(lambda x, i=i: x + i, "long")("id") for i in range(30)])
sent(df)
size = measure(lambda: sent(df), times=9)
assert size > 3_000, size
"""

ROWS = """
rows = [(i, i * 0.5, f"row {i}") for i in range(100_000)]
size = measure(lambda: sent(spark.createDataFrame(rows, "id long, value double, name string")))
assert size > 100_000, size
del rows
"""

STEPS = """
def steps():
    df = spark.range(1)
    for i in range(500):
        df = df.withColumn(f"c{i}", F.lit(i))
    return sent(df)

size = measure(steps)
assert size > 10_000, size
"""

CASES = {"isin": ISIN, "select": SELECT, "udfs": UDFS, "rows": ROWS, "steps": STEPS}


def main(arguments: list[str]) -> dict[str, Any]:
    """Run every case; returns the figures of the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m bench plans")
    parser.add_argument("--rounds", type=int, default=5, help="pairs that count, after one that does not")
    parser.add_argument("--engine", choices=("spark", "sail"), default="spark")
    chosen = parser.parse_args(arguments)
    with clients(chosen.engine) as who:
        for client in who:
            client.run(PRELUDE + SETUP)
        cases = [case(name, who, chosen.rounds) for name in CASES]
    ratios = [found["ratio"] for found in cases]
    return {
        "cases": cases,
        "max_ratio": None if None in ratios else max(ratios),
        "load_average": round(os.getloadavg()[0], 1),
    }


def case(name: str, who: tuple[Native, InBrowser], rounds: int) -> dict[str, Any]:
    """One case in both, in turns and each first in every other round."""
    found: tuple[list[dict[str, float]], list[dict[str, float]]] = ([], [])
    for number in range(rounds + 1):
        for index in (0, 1) if number % 2 else (1, 0):
            try:
                figures = who[index].run(CASES[name])
            except AssertionError as error:  # a cell of the browser kernel failed: that is a result, too
                if index == 0:
                    raise
                return {"name": name, "ratio": None, "error": str(error)[-300:]}
            print(f"{('ordinary', 'browser')[index]} {name}: {figures['seconds']:.3f} s")
            if number:
                found[index].append(figures)
    natively, ours = found
    ratios = [mine["seconds"] / theirs["seconds"] for mine, theirs in zip(ours, natively, strict=True)]
    return {
        "name": name,
        "ratio": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "seconds": round(median_of(ours, "seconds"), 3),
        "native_seconds": round(median_of(natively, "seconds"), 3),
        "peak_heap_mib": round(max(figures["heap"] for figures in ours) / MIB),
        "native_peak_rss_mib": round(max(figures["heap"] for figures in natively) / MIB),
    }
