"""Who Spark sees: set by the server in every kind of request, whatever the browser sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pcw_server_ext.proxy.access.identity import under_a_hub, user_context
from tests.support.identity_provider import PROVIDER
from tests.support.paths import REPOSITORY
from tests.support.plans import base_pb2
from tests.support.server import StartServer
from tests.support.upstream import SyntheticUpstream
from tests.support.web import Site

SERVICE = base_pb2.DESCRIPTOR.services_by_name["SparkConnectService"]


@pytest.mark.parametrize("method", sorted(SERVICE.methods_by_name))
@pytest.mark.parametrize("sent", [None, "mallory", "x" * 300])
def test_user_wins_in_every_request(method: str, sent: str | None) -> None:
    kind: Any = getattr(base_pb2, SERVICE.methods_by_name[method].input_type.name)
    request = kind(session_id="session")
    if sent is not None:
        request.user_context.user_id = sent
        request.user_context.user_name = sent
    read = kind.FromString(request.SerializeToString() + user_context("Ännchen", "a" * 200))
    assert read.session_id == "session"
    assert read.user_context.user_id == "Ännchen"
    assert read.user_context.user_name == "a" * 200


def test_hub_is_known_by_its_token() -> None:
    assert under_a_hub({"JUPYTERHUB_API_TOKEN": "x"})
    assert not under_a_hub({})


def upload(site: Site, upstream: SyntheticUpstream) -> tuple[str, str]:
    request = base_pb2.AddArtifactsRequest(session_id="s")
    request.user_context.user_id = "mallory"
    answer = site.grpc("AddArtifacts", request.SerializeToString(), request.SerializeToString())
    assert answer.status == 0
    seen = {
        (r.user_context.user_id, r.user_context.user_name)
        for r in map(base_pb2.AddArtifactsRequest.FromString, upstream.requests)
    }
    assert len(upstream.requests) == 2
    (user,) = seen
    return user


def test_jupyters_user_is_set_when_asked_for(
    start_server: StartServer, upstream: SyntheticUpstream, tmp_path: Path
) -> None:
    (tmp_path / "provider.py").write_text(PROVIDER)
    path = [str(REPOSITORY), str(REPOSITORY / "client"), str(tmp_path)]
    site = start_server(
        f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}/;user_id=configured'}}",
        "--PcwExtension.identity=on",
        "--ServerApp.identity_provider_class=provider.Known",
        f"--Known.token={'t' * 20}",
        environment={"PYTHONPATH": os.pathsep.join(path)},
        token="t" * 20,
    )
    assert upload(site, upstream) == ("ann@hub", "Ann")


def test_user_of_the_connection_string_is_set(start_server: StartServer, upstream: SyntheticUpstream) -> None:
    site = start_server(
        f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}/;user_id=configured'}}",
    )
    assert upload(site, upstream) == ("configured", "configured")


def test_browsers_user_is_kept_otherwise(site: Site, upstream: SyntheticUpstream) -> None:
    assert upload(site, upstream) == ("mallory", "")
