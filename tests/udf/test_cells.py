"""Functions defined in cells run on a server: pickled by PySpark, and as source, as to a server with another Python.

`tests/browser/parity` runs the same cells in the browser kernel, whose Python really is another one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.engines import running_envoy, running_sail
from tests.support.paths import CLIENT
from tests.support.spark import SharedSpark
from tests.udf.cells import UdfCell, read_cells

REPOSITORY = CLIENT.parent
HIDDEN = REPOSITORY / "tests" / "lean" / "hidden.py"

Seen = dict[str, dict[str, str | None]]


def see(engine: str, how: str, spark: SharedSpark | None, folder: Path) -> Seen:
    """Run the cells in a lean client through grpc-web; {cell: {"error", "printed"}}."""
    with ExitStack() as stack:
        port = spark.port if spark is not None else stack.enter_context(running_sail(folder))
        web = stack.enter_context(running_envoy(port, folder))
        env = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK", "PYSPARK"))}
        done = subprocess.run(
            [sys.executable, str(HIDDEN), str(Path(__file__).with_name("in_shell.py")), web, engine, how],
            cwd=folder,
            env=env | {"PYTHONPATH": f"{CLIENT}:{REPOSITORY}", "IPYTHONDIR": str(folder / "ipython")},
            capture_output=True,
            text=True,
            timeout=400,
        )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    seen: Seen = json.loads(done.stdout.splitlines()[-1])
    return seen


@pytest.fixture(
    scope="module",
    params=[
        ("sail", "pickled"),
        ("sail", "source"),
        pytest.param(("spark", "source"), marks=pytest.mark.spark),
    ],
    ids="-".join,
)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, Seen]:
    engine, how = request.param
    spark = request.getfixturevalue("run_spark") if engine == "spark" else None
    return engine, how, see(engine, how, spark, tmp_path_factory.mktemp(f"{engine}-{how}"))


@pytest.mark.timeout(500)
@pytest.mark.parametrize("cell", read_cells(), ids=lambda cell: cell.name)
def test_function_of_a_cell_runs_on_the_server(run: tuple[str, str, Seen], cell: UdfCell) -> None:
    engine, how, seen = run
    if not cell.runs_on(sys.version_info[:2], engine, as_source=how == "source"):
        pytest.skip(f"needs Python {cell.python} and one of {cell.engines}, or to travel as source")
    found = seen[cell.name]
    cell.verify(found["error"], found["printed"] or "")
