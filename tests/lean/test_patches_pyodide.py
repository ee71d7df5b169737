"""The places that are patched in a browser kernel only, in its Python and with its packages."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from pathlib import Path

from pyspark_connect_web.patches.table import PACKAGES, PATCHES

from pcw_server_ext.runtime.bundle import Bundle
from tests.lean.running import HERE
from tests.support.paths import CLIENT, REPOSITORY


def test_every_place_exists_in_a_browser_kernel(pyodide_core: Path, tmp_path: Path) -> None:
    for file in Bundle.load(REPOSITORY / "pcw_server_ext" / "runtime" / "bundle").files():
        if file.path.endswith(".whl") and "pyspark_connect_web" not in file.path:
            with zipfile.ZipFile(io.BytesIO(file.read())) as wheel:
                wheel.extractall(tmp_path)
    run = subprocess.run(
        [
            "node",
            HERE / "scripts" / "pyodide.mjs",
            pyodide_core,
            HERE / "scripts" / "places_in_pyodide.py",
            CLIENT,
            tmp_path,
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    told = json.loads(run.stdout.splitlines()[-1])
    assert told["gone"] == []
    assert told["rows"] == len(PATCHES)
    assert set(told["versions"]) == set(PACKAGES)
    assert told["spark"] == "SparkSession"
