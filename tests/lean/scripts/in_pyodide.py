"""Reads and rewrites recorded streams in Pyodide; prints what it read."""

import json
import pathlib
import sys

client, streams = folders  # type: ignore[name-defined]  # noqa: F821 - set by pyodide.mjs
sys.path.insert(0, client)

from pyspark_connect_web.lean.arrow.tables import RecordBatchStreamReader, stream_bytes  # noqa: E402

for path in sorted(pathlib.Path(streams).glob("*.arrows")):
    table = RecordBatchStreamReader(path.read_bytes()).read_all()
    path.with_suffix(".back").write_bytes(stream_bytes(table))
    print(json.dumps([path.stem, [repr(column.to_pylist()) for column in table.columns]]))
