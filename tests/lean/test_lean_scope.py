"""Stand-ins are seen by PySpark only, however and whenever its modules are loaded."""

from __future__ import annotations

import compileall
import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import zstandard

from tests.lean.running import HERE, run_script
from tests.support.paths import CLIENT

CASES = [
    "only PySpark sees them",
    "bare main",
    "PySpark imported before",
    "without py4j",
    "dependency check and doctests",
    "sources and tracebacks",
    "parts that need pandas",
    "nothing to do",
]


@pytest.mark.parametrize("case", CASES)
def test_scope(case: str) -> None:
    assert run_script("scope.py", case, hidden=True) == ["fine"]


def test_a_user_module_of_the_same_name(tmp_path: Path) -> None:
    assert run_script("scope.py", "a package of the user's own", str(tmp_path), hidden=True) == ["fine"]


def test_stand_ins_for_missing_packages() -> None:
    lines = run_script("scope.py", "missing packages", hidden=True)
    assert zstandard.decompress(bytes.fromhex(lines[0])) == b"abc" * 100_000


def test_stand_ins_travel_as_the_real_thing() -> None:
    raw = bytes.fromhex(run_script("scope.py", "pickles", hidden=True)[0])
    assert b"pyspark_connect_web" not in raw
    *held, annotated = pickle.loads(raw)
    assert held == [pa, pa.types, pa.RecordBatch, pa.StructType, pd.DataFrame, np.ndarray]
    batch = pa.record_batch({"a": [1]})
    assert annotated([batch]).to_pylist() == [{"a": 1}]
    assert annotated.__annotations__["return"] is pa.Table


@pytest.mark.parametrize("sizes", [0, 1, 131071, 131072, 131073, 400000])
def test_stored_zstandard_frames(sizes: int) -> None:
    from pyspark_connect_web.lean.standins.zstandard import _stored

    plain = bytes(range(256)) * (sizes // 256 + 1)
    assert zstandard.decompress(_stored(plain[:sizes])) == plain[:sizes]


@pytest.mark.parametrize("mode", [None, "unchecked-hash"])
def test_compiled_pyspark(tmp_path: Path, mode: str | None) -> None:
    """Modules as `.pyc` in place of their sources, as a packed site-packages has them."""
    spec = importlib.util.find_spec("pyspark")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).parent
    site = tmp_path / "site"
    shutil.copytree(
        source,
        site / "pyspark",
        ignore=lambda folder, names: [
            n
            for n in names
            if n
            in ("jars", "examples", "bin", "sbin", "data", "licenses", "pandas", "ml", "mllib", "__pycache__")
            and not (n == "pandas" and folder.endswith("sql"))
        ],
    )
    import py_compile

    invalidation = py_compile.PycInvalidationMode.UNCHECKED_HASH if mode else None
    compileall.compile_dir(site, quiet=1, legacy=True, invalidation_mode=invalidation, workers=1)
    for path in site.rglob("*.py"):
        path.unlink()
    result = subprocess.run(
        [
            sys.executable,
            str(HERE / "hidden.py"),
            str(HERE / "scripts" / "scope.py"),
            "compiled without source",
        ],
        env={**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{CLIENT}"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (result.stdout, result.returncode) == ("fine\n", 0), result.stderr
