"""Runs `cells.ipy` in an IPython shell: `in_shell.py REMOTE ENGINE HOW`; prints one JSON object.

HOW is `pickled` (the server's Python is this one: what PySpark itself sends) or `source` (as if it were another one).
The object is {cell: {"error": text or null, "printed": text}}; cells that need a newer Python or another engine are
left out.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import warnings

import pyspark_connect_web
from IPython.core.interactiveshell import InteractiveShell

from tests.udf.cells import read_cells

warnings.simplefilter("ignore")
remote, engine, how = sys.argv[1:]
shell = InteractiveShell.instance()
pyspark_connect_web.install(lean=True)

from pyspark.sql import SparkSession  # noqa: E402
from pyspark_connect_web.udf import hooks  # noqa: E402

if how == "source":
    hooks.LOCAL = (0, 0)

spark = shell.user_ns["spark"] = SparkSession.builder.remote(remote).getOrCreate()
results = {}
for cell in read_cells():
    if cell.runs_on(sys.version_info[:2], engine, as_source=how == "source"):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            result = shell.run_cell(cell.checked(), store_history=True)
        error = result.error_before_exec or result.error_in_exec
        results[cell.name] = {"error": None if error is None else str(error), "printed": printed.getvalue()}
spark.stop()
print("\n" + json.dumps(results), flush=True)
# The shell's history thread would outlive the script.
os._exit(0)
