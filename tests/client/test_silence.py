"""Queries that say nothing for long: PySpark itself, on Sail, directly and through a real nginx.

The times are nginx's and ours divided by thirty and ten: nginx gives up after 2 s in place of 60.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.hosts import running
from tests.support.jupyter import free_port
from tests.support.nginx import nginx_command
from tests.support.paths import REPOSITORY
from tests.support.server import start
from tests.support.web import Site

PATIENCE = 2
"""Seconds that nginx waits for the next byte."""
SILENCE = 6
"""Seconds that the query says nothing: Sail gives no sign of life while Python code runs."""

QUERY = """
import sys, time, warnings
warnings.simplefilter("ignore")
import pyspark_connect_web
pyspark_connect_web.install()
from pyspark.sql.connect.session import SparkSession
from pyspark.sql.connect.functions import udf
from pyspark.sql.types import LongType

spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
assert spark.range(3).count() == 3
# what is asked again from here on is asked because an answer ended in good order
spark.client.set_retry_policies([])
seconds = float(sys.argv[2])
slowly = udf(lambda value: time.sleep(seconds) or value + 41, LongType())
rows = spark.range(1, 2).select(slowly("id").alias("n")).collect()
print("rows", [row.n for row in rows], flush=True)
spark.stop()
"""
"""A query whose Python code takes `argv[2]` seconds; `argv[1]` is where."""


def run_query(url: str, seconds: float = SILENCE) -> subprocess.CompletedProcess[str]:
    """Run it in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", QUERY, url, str(seconds)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        cwd=REPOSITORY,
    )


@contextmanager
def server(folder: Path, silence_limit: float) -> Iterator[Site]:
    """A server whose Sail runs, and whose answers may be silent for `silence_limit` to 1.5 times as many seconds."""
    with start(
        folder, "--PcwExtension.engine=sail", f"--PcwExtension.silence_limit={silence_limit}"
    ) as process:
        site = Site(process)
        # nginx would not wait for the engine's start
        done = run_query(endpoint(site), seconds=0)
        assert done.returncode == 0, done.stderr[-3000:]
        yield site


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server whose answers may be silent for less than nginx waits."""
    with server(tmp_path_factory.mktemp("impatient"), 0.6) as site:
        yield site


@contextmanager
def nginx(folder: Path, site: Site, buffering: str = "on") -> Iterator[int]:
    """The port of an nginx in front of the server."""
    port = free_port()
    config = folder / "site.conf"
    config.write_text(
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{site.process.port};"
        f" proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_read_timeout {PATIENCE}s;"
        f" proxy_buffering {buffering}; }} }}\n"
    )
    with running(nginx_command(folder, config), port, folder / "nginx.log"):
        yield port


def endpoint(site: Site, port: int | None = None) -> str:
    """The address of its endpoint for PySpark; behind another server on `port`, if given."""
    port = port or site.process.port
    return f"http://127.0.0.1:{port}/pcw/grpc/default;token={site.process.token}"


def calls(site: Site, method: str) -> dict[str, int]:
    """How many calls of a method ended, by status."""
    text = site.request("GET", "metrics").body.decode()
    found = re.findall(
        rf'^pcw_calls_total\{{code="(\w+)",endpoint="default",method="{method}"\}} (\S+)$', text, re.M
    )
    return {code: int(float(value)) for code, value in found}


def test_query_whose_python_code_takes_longer_than_an_answer_may_be_silent_gives_its_rows(
    impatient: Site,
) -> None:
    """Sail refuses to be asked for the rest while the code runs: it must not be asked."""
    before = calls(impatient, "ReattachExecute").get("OK", 0)
    done = run_query(endpoint(impatient))
    assert done.stdout.endswith("rows [42]\n"), done.stderr[-3000:]
    assert calls(impatient, "ReattachExecute")["OK"] >= before + 3
    assert set(calls(impatient, "ReattachExecute")) == set(calls(impatient, "ExecutePlan")) == {"OK"}


@pytest.mark.parametrize("buffering", ["on", "off"])
def test_nginx_does_not_cut_a_silent_query(impatient: Site, tmp_path: Path, buffering: str) -> None:
    with nginx(tmp_path, impatient, buffering) as port:
        done = run_query(endpoint(impatient, port))
    assert done.stdout.endswith("rows [42]\n"), done.stderr[-3000:]
    assert set(calls(impatient, "ReattachExecute")) == {"OK"}


def test_nginx_cuts_a_query_where_answers_may_be_silent(tmp_path: Path) -> None:
    """The tests above would show nothing if it did not."""
    with server(tmp_path, 0) as site, nginx(tmp_path, site) as port:
        done = run_query(endpoint(site, port))
    assert done.returncode != 0
    assert re.search("504|Gateway|cut in the middle", done.stderr), done.stderr[-3000:]
