"""Quotas at a server with two users, in front of a scripted Spark: what is refused, with which words, what is not."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import grpc
import pytest
from pyspark_connect_web.wire import encode_frame

from tests.support.paths import REPOSITORY
from tests.support.plans import base_pb2
from tests.support.server import start
from tests.support.web import SERVICE, GrpcAnswer, Site

RESOURCE_EXHAUSTED, INVALID_ARGUMENT = 8, 3
METHODS = base_pb2.DESCRIPTOR.services_by_name["SparkConnectService"].methods_by_name

# As JupyterHub does it: who asks comes from the token.
PROVIDER = """
from jupyter_server.auth import IdentityProvider, User

class Two(IdentityProvider):
    async def get_user(self, handler):
        name = handler.request.headers.get("Authorization", "").partition(" ")[2]
        handler._token_authenticated = True
        return User(name) if name in ("ann", "bob", "t" * 20) else None
"""


class ScriptedSpark:
    """A Spark Connect server whose queries run until they are told to end.

    A plan's SQL text says what a query does: ``rows N [OF]`` sends N messages of OF rows (default 10), ``run`` sends
    one without rows and goes on until `finish`, or until its client leaves.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.running = threading.Semaphore(0)
        self._finish = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(40))
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {name: self._handler(name) for name in METHODS}),)
        )
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def _handler(self, name: str) -> grpc.RpcMethodHandler:
        kind = getattr(base_pb2, METHODS[name].input_type.name)
        if name in ("ExecutePlan", "ReattachExecute"):
            return grpc.unary_stream_rpc_method_handler(self._run, kind.FromString)
        if name == "AddArtifacts":
            return grpc.stream_unary_rpc_method_handler(self._upload, kind.FromString)

        def unary(request: Any, _: grpc.ServicerContext) -> bytes:
            self.seen.append((name, request))
            if name == "Interrupt":
                done = base_pb2.InterruptResponse(interrupted_ids=[request.operation_id])
                return done.SerializeToString()
            return b""

        return grpc.unary_unary_rpc_method_handler(unary, kind.FromString)

    def _upload(self, requests: Iterator[Any], _: grpc.ServicerContext) -> bytes:
        self.seen += [("AddArtifacts", request) for request in requests]
        return b""

    def _run(self, request: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
        plan = isinstance(request, base_pb2.ExecutePlanRequest)
        self.seen.append(("ExecutePlan" if plan else "ReattachExecute", request))
        words = request.plan.root.sql.query.split() if plan else ["rows", "1"]
        answer = base_pb2.ExecutePlanResponse(
            session_id=request.session_id, operation_id=request.operation_id
        )
        if words[0] == "run":
            finish = self._finish
            self.running.release()
            yield answer.SerializeToString()
            while context.is_active() and not finish.wait(0.02):
                pass
            return
        for _ in range(int(words[1])):
            answer.arrow_batch.row_count = int(words[2]) if len(words) > 2 else 10
            answer.arrow_batch.data = bytes(1000)
            yield answer.SerializeToString()

    def finish(self) -> None:
        """End what runs."""
        self._finish.set()
        self._finish = threading.Event()

    def requests(self, method: str) -> list[Any]:
        """What has come for a method."""
        return [request for name, request in self.seen if name == method]

    def stop(self) -> None:
        """End the server at once."""
        self._server.stop(None).wait()


@pytest.fixture
def spark() -> Iterator[ScriptedSpark]:
    """A Spark of the test's own."""
    server = ScriptedSpark()
    yield server
    server.finish()
    server.stop()


@contextlib.contextmanager
def serving(spark: ScriptedSpark, folder: Path, *quotas: str, hub: bool = True) -> Iterator[Site]:
    """A server with two endpoints; of a hub it knows ann and bob, else it has Jupyter's own users."""
    (folder / "two.py").write_text(PROVIDER)
    path = [str(REPOSITORY), str(REPOSITORY / "client"), str(folder)]
    address = f"sc://127.0.0.1:{spark.port}"
    arguments = [f"--PcwExtension.endpoints={{'synthetic': '{address}', 'other': '{address}'}}"]
    environment = {"PYTHONPATH": os.pathsep.join(path)}
    if hub:
        arguments.append("--ServerApp.identity_provider_class=two.Two")
        environment["JUPYTERHUB_API_TOKEN"] = "unused"
    arguments += [f"--PcwExtension.{quota}" for quota in quotas]
    with start(folder, *arguments, token="t" * 20, environment=environment) as process:
        yield Site(process)


class User:
    """Makes calls as one user of the server, in a session of their own."""

    def __init__(self, site: Site, name: str = "ann", session: str = "session-1", **more: Any) -> None:
        self.site = site
        self.name = name
        self.session = session
        self.endpoint = "synthetic"
        self.headers = {"Authorization": f"Bearer {name}"}
        for key, value in more.items():
            setattr(self, key, value)

    def execute(self, query: str, operation: str, *, reattachable: bool = True) -> bytes:
        """An ExecutePlanRequest, which claims to be somebody else's."""
        request = base_pb2.ExecutePlanRequest(session_id=self.session, operation_id=operation)
        request.user_context.user_id = "mallory"
        request.plan.root.sql.query = query
        if reattachable:
            request.request_options.add().reattach_options.reattachable = True
        return bytes(request.SerializeToString())

    def run(self, query: str, operation: str, **options: Any) -> GrpcAnswer:
        """A query to its end."""
        return self.call("ExecutePlan", self.execute(query, operation, **options))

    def call(self, method: str, message: bytes) -> GrpcAnswer:
        """A call to its end."""
        return self.site.grpc(method, message, endpoint=self.endpoint, headers=self.headers)

    def named(self, method: str, **fields: Any) -> GrpcAnswer:
        """A call with names alone."""
        kind = getattr(base_pb2, METHODS[method].input_type.name)
        return self.call(method, kind(session_id=self.session, **fields).SerializeToString())

    def release(self, operation: str) -> None:
        """Say that nothing more of the query is wanted."""
        everything = base_pb2.ReleaseExecuteRequest.ReleaseAll()
        assert self.named("ReleaseExecute", operation_id=operation, release_all=everything).status == 0

    @contextlib.contextmanager
    def running(self, operation: str, **options: Any) -> Iterator[http.client.HTTPResponse]:
        """A query whose answer has begun; it is left at the end of the block."""
        connection = self.site.connect()
        connection.request(
            "POST",
            f"{self.site.base_url}pcw/grpc/{self.endpoint}/{SERVICE}/ExecutePlan",
            body=encode_frame(self.execute("run", operation, **options)),
            headers={"Content-Type": "application/grpc-web+proto", **self.headers},
        )
        response = connection.getresponse()
        assert response.read(5)
        try:
            yield response
        finally:
            response.close()
            connection.close()


def refusals(site: Site) -> dict[tuple[str, str], int]:
    """The metric, by endpoint and quota."""
    text = site.request("GET", "metrics").body.decode()
    found = re.findall(r'^pcw_quota_refusals_total\{endpoint="(\w+)",quota="(\w+)"\} (\S+)$', text, re.M)
    return {(endpoint, quota): int(float(value)) for endpoint, quota, value in found}


def until(condition: Any) -> None:
    """Wait for what a server does after its answer is out."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


TOO_MANY_QUERIES = (
    "2 queries of yours are already running on this endpoint, as many as the administrator of this Jupyter server"
    " allows a user at once (PcwExtension.max_user_queries = 2). Wait for one to end, or stop one in its notebook, and"
    " run this again."
)


def test_query_too_many_is_refused_and_other_users_and_endpoints_are_not(
    spark: ScriptedSpark, tmp_path: Path
) -> None:
    with serving(spark, tmp_path, "max_user_queries=2") as site:
        ann, bob = User(site, "ann"), User(site, "bob")
        other = User(site, "ann", endpoint="other")
        with ann.running("one"), User(site, "ann", "session-2").running("two"):
            refused = ann.run("rows 1", "three")
            assert (refused.status, unquote(refused.message)) == (RESOURCE_EXHAUSTED, TOO_MANY_QUERIES)
            assert refused.messages == []
            assert "grpc-status-details-bin" not in refused.trailers
            assert len(spark.requests("ExecutePlan")) == 2
            assert (bob.run("rows 1", "of-bob").status, other.run("rows 1", "elsewhere").status) == (0, 0)
            # what runs already may be asked for again
            assert ann.named("ReattachExecute", operation_id="one").status == 0
            assert ann.named("AnalyzePlan").status == 0
            assert refusals(site) == {("synthetic", "queries"): 1}
        assert {request.user_context.user_id for request in spark.requests("ExecutePlan")} == {"ann", "bob"}


@pytest.mark.parametrize("operation", ["named", ""], ids=["named", "unnamed"])
def test_query_waits_for_one_that_is_ending(spark: ScriptedSpark, tmp_path: Path, operation: str) -> None:
    with serving(spark, tmp_path, "max_user_queries=1") as site:
        ann = User(site)
        with ann.running(operation, reattachable=False) as first, ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(ann.run, "rows 1", "second")
            until(lambda: active(site) == 2)
            assert len(spark.requests("ExecutePlan")) == 1
            spark.finish()
            assert b"grpc-status:0\r\n" in first.read()
            assert waiting.result(60).status == 0
        assert refusals(site) == {}


def active(site: Site) -> float:
    """Answers that have begun, or wait to."""
    text = site.request("GET", "metrics").body.decode()
    found = re.search(r'^pcw_active_streams\{endpoint="synthetic",method="ExecutePlan"\} (\S+)$', text, re.M)
    return float(found[1]) if found else 0


def test_query_whose_client_may_come_back_counts_until_it_is_released(
    spark: ScriptedSpark, tmp_path: Path
) -> None:
    with serving(spark, tmp_path, "max_user_queries=1") as site:
        ann = User(site)
        with ann.running("first"):
            pass
        assert ann.run("rows 1", "second").status == RESOURCE_EXHAUSTED
        ann.release("first")
        assert ann.run("rows 1", "second").status == 0
        # sent again, as after a lost connection, it is the same query
        assert ann.run("rows 1", "second").status == 0


def test_query_that_its_client_left_counts_until_it_is_interrupted(
    spark: ScriptedSpark, tmp_path: Path
) -> None:
    with serving(spark, tmp_path, "max_user_queries=1", "grace_period=1") as site:
        ann = User(site)
        with ann.running("first"):
            pass
        assert ann.run("rows 1", "second").status == 0
        until(lambda: [request.operation_id for request in spark.requests("Interrupt")] == ["first"])


def test_query_that_cannot_be_counted_is_refused(spark: ScriptedSpark, tmp_path: Path) -> None:
    with serving(spark, tmp_path, "max_user_queries=1") as site:
        ann = User(site)
        unnamed = ann.run("rows 1", "")
        squeezed = site.grpc(
            "ExecutePlan",
            ann.execute("rows 1", "x"),
            headers={**ann.headers, "grpc-encoding": "gzip"},
        )
        for answer in (unnamed, squeezed):
            assert answer.status == INVALID_ARGUMENT
            assert unquote(answer.message) == (
                "This server has quotas, and the session and the query that the request belongs to cannot be read: send"
                " it uncompressed and name the operation, as Spark Connect's clients do."
            )
        assert spark.requests("ExecutePlan") == []


def test_without_users_everybody_at_the_server_counts_as_one(spark: ScriptedSpark, tmp_path: Path) -> None:
    with serving(spark, tmp_path, "max_user_queries=1", hub=False) as site:
        token = "t" * 20
        with User(site, token).running("first"):
            refused = User(site, token, "session-2").run("rows 1", "second")
            assert refused.status == RESOURCE_EXHAUSTED
            assert unquote(refused.message).startswith("1 query of yours is already running on this endpoint")


def test_session_too_many_is_refused_until_one_ends(spark: ScriptedSpark, tmp_path: Path) -> None:
    with serving(spark, tmp_path, "max_user_sessions=2") as site:
        first, second, third = (User(site, "ann", f"session-{number}") for number in (1, 2, 3))
        assert (first.named("Config").status, second.named("AnalyzePlan").status) == (0, 0)
        for method in ("Config", "AnalyzePlan", "AddArtifacts", "ArtifactStatus", "Interrupt"):
            refused = third.named(method)
            assert (refused.status, unquote(refused.message)) == (
                RESOURCE_EXHAUSTED,
                "2 sessions of yours are already open on this endpoint, as many as the administrator of this Jupyter"
                " server allows a user (PcwExtension.max_user_sessions = 2). End one with spark.stop() in a notebook"
                " that you no longer need; one without a call for 60 minutes counts no more.",
            )
        assert third.run("rows 1", "query").status == RESOURCE_EXHAUSTED
        assert refusals(site) == {("synthetic", "sessions"): 6}
        assert {request.session_id for _, request in spark.seen} == {"session-1", "session-2"}
        assert User(site, "bob", "session-3").named("Config").status == 0
        assert User(site, "ann", "session-3", endpoint="other").named("Config").status == 0
        assert first.named("ReleaseSession").status == 0
        assert third.run("rows 1", "query").status == 0
        assert first.named("Config").status == RESOURCE_EXHAUSTED


def test_session_of_an_unfinished_upload_does_not_reach_spark(spark: ScriptedSpark, tmp_path: Path) -> None:
    with serving(spark, tmp_path, "max_user_sessions=1") as site:
        assert User(site).named("Config").status == 0
        part = base_pb2.AddArtifactsRequest(session_id="session-2").SerializeToString()
        answer = site.grpc("AddArtifacts", *[part] * 3, headers=User(site).headers)
        assert answer.status == RESOURCE_EXHAUSTED
        assert spark.requests("AddArtifacts") == []


def test_session_without_a_call_counts_no_more_after_its_time(spark: ScriptedSpark, tmp_path: Path) -> None:
    with serving(spark, tmp_path, "max_user_sessions=1", "user_session_timeout=1.5") as site:
        assert User(site).named("Config").status == 0
        second = User(site, "ann", "session-2")
        until(lambda: second.named("Config").status == 0)
        refused = User(site).named("Config")
        assert refused.status == RESOURCE_EXHAUSTED
        assert unquote(refused.message).endswith("one without a call for 1.5 seconds counts no more.")


@pytest.mark.parametrize("named", [True, False], ids=["named", "named by Spark"])
def test_cloned_session_counts(spark: ScriptedSpark, tmp_path: Path, named: bool) -> None:
    with serving(spark, tmp_path, "max_user_sessions=2") as site:
        ann = User(site)
        new = {"new_session_id": "clone"} if named else {}
        assert ann.named("CloneSession", **new).status == 0
        assert ann.named("CloneSession").status == RESOURCE_EXHAUSTED
        assert ann.named("Config").status == 0
        assert User(site, "ann", "clone").named("Config").status == 0
        assert User(site, "ann", "session-3").named("Config").status == RESOURCE_EXHAUSTED
        assert User(site, "ann", "clone").named("ReleaseSession").status == 0
        assert User(site, "ann", "session-3").named("Config").status == 0


TOO_MANY_ROWS = (
    "The result of this query has more than 1,000 rows, the most that the administrator of this Jupyter server allows a"
    " query (PcwExtension.max_result_rows = 1000); the query was stopped. Fetch less: filter, aggregate or limit() it,"
    " or let Spark write it with df.write."
)


@pytest.mark.parametrize(
    "query", ["rows 100001 10", "rows 2 501", "rows 1 1001"], ids=["long", "short", "one"]
)
def test_query_with_too_many_rows_is_stopped(spark: ScriptedSpark, tmp_path: Path, query: str) -> None:
    with serving(spark, tmp_path, "max_result_rows=1000") as site:
        ann = User(site)
        assert ann.run("rows 100 10", "fits").status == 0
        answer = ann.run(query, "large")
        assert (answer.status, unquote(answer.message)) == (RESOURCE_EXHAUSTED, TOO_MANY_ROWS)
        rows = [base_pb2.ExecutePlanResponse.FromString(m).arrow_batch.row_count for m in answer.messages]
        assert sum(rows[:-1]) <= 1000
        until(lambda: spark.requests("Interrupt"))
        (interrupt,) = spark.requests("Interrupt")
        assert (interrupt.user_context.user_id, interrupt.operation_id) == ("ann", "large")
        assert refusals(site) == {("synthetic", "rows"): 1}
        # the rest cannot be had either
        assert ann.named("ReattachExecute", operation_id="large").status == RESOURCE_EXHAUSTED
        assert User(site, "bob").run("rows 100 10", "large").status == 0


def test_query_with_too_many_bytes_is_stopped(spark: ScriptedSpark, tmp_path: Path) -> None:
    with serving(spark, tmp_path, f"max_result_bytes={1 << 20}", "max_user_queries=1") as site:
        ann = User(site)
        answer = ann.run("rows 1000000", "large")
        assert (answer.status, unquote(answer.message)) == (
            RESOURCE_EXHAUSTED,
            "The result of this query has more than 1 MiB, the most that the administrator of this Jupyter server"
            " allows a query (PcwExtension.max_result_bytes = 1048576); the query was stopped. Fetch less: filter,"
            " aggregate or limit() it, or let Spark write it with df.write.",
        )
        assert len(answer.http.body) < 1.1 * (1 << 20)
        until(lambda: spark.requests("Interrupt"))
        assert refusals(site) == {("synthetic", "bytes"): 1}
        # it has ended, and is no query at once
        assert ann.run("rows 10", "small").status == 0


def test_rows_are_counted_although_the_client_takes_compressed_ones(
    spark: ScriptedSpark, tmp_path: Path
) -> None:
    with serving(spark, tmp_path, "max_result_rows=1000") as site:
        ann = User(site)
        ann.headers["grpc-accept-encoding"] = "gzip"
        assert ann.run("rows 2000", "large").status == RESOURCE_EXHAUSTED


def test_answers_to_one_query_count_together(spark: ScriptedSpark, tmp_path: Path) -> None:
    with serving(spark, tmp_path, "max_result_rows=25") as site:
        ann = User(site)
        assert ann.run("rows 1", "query").status == 0
        statuses = [ann.named("ReattachExecute", operation_id="query").status for _ in range(3)]
        assert statuses == [0, RESOURCE_EXHAUSTED, RESOURCE_EXHAUSTED]


def test_session_of_a_stopped_query_is_kept(spark: ScriptedSpark, tmp_path: Path) -> None:
    with serving(
        spark, tmp_path, "max_result_rows=5", "grace_period=0.2", "session_grace_period=0.2"
    ) as site:
        ann = User(site)
        assert ann.run("rows 1", "large").status == RESOURCE_EXHAUSTED
        until(lambda: spark.requests("Interrupt"))
        # a query whose client leaves is interrupted later, and then its session is released
        left = User(site, "bob", "session-of-bob")
        with left.running("left"):
            pass
        until(lambda: spark.requests("ReleaseSession"))
        assert [request.session_id for request in spark.requests("ReleaseSession")] == ["session-of-bob"]


def test_without_quotas_nothing_is_refused(spark: ScriptedSpark, tmp_path: Path) -> None:
    with serving(spark, tmp_path) as site:
        users = [User(site, "ann", f"session-{number}") for number in range(20)]
        with contextlib.ExitStack() as stack:
            for user in users:
                stack.enter_context(user.running("query"))
            assert users[0].run("rows 10000", "more").status == 0
        assert refusals(site) == {}
