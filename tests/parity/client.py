"""Runs docstrings on CPython: `python client.py MODE REMOTE SCRATCH OUT MODULE [DOCSTRING ...] [-- OUT MODULE ...]`.

MODE is `native` (the ordinary client), `full` (ours over grpc-web with the real pyarrow and pandas) or `lean` (ours
with stand-ins). For `lean`, `tests/lean/hidden.py` runs this script, so that the real packages are not found.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

if sys.argv[1] != "native":
    import pyspark_connect_web

    pyspark_connect_web.install(lean=sys.argv[1] == "lean", threads=sys.argv[1] != "lean")

import docstrings  # type: ignore[import-not-found]

_, _, remote, scratch, *rest = sys.argv
while rest:
    end = rest.index("--") if "--" in rest else len(rest)
    out, name, *only = rest[:end]
    docstrings.main(name, remote, scratch, out, only=tuple(only))
    rest = rest[end + 1 :]
