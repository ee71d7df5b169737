"""Runs the examples in PySpark's docstrings with whatever client is installed here, as PySpark's own tests do.

It needs nothing but PySpark and the standard library, so that one file runs on CPython and in a browser kernel.
"""

from __future__ import annotations

import doctest
import importlib
import json
import os
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL

MODULES = {
    "column": "pyspark.sql.column",
    "dataframe": "pyspark.sql.dataframe",
    "functions.builtin": "pyspark.sql.connect.functions.builtin",
    "group": "pyspark.sql.connect.group",
    "window": "pyspark.sql.window",
    "catalog": "pyspark.sql.connect.catalog",
    "readwriter": "pyspark.sql.connect.readwriter",
    "conf": "pyspark.sql.connect.conf",
    "session": "pyspark.sql.connect.session",
    "types": "pyspark.sql.types",
    "tvf": "pyspark.sql.connect.tvf",
    "udf": "pyspark.sql.udf",
    "udtf": "pyspark.sql.udtf",
    "observation": "pyspark.sql.connect.observation",
    "streaming.query": "pyspark.sql.connect.streaming.query",
    "streaming.readwriter": "pyspark.sql.connect.streaming.readwriter",
}
"""Short name -> where the docstrings are: where PySpark's own tests of Spark Connect take them from."""

LEFT_OUT = {"session": ("SparkSession", "SparkSession.Builder.master")}
"""Docstrings that PySpark's own tests of Spark Connect leave out: they need a local JVM."""


def _runs(example: doctest.Example) -> bool:
    return not example.options.get(doctest.SKIP)


def find(name: str) -> list[doctest.DocTest]:
    """The docstrings with examples of one of `MODULES`, in the order of their names; shared ones once."""
    module = importlib.import_module(MODULES[name])
    found: list[doctest.DocTest] = []
    seen: set[str] = set()
    left_out = {f"{module.__name__}.{rest}" for rest in LEFT_OUT.get(name, ())}
    for test in sorted(doctest.DocTestFinder(exclude_empty=True).find(module, globs={})):
        text = test.docstring or ""
        if any(map(_runs, test.examples)) and test.name not in left_out and text not in seen:
            seen.add(text)
            found.append(test)
    return found


class _Recorder(doctest.DocTestRunner):
    """Keeps what failed in place of printing it."""

    def __init__(self) -> None:
        super().__init__(verbose=False, optionflags=FLAGS)
        self.failed: list[dict[str, Any]] = []

    def report_start(self, out: Any, test: Any, example: Any) -> None:
        pass

    def report_success(self, out: Any, test: Any, example: Any, got: str) -> None:
        pass

    def report_failure(self, out: Any, test: Any, example: doctest.Example, got: str) -> None:
        self._keep(example, got)

    def report_unexpected_exception(self, out: Any, test: Any, example: Any, exc_info: Any) -> None:
        text = "".join(traceback.format_exception_only(*exc_info[:2]))
        frames = "".join(traceback.format_tb(exc_info[2])[-3:])
        self._keep(example, f"{text[:1500]}\n{frames}")

    def _keep(self, example: doctest.Example, got: str) -> None:
        self.failed.append({"code": example.source, "expected": example.want, "got": got[:4000]})


def run(name: str, test: doctest.DocTest, remote: str) -> dict[str, Any]:
    """Run one docstring in a namespace like its module's; returns its examples, failures and seconds."""
    from pyspark.sql import SparkSession

    module = importlib.import_module(MODULES[name])
    test.globs = {key: value for key, value in vars(module).items() if key != "__builtins__"}
    if name == "session":
        test.globs["SparkSession"] = SparkSession
    began = time.monotonic()
    recorder = _Recorder()
    try:
        test.globs["spark"] = SparkSession.builder.remote(remote).getOrCreate()
        recorder.run(test, out=lambda text: None, clear_globs=True)
    except Exception:  # noqa: BLE001 - whatever is raised is the result
        recorder.failed.append({"code": "(session)", "expected": "", "got": traceback.format_exc()})
    return {
        "examples": sum(map(_runs, test.examples)),
        "failed": recorder.failed,
        "seconds": round(time.monotonic() - began, 2),
    }


def tidy(remote: str) -> None:
    """Drop what examples left in the catalog, and stop their streams."""
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.remote(remote).getOrCreate()
    try:
        for query in spark.streams.active:
            query.stop()
        spark.catalog.setCurrentDatabase("default")
        for table in spark.catalog.listTables():
            spark.sql(f"DROP {'VIEW' if 'VIEW' in table.tableType else 'TABLE'} IF EXISTS `{table.name}`")
        for (function,) in spark.sql("SHOW USER FUNCTIONS").collect():
            spark.sql(f"DROP {'FUNCTION' if '.' in function else 'TEMPORARY FUNCTION'} IF EXISTS {function}")
    except Exception as error:  # noqa: BLE001 - an engine without a catalog or streams has nothing to drop
        print(f"not tidied: {error}".splitlines()[0], file=sys.stderr)


def main(
    name: str, remote: str, scratch: str, out: str, first: int = 0, step: int = 1, only: tuple[str, ...] = ()
) -> int:
    """Run the docstrings `first`, `first + step`, ... of a module and write {docstring: result} to `out` as JSON.

    Args:
        remote: connection string of the session.
        scratch: folder for temporary files, by a path that client and server share.
        only: names of docstrings; the others are left out.

    Returns:
        How many docstrings were run.
    """
    os.makedirs(scratch, exist_ok=True)
    tempfile.tempdir = scratch
    warnings.simplefilter("ignore")
    results = {}
    for test in find(name)[first::step]:
        short = test.name.removeprefix(MODULES[name] + ".")
        if not only or short in only:
            results[short] = run(name, test, remote)
    tidy(remote)
    Path(out).write_text(json.dumps(results), encoding="utf-8")
    return len(results)
