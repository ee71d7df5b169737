"""The browser's client through a real nginx: queries that say nothing for long, connections that die without a word.

nginx gives up after 8 s in place of 60, and the server ends silent answers after 0.6 s in place of 10.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support.cutter import COUNT_REATTACHES, Cutter
from tests.support.hosts import running
from tests.support.jupyter import JupyterProcess, free_port
from tests.support.lab_page import LabPage, lab_page
from tests.support.nginx import nginx_command
from tests.support.spark import SharedSpark

pytestmark = [pytest.mark.browser, pytest.mark.timeout(500)]

PATIENCE = 8
"""Seconds that nginx waits for the next byte of an answer of Spark's."""
SILENCE_LIMIT = 0.6
"""Seconds: less than Spark lets pass between two words about its progress."""
SILENCE = 20
"""Seconds that a query says nothing."""
ROWS = 400_000
HALF = ROWS * 4
"""Bytes: a row has eight."""

PREPARE = f"""{COUNT_REATTACHES}import time
from pyspark.sql.functions import udf
slowly = udf(lambda seconds: time.sleep(seconds) or 41 + seconds, "long")
def run_slowly(seconds):
    return spark.range(seconds, seconds + 1).select(slowly("id").alias("n")).collect()[0].n
assert run_slowly(0) == 41
"""


@dataclass
class Chain:
    """A notebook's page, a cutter, nginx, a Jupyter server, Spark."""

    lab: LabPage
    cutter: Cutter


@pytest.fixture(scope="module", params=["sail", "spark"])
def chain(
    request: pytest.FixtureRequest, browser: Browser, venv: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("chain")
    (folder / "root").mkdir()
    engine = "--PcwExtension.engine=sail"
    if request.param == "spark":
        spark: SharedSpark = request.getfixturevalue("run_spark")
        engine = f"--PcwExtension.endpoints={{'default': '{spark.remote}'}}"
    arguments = (
        "--LabApp.expose_app_in_browser=True",
        f"--PcwExtension.silence_limit={SILENCE_LIMIT}",
        engine,
    )
    port = free_port()
    with JupyterProcess(venv, folder / "root", folder / "state", arguments=arguments) as server:
        config = folder / "site.conf"
        to_server = (
            f"proxy_pass http://127.0.0.1:{server.port}; proxy_http_version 1.1;"
            " proxy_set_header Host $http_host;"
        )
        config.write_text(
            f"server {{ listen 127.0.0.1:{port}; client_max_body_size 0; location / {{ {to_server} }}\n"
            f" location /pcw/grpc/ {{ {to_server} proxy_read_timeout {PATIENCE}s; }} }}\n"
        )
        with running(nginx_command(folder, config), port, folder / "nginx.log"):
            cutter = Cutter(port)
            seen: Any = SimpleNamespace(
                url=server.url.replace(str(server.port), str(cutter.port)),
                token=server.token,
                port=cutter.port,
            )
            with lab_page(browser, seen) as lab:
                lab.open().new_notebook()
                # the first query starts the engine, for which nginx does not wait
                lab.run(
                    "for _ in range(9):\n    try: spark.range(3).count(); break\n    except Exception: pass"
                )
                lab.run(PREPARE).expect_ok()
                yield Chain(lab, cutter)
            cutter.close()


def test_nginx_does_not_cut_a_query_that_says_nothing_and_nothing_is_tried_again(chain: Chain) -> None:
    result = chain.lab.run(
        "reattached.clear(); policies = spark.client._retry_policies; spark.client.set_retry_policies([])\n"
        f"n = run_slowly({SILENCE}); spark.client.set_retry_policies(policies)\n"
        "n, len(reattached) > 2"
    )
    assert result.expect_ok().text == f"({41 + SILENCE}, True)"


def test_query_that_says_nothing_goes_on_when_its_connection_dies(chain: Chain) -> None:
    before = chain.cutter.cuts
    chain.cutter.arm(b"dies-silent", 0, swallow=True)
    result = chain.lab.run("spark.addTag('dies-silent'); n = run_slowly(4); spark.clearTags(); n")
    chain.cutter.disarm()
    assert result.expect_ok().text == "45"
    assert chain.cutter.cuts == before + 1


def test_result_whose_connection_dies_arrives_once_or_is_said_to_be_lost(
    chain: Chain, request: pytest.FixtureRequest
) -> None:
    before = chain.cutter.cuts
    chain.cutter.arm(b"dies-half", HALF, swallow=True)
    result = chain.lab.run(
        f"spark.addTag('dies-half')\nids = [row.id for row in spark.range({ROWS}).collect()]\n"
        f"len(ids), len(set(ids)), sum(ids) == sum(range({ROWS}))"
    )
    chain.cutter.disarm()
    chain.lab.run("spark.clearTags()").expect_ok()
    assert chain.cutter.cuts == before + 1
    if "sail" in request.node.name:
        # it keeps no rest of an answer
        assert "Run it again; if it writes, look first whether it has written." in (result.error or "")
    else:
        assert result.expect_ok().text == f"({ROWS}, {ROWS}, True)"
