"""What the Envoy recipe must keep away from Spark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.site.recipes.envoy import ENDPOINT, LOGIN_HEADERS, SERVICE, EnvoySettings, envoy_config
from tests.support.hosts import ENVOY, ask, running
from tests.support.jupyter import free_port
from tests.support.recording_upstream import RecordingUpstream

CALL = {"Content-Type": "application/grpc-web+proto"}
BODY = b"\0\0\0\0\0"


@pytest.fixture(scope="module")
def port(recorder: RecordingUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Envoy's, for https://site.example, before the recording Spark."""
    folder = tmp_path_factory.mktemp("envoy")
    (folder / "site").mkdir()
    (folder / "site" / "index.html").write_text("root page")
    port = free_port()
    settings = EnvoySettings(
        folder / "site",
        spark=("127.0.0.1", recorder.port),
        listen=("127.0.0.1", port),
        server_names=("localhost", "spark.example"),
        origins=["https://site.example"],
    )
    config = folder / "envoy.yaml"
    config.write_text(envoy_config(settings))
    with running([ENVOY, "-c", config, "--base-id", str(port)], port, folder / "envoy.log"):
        yield port


@pytest.mark.parametrize("prefix", [SERVICE, f"{ENDPOINT}{SERVICE[1:]}"])
@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("spark.example", None, 200),
        ("spark.example:8443", "https://spark.example:8443", 200),
        ("SPARK.example", "https://site.example", 200),
        ("evil.example", None, 404),
        ("evil.example", "http://evil.example", 404),
        ("spark.example.evil.example", None, 404),
        ("spark.example", "https://evil.example", 403),
        ("spark.example", "https://spark.example.evil.example", 403),
        ("spark.example", "https://sparkxexample", 403),
        ("spark.example", "https://site.example.evil.example", 403),
        ("spark.example", "null", 403),
    ],
)
def test_foreign_host_and_foreign_origin_do_not_reach_spark(
    port: int, recorder: RecordingUpstream, prefix: str, host: str, origin: str | None, status: int
) -> None:
    before = len(recorder.received)
    sent = {**CALL, "Host": host, **({"Origin": origin} if origin else {})}
    assert ask(port, f"{prefix}Config", "POST", sent, BODY)[0] == status
    assert len(recorder.received) == before + (status == 200)


@pytest.mark.parametrize(
    "path",
    [
        f"{SERVICE}Absent",
        f"{SERVICE}Config/x",
        f"{ENDPOINT}{SERVICE[1:]}Absent",
        f"{ENDPOINT}grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        f"{SERVICE}../grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        f"{SERVICE}%2e%2e%2fx/Config",
    ],
)
def test_other_methods_and_services_do_not_reach_spark(
    port: int, recorder: RecordingUpstream, path: str
) -> None:
    before = len(recorder.received)
    assert ask(port, path, "POST", {**CALL, "Host": "localhost"}, BODY)[0] in (400, 404, 405)
    assert len(recorder.received) == before


def test_cookies_and_login_headers_do_not_reach_spark_and_its_token_does(
    port: int, recorder: RecordingUpstream
) -> None:
    sent = {
        **CALL,
        "Host": "localhost",
        "Authorization": "Bearer spark",
        **dict.fromkeys(LOGIN_HEADERS, "SECRET"),
    }
    assert ask(port, f"{SERVICE}Config", "POST", sent, BODY)[0] == 200
    metadata = recorder.received[-1].metadata
    assert "SECRET" not in str(metadata)
    assert metadata["authorization"] == "Bearer spark"


def test_listener_that_others_reach_needs_a_name() -> None:
    with pytest.raises(SiteRefused, match="--server-name"):
        envoy_config(EnvoySettings(Path("x"), listen=("0.0.0.0", 8443)))
    for name in ("*", "https://a.example", "a.example:80", "a b", ""):
        with pytest.raises(SiteRefused, match="host name"):
            envoy_config(EnvoySettings(Path("x"), server_names=(name,)))
    with pytest.raises(SiteRefused, match="not an origin"):
        envoy_config(EnvoySettings(Path("x"), origins=["https://a.example/path"]))
