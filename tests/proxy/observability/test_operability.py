"""What operators see of calls: metrics, a line of the log, and no secrets in either."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jupyter_events import EventLogger
from prometheus_client.parser import text_string_to_metric_families
from pyspark_connect_web.wire import encode_frame

from pcw_server_ext.proxy.observability.call_log import CallLog
from pcw_server_ext.proxy.observability.events import SparkEvents
from tests.support.jupyter import free_port
from tests.support.plans import base_pb2
from tests.support.server import start
from tests.support.upstream import SyntheticUpstream, order
from tests.support.web import Site

Samples = dict[tuple[str, str, str, str], float]


@pytest.fixture(scope="module")
def watched(upstream: SyntheticUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server of the module's own: its counters start at nothing."""
    found = {"synthetic": upstream.address, "nobody": f"sc://127.0.0.1:{free_port()}/;token=SECRET-UPSTREAM"}
    folder = tmp_path_factory.mktemp("watched")
    configuration = folder / "state" / "config" / "jupyter_server_config.py"
    configuration.parent.mkdir(parents=True)
    configuration.write_text(
        f"import logging\nc.EventLogger.handlers = [logging.FileHandler({str(folder / 'events')!r})]\n"
    )
    with start(folder, f"--PcwExtension.endpoints={found}", base_url="/user/x/") as process:
        yield Site(process)


def families(site: Site) -> Iterator[Any]:
    text = site.request("GET", "metrics").body.decode()
    found = text_string_to_metric_families(text)
    return (f for f in found if f.name.startswith("pcw_") and not f.name.endswith("_created"))


def samples(site: Site) -> Samples:
    return {
        (s.name, s.labels["endpoint"], s.labels["method"], s.labels.get("code", "")): s.value
        for family in families(site)
        for s in family.samples
        if not s.name.endswith("_bucket")
    }


def until(read: Callable[[], bool]) -> None:
    """Wait for what a server does after its answer is out."""
    deadline = time.monotonic() + 30
    while not read():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lines(site: Site) -> list[dict[str, Any]]:
    return [json.loads(found) for found in re.findall(r"\] call (\{.*\})$", site.process.printed(), re.M)]


def test_calls_are_counted_by_endpoint_method_and_status(watched: Site) -> None:
    request = order()
    for _ in range(3):
        assert watched.grpc("AnalyzePlan", request).status == 0
    answer = watched.grpc("ExecutePlan", order(messages=5, size=1000))
    watched.grpc("ExecutePlan", order(status=5, details="SECRET-DETAILS"))
    until(lambda: samples(watched).get(("pcw_calls_total", "synthetic", "ExecutePlan", "NOT_FOUND")) == 1)
    found = samples(watched)
    unary, stream = ("synthetic", "AnalyzePlan", ""), ("synthetic", "ExecutePlan", "")
    assert found["pcw_calls_total", "synthetic", "AnalyzePlan", "OK"] == 3
    assert found["pcw_calls_total", "synthetic", "ExecutePlan", "OK"] == 1
    assert found[("pcw_request_bytes_total", *unary)] == 3 * len(encode_frame(request))
    assert found[("pcw_call_duration_seconds_count", *unary)] == 3
    assert found[("pcw_call_duration_seconds_count", *stream)] == 2
    assert found[("pcw_response_bytes_total", *stream)] >= 5 * 1005 + 15
    # chunk headers are counted for pieces, never more
    assert found[("pcw_response_bytes_total", *stream)] < len(answer.http.body) + 500
    assert found[("pcw_active_streams", *stream)] == 0
    # a status of Spark's is no failure of the way to it
    assert not any(
        name == "pcw_upstream_errors_total" and endpoint == "synthetic" for name, endpoint, *_ in found
    )


def test_running_call_is_active_until_its_browser_leaves(watched: Site) -> None:
    def active() -> float:
        return samples(watched).get(("pcw_active_streams", "synthetic", "ExecutePlan", ""), 0)

    def cancelled() -> float:
        return samples(watched).get(("pcw_calls_total", "synthetic", "ExecutePlan", "CANCELLED"), 0)

    before = cancelled()
    connection = watched.begin(order(messages=1, forever=True))
    response = connection.getresponse()
    assert response.read(10)
    assert active() == 1
    response.close()
    connection.close()
    until(lambda: active() == 0 and cancelled() == before + 1)


