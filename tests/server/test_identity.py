"""Who Spark sees: set by the server in every kind of request, whatever the browser sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pcw_server_ext.proxy.endpoints import SPARK_CONNECT_METHODS
from pcw_server_ext.proxy.identity import under_a_hub, user_context
from tests.server.conftest import REPOSITORY, StartServer
from tests.server.plans import base_pb2
from tests.server.upstream import SyntheticUpstream
from tests.server.web import Site

SERVICE = base_pb2.DESCRIPTOR.services_by_name["SparkConnectService"]


def test_served_methods_are_those_of_the_service() -> None:
    assert set(SPARK_CONNECT_METHODS) == set(SERVICE.methods_by_name)
    for name, method in SERVICE.methods_by_name.items():
        assert SPARK_CONNECT_METHODS[name] is bool(method.client_streaming)


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


PROVIDER = """
from jupyter_server.auth import IdentityProvider, User

class Known(IdentityProvider):
    async def get_user(self, handler):
        self._token_authenticated = True
        user = await super().get_user(handler)
        return user and User("ann@hub", "Ann")
"""


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
