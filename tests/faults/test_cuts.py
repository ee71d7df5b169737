"""A result of 4,000,000 rows whose connection is cut at a random place arrives complete and exactly once.

The cut is between Jupyter server and Spark, or between client and Jupyter server. PCW_TEST_CUTS sets how many; `make
faults` makes 50.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.faults.client import Client
from tests.support.cutter import Cutter
from tests.support.server import start
from tests.support.spark import SparkServer, spark_missing

VENV = Path(os.environ.get("PCW_TEST_SPARK_VENV", Path(sys.prefix))).absolute()
REPOSITORY = Path(__file__).parents[2]
ROWS = 4_000_000
CUTS = int(os.environ.get("PCW_TEST_CUTS", "10"))
# eight bytes a row, and some for the frames
SIZE = ROWS * 8 + 100_000

pytestmark = [pytest.mark.spark, pytest.mark.nightly, pytest.mark.timeout(1800)]


class Chain:
    """Client, cutter, Jupyter server, cutter, Spark."""

    def __init__(self, spark: SparkServer, folder: Path) -> None:
        self.spark = spark
        self.upstream = Cutter(spark.port)
        self.jupyter = start(
            folder / "jupyter",
            f"--PcwExtension.endpoints={{'default': 'sc://127.0.0.1:{self.upstream.port}'}}",
        )
        self.browser = Cutter(self.jupyter.port)
        token = self.jupyter.token
        url = f"http://127.0.0.1:{self.browser.port}/pcw/grpc/default;token={token}"
        self.client = Client(url, folder)

    def stop(self) -> None:
        """End all but Spark."""
        self.client.stop()
        self.browser.close()
        self.jupyter.stop()
        self.upstream.close()


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    missing = spark_missing(VENV)
    if missing is not None:
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("cuts")
    with SparkServer(VENV, folder, folder / "state", timeout=150) as spark:
        made = Chain(spark, folder)
        yield made
        made.stop()


def is_complete(answer: dict[str, Any]) -> bool:
    return (answer["rows"], answer["sum"], answer["distinct"]) == (ROWS, ROWS * (ROWS - 1) // 2, ROWS)


def test_result_that_is_cut_anywhere_arrives_complete_and_once(chain: Chain) -> None:
    random = Random(20_261)
    chain.client.ask(ROWS)
    assert is_complete(chain.client.read(180)), "already the undisturbed result is wrong"
    complete, refused = 0, []
    for number in range(CUTS):
        cutter = chain.upstream if number % 2 == 0 else chain.browser
        before = cutter.cuts
        cutter.arm(f"cut-{number}".encode(), random.randrange(1, SIZE), reset=random.random() < 0.5)
        chain.client.ask(ROWS, f"cut-{number}")
        answer = chain.client.read(180)
        cutter.disarm()
        assert cutter.cuts == before + 1, "the result was over before the cut"
        if answer["error"] is None:
            assert is_complete(answer), f"cut {number}: {answer}"
            complete += 1
        else:
            refused.append(answer["error"])
    print(f"{CUTS} cuts: {complete} complete, {len(refused)} clear errors {sorted(set(refused))}")
    # a clear error is allowed; when it is the rule, reattach does not work
    assert complete >= CUTS * 0.9


def test_spark_that_is_killed_ends_in_a_clear_error(chain: Chain) -> None:
    chain.client.ask(200_000_000)
    with pytest.raises(AssertionError, match="hangs"):
        chain.client.read(2)
    os.killpg(chain.spark.process.pid, signal.SIGKILL)
    answer = chain.client.read(900)
    assert answer["error"] is not None
    assert "UNAVAILABLE" in answer["error"] or "reached" in answer["error"] or "lost" in answer["error"]