def test_unreachable_upstream_is_counted_as_its_error(watched: Site) -> None:
    assert watched.grpc("AnalyzePlan", order(), endpoint="nobody").status == 14
    until(lambda: ("pcw_calls_total", "nobody", "AnalyzePlan", "UNAVAILABLE") in samples(watched))
    assert samples(watched)["pcw_upstream_errors_total", "nobody", "AnalyzePlan", "UNAVAILABLE"] == 1


def test_labels_are_bounded_and_name_no_user(watched: Site) -> None:
    for number in range(20):
        assert watched.grpc(f"Invented{number}", b"").status == 12
    assert watched.grpc("ExecutePlan", b"", service="other.Service").status == 12
    until(lambda: samples(watched).get(("pcw_calls_total", "synthetic", "other", "UNIMPLEMENTED")) == 21)
    found = list(families(watched))
    assert len(found) == 7
    for family in found:
        for sample in family.samples:
            assert set(sample.labels) <= {"endpoint", "method", "code", "le", "quota"}
            if family.name != "pcw_quota_refusals":
                assert sample.labels["method"] in ("AnalyzePlan", "ExecutePlan", "other")
            assert sample.labels["endpoint"] in ("synthetic", "nobody")


def test_metrics_want_jupyters_login(watched: Site) -> None:
    assert watched.request("GET", "metrics", authenticated=False).status == 403


def test_call_gets_one_line_without_secrets(watched: Site) -> None:
    made = watched.request("POST", "pcw/api/tokens", body=b'{"endpoint": "synthetic"}').json()
    answer = watched.grpc(
        "AnalyzePlan",
        order(status=3, details="SECRET-DETAILS"),
        headers={
            "Authorization": f"Bearer {made['token']}",
            "x-secret": "SECRET-HEADER",
            "Cookie": "SECRET-COOKIE=1",
            "X-XSRFToken": "SECRET-XSRF",
        },
    )
    assert answer.status == 3

    def found() -> list[dict[str, Any]]:
        return [line for line in lines(watched) if line.get("token") == made["id"]]

    until(lambda: len(found()) > 0)
    (line,) = found()
    assert line.pop("ms") > 0
    assert line.pop("response_bytes") > 0
    assert line.pop("user") == made["user"]
    assert line == {
        "endpoint": "synthetic",
        "method": "AnalyzePlan",
        "status": "INVALID_ARGUMENT",
        "request_bytes": len(encode_frame(order(status=3, details="SECRET-DETAILS"))),
        "token": made["id"],
    }
    printed = watched.process.printed()
    assert "SECRET" not in printed
    assert watched.token not in printed.replace(f"token={watched.token}", "")
    assert made["token"].split("_", 2)[2] not in printed


def test_lines_can_be_switched_off(start_server: Callable[..., Site], upstream: SyntheticUpstream) -> None:
    site = start_server(
        f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}'}}", "--PcwExtension.log_calls=False"
    )
    assert site.grpc("AnalyzePlan", order()).status == 0
    until(lambda: ("pcw_calls_total", "synthetic", "AnalyzePlan", "OK") in samples(site))
    assert lines(site) == []


def events(site: Site) -> list[dict[str, Any]]:
    """The events of this package, without the capsule's own members."""
    text = (site.process.state.parent / "events").read_text()
    # The last line may be half written.
    found = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return [
        {"schema": e["__schema__"].split("/")[-2], **{k: v for k, v in e.items() if not k.startswith("__")}}
        for e in found
        if "pcw_server_ext" in e["__schema__"]
    ]


