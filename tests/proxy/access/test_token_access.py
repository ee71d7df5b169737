"""Tokens for one endpoint at a server: who may make them, what they open, whom Spark sees, how they end."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark_connect_web.wire import encode_frame

from tests.support.paths import REPOSITORY
from tests.support.plans import base_pb2
from tests.support.server import StartServer, start
from tests.support.upstream import SyntheticUpstream, order
from tests.support.web import SERVICE, Answer, Site, decode

PATH = f"pcw/grpc/synthetic/{SERVICE}/AnalyzePlan"
TYPE = {"Content-Type": "application/grpc-web+proto"}
PAGES = "https://pages.example"

# As JupyterHub does it: users come from tokens, the authorizer reads what the identity provider hung on them.
PROVIDER = """
from jupyter_server.auth import Authorizer, IdentityProvider, User

class HubUser(User):
    def __init__(self, hub_user):
        self.hub_user = hub_user
        super().__init__(username=hub_user["name"], name=hub_user["name"].title())

class Hub(IdentityProvider):
    async def get_user(self, handler):
        word, _, token = handler.request.headers.get("Authorization", "").partition(" ")
        if token not in ("ann", "bob", "admin", "reader", "tttttttttttttttttttt"):
            return None
        print("HUB WAS ASKED ABOUT", token[:4], flush=True)
        handler._token_authenticated = True
        name = "admin" if token.startswith("tttt") else token
        return HubUser({"name": name, "scopes": ["access"], "secret": "SECRET-OF-THE-HUB"})

class Scopes(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        if "access" not in user.hub_user["scopes"] or (user.username == "reader" and action != "read"):
            return False
        return resource != "pcw_tokens" or user.username == "admin"
"""


@pytest.fixture(scope="module")
def hub(upstream: SyntheticUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server as a hub starts it, with three users and two endpoints."""
    folder = tmp_path_factory.mktemp("hub")
    (folder / "hub_provider.py").write_text(PROVIDER)
    path = [str(REPOSITORY), str(REPOSITORY / "client"), str(folder)]
    with start(
        folder,
        f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}', 'other': '{upstream.address}'}}",
        f"--PcwExtension.allowed_origins={PAGES}",
        "--ServerApp.identity_provider_class=hub_provider.Hub",
        "--ServerApp.authorizer_class=hub_provider.Scopes",
        base_url="/user/ann/",
        token="t" * 20,
        environment={"PYTHONPATH": os.pathsep.join(path), "JUPYTERHUB_API_TOKEN": "unused"},
    ) as process:
        yield Site(process)


