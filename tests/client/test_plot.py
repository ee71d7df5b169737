"""`df.plot` with plotly and pandas: our client draws what the native one draws.

On Apache Spark, since embedded Sail has no observed metrics, with which PySpark counts the rows of a plot.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.engines import running_envoy
from tests.support.paths import CLIENT
from tests.support.spark import SharedSpark

KINDS = ("line", "bar", "area", "scatter", "hist")

DRAW = f"""
import json, sys, warnings
warnings.simplefilter("ignore")
remote, ours, plans = sys.argv[1], sys.argv[2] == "ours", {KINDS!r}
if ours:
    sys.path.insert(0, {str(CLIENT)!r})
    import pyspark_connect_web
    pyspark_connect_web.install(lean=False)
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote(remote).getOrCreate()
frame = spark.sql("SELECT id AS x, id * id AS y FROM range(20)").orderBy("x")
drawn = {{}}
for kind in plans:
    arguments = {{"column": "y", "bins": 4}} if kind == "hist" else {{"x": "x", "y": "y"}}
    drawn[kind] = json.loads(getattr(frame.plot, kind)(**arguments).to_json())["data"]
print(json.dumps(drawn))
"""


def draw(remote: str, client: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", DRAW, remote, client],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    drawn: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return drawn


@pytest.fixture(scope="module")
def drawn(
    run_spark: SharedSpark, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("plot")
    with running_envoy(run_spark.port, folder) as web:
        ours = draw(f"sc://{web.removeprefix('http://')}/;transport=grpcweb", "ours", folder)
        return draw(run_spark.remote, "native", folder), ours


@pytest.mark.spark
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_plot_is_the_native_clients(drawn: tuple[dict[str, Any], dict[str, Any]], kind: str) -> None:
    native, ours = drawn
    assert ours[kind] == native[kind]
    assert ours[kind], "nothing was drawn"
