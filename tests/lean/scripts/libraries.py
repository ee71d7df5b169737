"""Tries each library in the lean client: `libraries.py REMOTE ENGINE WHEEL...`; prints one JSON object a library.

The client takes the server's Python for another one, as a browser kernel does: functions travel as source.
"""

from __future__ import annotations

import contextlib
import io
import json
import linecache
import os
import sys
import traceback
import warnings

import pyspark_connect_web as pcw

warnings.simplefilter("ignore")
pcw.install(lean=True)

from pyspark.sql import SparkSession  # noqa: E402
from pyspark_connect_web.udf import hooks  # noqa: E402

from tests.support.libraries import LIBRARIES  # noqa: E402

remote, *wheels = sys.argv[1:]
sys.path += wheels
hooks.LOCAL = (0, 0)
spark = SparkSession.builder.remote(remote).getOrCreate()
for library in LIBRARIES:
    filename = f"<{library.name}>"
    linecache.cache[filename] = (len(library.code), None, library.code.splitlines(keepends=True), filename)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(library.code, filename, "exec"), {"__name__": "__main__", "spark": spark})
    except Exception:  # noqa: BLE001 - told instead of what was to be printed
        printed.write(traceback.format_exc())
    print(json.dumps([library.name, printed.getvalue()]), flush=True)
print(json.dumps(["loaded", sorted({"numpy", "pandas", "pyarrow"} & set(sys.modules))]), flush=True)
os._exit(0)  # the client would try to tell the server