def as_user(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


def ask(site: Site, method: str, path: str = "", user: str = "ann", body: object = None) -> Answer:
    return site.request(
        method,
        f"pcw/api/tokens{path}",
        authenticated=False,
        headers={**as_user(user), "Content-Type": "application/json"},
        body=json.dumps(body).encode() if body is not None else None,
    )


def mint(site: Site, user: str = "ann", **asked: Any) -> dict[str, str]:
    answer = ask(site, "POST", user=user, body={"endpoint": "synthetic", **asked})
    assert answer.status == 201, answer
    assert answer.headers["cache-control"] == "no-store"
    made: dict[str, str] = answer.json()
    return made


def call(site: Site, token: str, *, path: str = PATH, body: bytes | None = None, **headers: str) -> Answer:
    sent = {**TYPE, "Authorization": f"Bearer {token}", **headers}
    return site.request(
        "POST", path, headers=sent, body=encode_frame(order()) if body is None else body, authenticated=False
    )


def test_token_opens_its_endpoint_from_an_allowed_page(hub: Site) -> None:
    made = mint(hub, ttl=60, note="for a talk")
    assert re.fullmatch(rf"pcw_{made['id']}_[\w-]{{43}}", made["token"])
    assert (made["endpoint"], made["user"], made["note"]) == ("synthetic", "ann", "for a talk")
    answer = call(hub, made["token"], Origin=PAGES)
    assert decode(answer).status == 0
    assert answer.headers["access-control-allow-origin"] == PAGES
    assert "set-cookie" not in answer.headers
    assert call(hub, made["token"], Origin="https://evil.example").status == 403


def test_token_never_goes_upstream_or_to_the_hub(hub: Site, upstream: SyntheticUpstream) -> None:
    token = mint(hub)["token"]
    asked = hub.process.printed().count("HUB WAS ASKED")
    seen = decode(call(hub, token)).messages[0]
    assert token.encode() not in seen
    assert "authorization" not in json.loads(seen)["metadata"]
    assert hub.process.printed().count("HUB WAS ASKED") == asked
    assert token.split("_", 2)[2] not in hub.process.printed()


def test_token_opens_nothing_else(hub: Site, upstream: SyntheticUpstream) -> None:
    token = mint(hub)["token"]
    before = upstream.calls
    other = call(hub, token, path=PATH.replace("synthetic", "other"))
    assert (other.status, other.json()["message"]) == (403, "The token is for another endpoint.")
    assert call(hub, token, path=PATH.replace("synthetic", "absent")).status == 403
    for method, path in (
        ("GET", PATH),
        ("GET", "pcw/api/endpoints"),
        ("GET", "pcw/api/tokens"),
        ("POST", "pcw/api/tokens"),
        ("DELETE", "pcw/api/tokens/0123456789abcdef"),
        ("GET", "pcw/api/sites"),
        ("GET", "api/contents"),
        ("GET", "api/kernels"),
        ("POST", "api/kernels"),
        ("POST", "api/terminals"),
        ("GET", "api/status"),
        ("GET", "tree"),
    ):
        for headers in (as_user(token), {"Authorization": f"token {token}"}):
            answer = hub.request(method, path, headers=headers, authenticated=False)
            assert answer.status in (302, 403, 404, 405), (method, path, answer)
            assert answer.status != 404 or path in ("tree", "api/terminals")
    assert hub.request("GET", f"api/contents?token={token}", authenticated=False).status == 403
    assert upstream.calls == before


def test_only_methods_of_spark_connect_are_opened(hub: Site, upstream: SyntheticUpstream) -> None:
    token = mint(hub)["token"]
    before = upstream.calls
    answer = call(hub, token, path="pcw/grpc/synthetic/grpc.reflection.v1.ServerReflection/Info")
    assert decode(answer).status == 12
    assert upstream.calls == before


@pytest.mark.parametrize("user", ["ann", "bob"])
def test_spark_sees_who_made_the_token(hub: Site, upstream: SyntheticUpstream, user: str) -> None:
    request = base_pb2.AddArtifactsRequest(session_id="s")
    request.user_context.user_id = "mallory"
    answer = call(
        hub,
        mint(hub, user)["token"],
        path=PATH.replace("AnalyzePlan", "AddArtifacts"),
        body=encode_frame(request.SerializeToString()),
    )
    assert decode(answer).status == 0
    seen = base_pb2.AddArtifactsRequest.FromString(upstream.requests[0]).user_context
    assert (seen.user_id, seen.user_name) == (user, user.title())


@pytest.mark.parametrize("connection", ["new", "kept"])
def test_revoked_token_is_refused_at_once(hub: Site, upstream: SyntheticUpstream, connection: str) -> None:
    made = mint(hub)
    target = hub.base_url + PATH
    sent = {**TYPE, **as_user(made["token"])}
    kept = hub.connect()
    try:
        kept.request("POST", target, encode_frame(order()), sent)
        assert b"grpc-status:0" in kept.getresponse().read()
        assert ask(hub, "DELETE", f"/{made['id']}").status == 204
        before = upstream.calls
        if connection == "new":
            kept.close()
        kept.request("POST", target, b"", sent)
        answer = kept.getresponse()
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        assert "jupyter pcw token" in json.loads(answer.read())["message"]
    finally:
        kept.close()
    assert upstream.calls == before
    assert ask(hub, "DELETE", f"/{made['id']}").status == 404


def test_token_ends_by_itself_also_on_a_kept_connection(hub: Site, upstream: SyntheticUpstream) -> None:
    made = mint(hub, ttl=1)
    target, sent = hub.base_url + PATH, {**TYPE, **as_user(made["token"])}
    connection = hub.connect()
    try:
        deadline = time.monotonic() + 60
        status = 200
        while status == 200 and time.monotonic() < deadline:
            connection.request("POST", target, encode_frame(order()), sent)
            answer = connection.getresponse()
            answer.read()
            status = answer.status
        assert status == 401
    finally:
        connection.close()
    assert made["id"] not in ask(hub, "GET").body.decode()


def test_users_see_and_revoke_their_own_and_an_admin_all(hub: Site) -> None:
    made = mint(hub, "ann")

    def seen_by(user: str) -> set[str]:
        return {token["id"] for token in ask(hub, "GET", user=user).json()["tokens"]}

    assert made["id"] in seen_by("ann")
    assert made["id"] in seen_by("admin")
    assert made["id"] not in seen_by("bob")
    assert ask(hub, "DELETE", f"/{made['id']}", "bob").status == 404
    assert call(hub, made["token"]).status == 200
    assert made["token"].split("_", 2)[2] not in ask(hub, "GET", user="admin").body.decode()
    assert ask(hub, "DELETE", f"/{made['id']}", "admin").status == 204
    assert call(hub, made["token"]).status == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"endpoint": "absent"}, 404),
        ({"ttl": 0}, 400),
        ({"ttl": 604_801}, 400),
        ({"ttl": "60"}, 400),
        ({"ttl": True}, 400),
        ({"ttl": 1e3}, 400),
        ({"endpoint": 5}, 400),
        ({"note": "x" * 201}, 400),
        ({"note": "two\nlines"}, 400),
        ({"note": "\x1b]0;title\x07"}, 400),
        ({"user": "admin"}, 400),
        ([], 400),
    ],
)
def test_wrong_wish_is_refused_with_a_reason(hub: Site, body: object, status: int) -> None:
    answer = ask(hub, "POST", body=body)
    assert answer.status == status
    assert len(answer.json()["message"]) > 20


