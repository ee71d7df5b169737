"""Which headers of a request reach Spark, and that too many of them end no one else's calls."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from urllib.parse import unquote

import grpc
import pytest
from pyspark_connect_web.wire import encode_frame

from tests.security.login_headers import LOGIN_HEADERS
from tests.support.recording_upstream import RecordingUpstream
from tests.support.server import start
from tests.support.upstream import SERVICE, SyntheticUpstream, order
from tests.support.web import Answer, GrpcAnswer, Site, decode

INVALID_ARGUMENT, RESOURCE_EXHAUSTED = 3, 8


@pytest.fixture(scope="module")
def site(
    recorder: RecordingUpstream, upstream: SyntheticUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A server with one endpoint as it comes, and one whose configuration lists names."""
    endpoints = {
        "plain": recorder.address,
        "listed": {
            "url": f"{recorder.address}/;x-from-config=yes",
            "metadata": ["X-Workspace", "traceparent", "x-from-config"],
        },
        "synthetic": upstream.address,
    }
    with start(tmp_path_factory.mktemp("metadata"), f"--PcwExtension.endpoints={endpoints}") as process:
        yield Site(process)


def call(site: Site, endpoint: str = "plain", **headers: str) -> GrpcAnswer:
    named = {name.replace("__", "-"): value for name, value in headers.items()}
    return site.grpc("AnalyzePlan", order(), endpoint=endpoint, headers=named)


def declare(*names: str) -> dict[str, str]:
    return {"X-Pcw-Metadata": ",".join(names)}


def reached(recorder: RecordingUpstream) -> dict[str, str | bytes]:
    """The last call's metadata, without what every call has."""
    return {name: value for name, value in recorder.received[-1].metadata.items() if name != "user-agent"}


class Query:
    """A query that has begun to answer."""

    def __init__(self, site: Site, endpoint: str) -> None:
        self._connection = site.begin(order(messages=1, wait=1), endpoint=endpoint)
        self._response = self._connection.getresponse()
        self._body = b""

    def finish(self) -> None:
        """Read it to its end."""
        self._body = self._response.read()
        self._connection.close()

    def answer(self) -> GrpcAnswer:
        """The whole of it."""
        return decode(Answer(self._response.status, {}, self._body))


@contextlib.contextmanager
def running_query(site: Site, endpoint: str) -> Iterator[Query]:
    """A query of somebody else runs meanwhile, on the connection that all share."""
    query = Query(site, endpoint)
    yield query
    query.finish()


@pytest.mark.parametrize("name", LOGIN_HEADERS)
def test_header_of_a_login_proxy_stays_here(site: Site, recorder: RecordingUpstream, name: str) -> None:
    sent = {name: "SECRET", "x-mine": "mine", **declare("x-mine")}
    answer = site.grpc("AnalyzePlan", order(), endpoint="plain", headers=sent)
    assert answer.status == 0
    assert reached(recorder) == {"x-mine": "mine"}


def test_client_that_declares_nothing_passes_nothing(site: Site, recorder: RecordingUpstream) -> None:
    assert call(site, X__Custom="1", X__Data__Bin="AA==", X__Request__Id="2").status == 0
    assert reached(recorder) == {}


def test_declared_names_pass_in_any_writing(site: Site, recorder: RecordingUpstream) -> None:
    sent = {
        "X-One": "1",
        "x-TWO": "2",
        "x.three": "3",
        "x-four-bin": "AP8=",
        "x-five": "SECRET",
        **declare(" X-ONE ", "x-two", "", "x.three", "X-Four-Bin", "x-not-sent"),
    }
    assert site.grpc("AnalyzePlan", order(), endpoint="plain", headers=sent).status == 0
    assert reached(recorder) == {"x-one": "1", "x-two": "2", "x.three": "3", "x-four-bin": b"\0\xff"}


