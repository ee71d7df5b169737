"""The endpoint with the real Envoy between it and Spark, as many clusters have one in front of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engines import running_envoy
from tests.support.server import start
from tests.support.upstream import SyntheticUpstream, order, pattern
from tests.support.web import Site

DEADLINE_EXCEEDED = 4


@pytest.fixture(scope="module")
def behind_envoy(upstream: SyntheticUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("envoy")
    with running_envoy(upstream.port, folder) as url:
        endpoint = {"synthetic": url.replace("http://", "sc://")}
        with start(folder, f"--PcwExtension.endpoints={endpoint}") as process:
            yield Site(process)


@pytest.mark.parametrize(("count", "size"), [(0, 0), (2000, 100), (5, 4_000_003)])
def test_stream_passes_envoy_whole(behind_envoy: Site, count: int, size: int) -> None:
    answer = behind_envoy.grpc("ExecutePlan", order(messages=count, size=size))
    assert answer.status == 0
    assert answer.messages == [pattern(size, number) for number in range(count)]


def test_upload_passes_envoy_message_by_message(behind_envoy: Site) -> None:
    parts = [pattern(size, 3) for size in (0, 1, 5, 100_000, 3_000_000)]
    answer = behind_envoy.grpc("AddArtifacts", *parts)
    assert json.loads(answer.messages[0])["sizes"] == [len(part) for part in parts]


def test_status_and_trailers_pass_envoy(behind_envoy: Site) -> None:
    wrong = order(messages=2, size=9, status=5, details="absent", trailing=[("x-reason", "none")])
    answer = behind_envoy.grpc("ExecutePlan", wrong)
    assert (answer.status, answer.message, len(answer.messages)) == (5, "absent", 2)
    assert answer.trailers["x-reason"] == "none"


def test_deadline_holds_behind_envoy(behind_envoy: Site) -> None:
    answer = behind_envoy.grpc(
        "ExecutePlan", order(messages=1, size=9, wait=20), headers={"grpc-timeout": "300m"}
    )
    assert answer.status == DEADLINE_EXCEEDED


def test_upstream_that_is_gone_is_told_by_envoys_answer(tmp_path: Path) -> None:
    gone = SyntheticUpstream()
    gone.stop()
    with running_envoy(gone.port, tmp_path) as url:
        endpoint = {"synthetic": url.replace("http://", "sc://")}
        with start(tmp_path, f"--PcwExtension.endpoints={endpoint}") as process:
            answer = Site(process).grpc("ExecutePlan", order())
    assert answer.status == 14
    assert "upstream connect error" in answer.message.replace("%20", " ")