def test_making_needs_the_right_to_execute(hub: Site) -> None:
    assert ask(hub, "GET", user="reader").status == 200
    assert ask(hub, "POST", user="reader", body={}).status == 403
    assert ask(hub, "POST", user="nobody", body={}).status == 403
    assert ask(hub, "GET", user="nobody").status == 403


def test_hub_secrets_are_not_written_down(hub: Site) -> None:
    mint(hub)
    folder = hub.process.state / "data" / "pcw" / "tokens"
    written = "".join(file.read_text() for file in folder.iterdir())
    assert '"access"' in written
    assert "SECRET-OF-THE-HUB" not in written


def test_cookie_without_xsrf_value_makes_nothing(site: Site) -> None:
    cookie, xsrf = site.login()
    sent = {"Cookie": cookie}
    body = b'{"endpoint": "synthetic"}'
    assert site.request("POST", "pcw/api/tokens", headers=sent, body=body, authenticated=False).status == 403
    sent["X-XSRFToken"] = xsrf
    foreign = {**sent, "Origin": "https://evil.example"}
    assert (
        site.request("POST", "pcw/api/tokens", headers=foreign, body=body, authenticated=False).status >= 403
    )
    made = site.request("POST", "pcw/api/tokens", headers=sent, body=body, authenticated=False)
    assert made.status == 201
    assert decode(call(site, made.json()["token"])).status == 0


@pytest.mark.parametrize("origin", ["http://[::1", "http://[", "//", "null", "http://a:b:c"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "pcw/api/tokens"),
        ("DELETE", "pcw/api/tokens/0123456789ab"),
        ("PUT", "pcw/api/sites/x"),
        ("POST", "pcw/api/sites/x"),
        ("DELETE", "pcw/api/sites/x"),
        ("GET", "pcw/api/sites"),
        ("GET", "pcw/api/endpoints"),
        ("GET", "pcw/api/packages"),
        ("GET", "pcw/sites/x/"),
        ("GET", "pcw/lite/"),
        ("POST", f"pcw/grpc/synthetic/{SERVICE}/Config"),
    ],
)
def test_origin_that_is_no_address_is_a_foreign_one(site: Site, method: str, path: str, origin: str) -> None:
    cookie, xsrf = site.login()
    sent = {"Cookie": cookie, "X-XSRFToken": xsrf, "Origin": origin}
    body = b"{}" if method in ("POST", "PUT") else None
    answer = site.request(method, path, headers=sent, body=body, authenticated=False)
    assert answer.status < 500, answer.body
    if method != "GET":
        assert answer.status in (403, 404)


def pcw(site: Site, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pcw_server_ext.cli.main", "token", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=REPOSITORY,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")},
            "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'client'}",
            "JUPYTER_RUNTIME_DIR": str(site.process.state / "runtime"),
            **environment,
        },
    )


def test_command_makes_lists_and_revokes(site: Site) -> None:
    made = pcw(site, "synthetic", "--ttl", "30m", "--note", "by command")
    assert made.returncode == 0, made.stderr
    (token,) = made.stdout.split()
    assert token not in made.stderr
    assert f"{site.process.url}pcw/grpc/synthetic" in made.stderr
    assert decode(call(site, token)).status == 0
    token_id = token.split("_")[1]
    listed = pcw(site, "--list", "--server", site.process.url, JUPYTER_TOKEN=site.token)
    (line,) = [line for line in listed.stdout.splitlines() if line.startswith(token_id)]
    assert line.endswith("\tby command")
    assert pcw(site, "--revoke", token_id).returncode == 0
    assert call(site, token).status == 401


def test_command_says_what_is_wrong(site: Site) -> None:
    refused = pcw(site, "--server", site.process.url, JUPYTER_TOKEN="wrong")
    assert (refused.returncode, "JUPYTER_TOKEN" in refused.stderr) == (1, True)
    absent = pcw(site, "absent")
    assert (absent.returncode, "no endpoint of that name" in absent.stderr) == (1, True)
    wrong = pcw(site, "--ttl", "soon")
    assert (wrong.returncode, "30m" in wrong.stderr) == (2, True)
    assert wrong.stdout + absent.stdout + refused.stdout == ""


def test_tokens_outlive_the_server_and_can_be_switched_off(
    start_server: StartServer, upstream: SyntheticUpstream, tmp_path: Path
) -> None:
    settings = (
        f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}'}}",
        f"--PcwExtension.scoped_token_dir={tmp_path / 'shared'}",
    )
    first = start_server(*settings)
    made = first.request("POST", "pcw/api/tokens", body=b"{}").json()
    first.process.stop()
    second = start_server(*settings)
    assert decode(call(second, made["token"])).status == 0
    second.process.stop()
    third = start_server(*settings, "--PcwExtension.scoped_token_max_ttl=0")
    assert call(third, made["token"]).status == 401
    assert third.request("POST", "pcw/api/tokens", body=b"{}").status == 400
