"""The reader and writer where they are used: Python 3.14 in WebAssembly, without tzdata, zstandard or lz4."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pyarrow as pa

from tests.lean.matrix import ARRAYS, BUILDABLE, stream
from tests.lean.running import HERE
from tests.support.paths import CLIENT


def test_streams_in_pyodide(tmp_path: Path, pyodide_core: Path) -> None:
    # the core alone has no zone database: there every zone is UTC, with the same instants
    names = [n for n in ARRAYS if not n.startswith("timestamp ")]
    tables = {name: pa.table({"c": ARRAYS[name]}) for name in names}
    for name, table in tables.items():
        (tmp_path / f"{name}.arrows").write_bytes(stream(table))
        (tmp_path / f"{name}-zstd.arrows").write_bytes(stream(table, compression="zstd"))
        (tmp_path / f"{name}-lz4.arrows").write_bytes(stream(table, compression="lz4"))
    run = subprocess.run(
        [
            "node",
            HERE / "scripts" / "pyodide.mjs",
            pyodide_core,
            HERE / "scripts" / "in_pyodide.py",
            CLIENT,
            tmp_path,
        ],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    read = dict(json.loads(line) for line in run.stdout.splitlines())
    assert len(read) == 3 * len(names)
    for name, table in tables.items():
        expected = [repr(table.column(0).to_pylist())]
        for key in (name, f"{name}-zstd", f"{name}-lz4"):
            assert read[key] == expected, key
            written = [tmp_path / f"{key}.back"]
            if name in BUILDABLE:
                written.append(tmp_path / f"{key}.built")
            for path in written:
                back = pa.ipc.open_stream(path.read_bytes()).read_all()
                back.validate(full=True)
                assert back.equals(table), path.name