def test_names_that_the_configuration_lists_pass_and_its_own_values_win(
    site: Site, recorder: RecordingUpstream
) -> None:
    sent = {"x-workspace": "w", "Traceparent": "00-1-2-01", "x-from-config": "no", "x-other": "SECRET"}
    assert site.grpc("AnalyzePlan", order(), endpoint="listed", headers=sent).status == 0
    assert reached(recorder) == {"x-workspace": "w", "traceparent": "00-1-2-01", "x-from-config": "yes"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x_user", "write it with -"),
        ("oidc_access_token", "write it with -"),
        ("x mine", "is not valid"),
        ("x:mine", "is not valid"),
        (":path", "is not valid"),
        ("authorization", "belongs to HTTP, to Jupyter or to a proxy"),
        ("cookie", "belongs to"),
        ("te", "belongs to"),
        ("host", "belongs to"),
        ("grpc-timeout", "belongs to"),
        ("sec-fetch-site", "belongs to"),
        ("x-xsrftoken", "belongs to"),
        ("x-forwarded-access-token", "belongs to"),
        ("x-auth-request-access-token", "belongs to"),
        ("x-jupyterhub-token", "belongs to"),
        ("x-pcw-metadata", "belongs to"),
        ("user-agent", "belongs to"),
    ],
)
def test_name_that_never_passes_is_refused_when_it_is_declared(
    site: Site, recorder: RecordingUpstream, name: str, reason: str
) -> None:
    before = len(recorder.received)
    answer = site.grpc("AnalyzePlan", order(), endpoint="plain", headers=declare("x-mine", name))
    assert answer.status == INVALID_ARGUMENT
    assert reason in unquote(answer.message)
    assert len(recorder.received) == before


@pytest.mark.parametrize(
    "sent",
    [
        {"x-big": "a" * 9_000, **declare("x-big")},
        {"x-big": "a" * 17_000, **declare("x-big")},
        {f"x-{n}": "a" * 200 for n in range(60)} | declare(*(f"x-{n}" for n in range(60))),
        declare(*(f"x-{n}" for n in range(65))),
        {"grpc-accept-encoding": "a" * 9_000},
    ],
    ids=["9,000", "17,000", "60 of 200", "65 names", "encoding"],
)
def test_metadata_above_what_can_be_passed_on_ends_that_call_alone(
    site: Site, upstream: SyntheticUpstream, sent: dict[str, str]
) -> None:
    with running_query(site, "synthetic") as query:
        began = upstream.calls
        answer = site.grpc("AnalyzePlan", order(), endpoint="synthetic", headers=sent)
    assert answer.status == RESOURCE_EXHAUSTED
    assert "can be passed on to Spark" in unquote(answer.message)
    assert query.answer().status == 0
    assert upstream.calls == began


def test_metadata_just_below_the_limit_passes(site: Site, recorder: RecordingUpstream) -> None:
    value = "a" * (8192 - 32 - len("x-big"))
    assert call(site, X__Big=value, X__Pcw__Metadata="x-big").status == 0
    assert reached(recorder) == {"x-big": value}
    assert call(site, X__Big=value + "a", X__Pcw__Metadata="x-big").status == RESOURCE_EXHAUSTED


def test_limit_that_a_server_announces_counts_with_what_the_endpoint_adds(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    # grpcio announces its `absolute_max_metadata_size` as SETTINGS_MAX_HEADER_LIST_SIZE
    spark = SyntheticUpstream(
        None, **{"grpc.max_metadata_size": 4096, "grpc.absolute_max_metadata_size": 4096}
    )
    endpoints = {"small": f"{spark.address}/;x-from-config={'c' * 2500}"}
    try:
        with start(tmp_path_factory.mktemp("small"), f"--PcwExtension.endpoints={endpoints}") as process:
            site = Site(process)
            with running_query(site, "small") as query:
                big = {"x-mine": "m" * 2000, **declare("x-mine")}
                answer = site.grpc("AnalyzePlan", order(), endpoint="small", headers=big)
            assert answer.status == RESOURCE_EXHAUSTED
            assert "this Spark server takes 4096 bytes" in unquote(answer.message)
            assert query.answer().status == 0
            assert spark.calls == 1
    finally:
        spark.stop()


def test_the_announced_limit_is_real() -> None:
    """What the bound protects from: a gRPC server ends a call with more than it announced."""
    spark = SyntheticUpstream(
        None, **{"grpc.max_metadata_size": 4096, "grpc.absolute_max_metadata_size": 4096}
    )
    try:
        with grpc.insecure_channel(f"127.0.0.1:{spark.port}") as channel:
            plain = channel.unary_unary(f"/{SERVICE}/AnalyzePlan")
            with pytest.raises(grpc.RpcError):
                plain(encode_frame(order()), metadata=[("x-big", "a" * 9000)], timeout=20)
    finally:
        spark.stop()