def test_queries_and_sessions_are_told_as_events(watched: Site) -> None:
    before = len(events(watched))
    first = base_pb2.ExecutePlanRequest(session_id="session-1", operation_id="operation-1")
    first.plan.root.sql.query = "SELECT 'SECRET-IN-PLAN'"
    again = base_pb2.ReattachExecuteRequest(session_id="session-1", operation_id="operation-1")
    # the synthetic server cannot read it, and has no ReattachExecute
    assert watched.grpc("ExecutePlan", first.SerializeToString()).status == 2
    assert watched.grpc("ReattachExecute", again.SerializeToString()).status == 12
    until(lambda: len(events(watched)) >= before + 5)
    found = events(watched)[before:]
    for event in found:
        assert event.pop("user")
        assert (event.pop("endpoint"), event.pop("session_id")) == ("synthetic", "session-1")
        if event["schema"] == "query":
            assert event.pop("operation_id") == "operation-1"
        if event["action"] == "end":
            assert event.pop("duration_seconds") > 0
            assert event.pop("response_bytes") > 0
    assert found == [
        {"schema": "session", "action": "start"},
        {"schema": "query", "action": "start", "method": "ExecutePlan"},
        {"schema": "query", "action": "end", "method": "ExecutePlan", "status": "UNKNOWN"},
        {"schema": "query", "action": "start", "method": "ReattachExecute"},
        {"schema": "query", "action": "end", "method": "ReattachExecute", "status": "UNIMPLEMENTED"},
    ]


def test_released_session_is_told_and_new_again_afterwards() -> None:
    stream = io.StringIO()
    logger = EventLogger(handlers=[logging.StreamHandler(stream)])
    session = ("default", "ann", "session-1")

    async def test() -> None:
        lifecycle = SparkEvents(logger)
        lifecycle.began("ExecutePlan", session, "one")
        lifecycle.began("ExecutePlan", session, "two")
        lifecycle.ended("ExecutePlan", session, "one", status=1, seconds=0.1, size=10)
        lifecycle.began("ReleaseSession", session, "")
        lifecycle.ended("ReleaseSession", session, "", status=14, seconds=0.1, size=10)
        lifecycle.ended("ReleaseSession", session, "", status=0, seconds=0.1, size=10)
        lifecycle.began("ReattachExecute", session, "one")
        lifecycle.interrupted(session, "one")
        lifecycle.released(session, "server")
        await asyncio.sleep(0)

    asyncio.run(test())
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(e["__schema__"].split("/")[-2], e["action"], e.get("status", e.get("by"))) for e in found] == [
        ("session", "start", None),
        ("query", "start", None),
        ("query", "start", None),
        ("query", "end", "CANCELLED"),
        ("session", "release", "client"),
        ("session", "start", None),
        ("query", "start", None),
        ("query", "interrupt", None),
        ("session", "release", "server"),
    ]


def test_sessions_that_are_remembered_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pcw_server_ext.proxy.observability.events._MOST_SESSIONS", 10)

    async def test() -> None:
        lifecycle = SparkEvents(EventLogger())
        for number in range(100):
            lifecycle.began("ExecutePlan", ("default", "ann", str(number)), "")
            assert len(lifecycle._sessions) <= 10

    asyncio.run(test())


def test_lines_are_written_in_order_and_the_last_ones_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("tests.calls")
    with caplog.at_level(logging.INFO):
        calls = CallLog(log)
        for number in range(1000):
            calls.write({"number": number})
        calls.close()
    assert [record.getMessage() for record in caplog.records] == [
        f'call {{"number": {n}}}' for n in range(1000)
    ]


def test_lines_are_lost_before_they_fill_the_memory(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcw_server_ext.proxy.observability.call_log._MAX_LINES", 10)
    monkeypatch.setattr("pcw_server_ext.proxy.observability.call_log._COLLECT_SECONDS", 60)
    with caplog.at_level(logging.INFO):
        calls = CallLog(logging.getLogger("tests.calls"))
        for number in range(1000):
            calls.write({"number": number})
        calls.close()
    assert len(caplog.records) == 10


def test_level_of_the_logger_counts(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        calls = CallLog(logging.getLogger("tests.calls"))
        calls.write({"number": 1})
        calls.close()
    assert caplog.records == []
    assert calls._thread is None
