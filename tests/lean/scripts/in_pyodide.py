"""Reads and rewrites recorded streams in Pyodide; prints what it read."""

import json
import pathlib
import sys

client, streams = folders  # type: ignore[name-defined]  # noqa: F821 - set by pyodide.mjs
sys.path.insert(0, client)

from pyspark_connect_web.lean.arrow.arrays import Array  # noqa: E402
from pyspark_connect_web.lean.arrow.encode import encode  # noqa: E402
from pyspark_connect_web.lean.arrow.errors import ArrowNotImplementedError  # noqa: E402
from pyspark_connect_web.lean.arrow.streams import RecordBatchStreamReader, stream_bytes  # noqa: E402
from pyspark_connect_web.lean.arrow.tables import Table  # noqa: E402

for path in sorted(pathlib.Path(streams).glob("*.arrows")):
    table = RecordBatchStreamReader(path.read_bytes()).read_all()
    path.with_suffix(".back").write_bytes(stream_bytes(table))
    try:
        built = [Array(encode(column.to_pylist(), column.type)) for column in table.columns]
    except ArrowNotImplementedError:
        pass  # dictionaries, views and runs are read but never built
    else:
        path.with_suffix(".built").write_bytes(stream_bytes(Table.from_arrays(built, schema=table.schema)))
    print(json.dumps([path.stem, [repr(column.to_pylist()) for column in table.columns]]))
