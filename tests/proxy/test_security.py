"""What always holds, as one table of attacks: each is refused, or reaches Spark harmless, and leaves no secret behind.

The server runs with debug output, so that a secret which any of its lines holds is found. Rows name the rule that they
test. Origins, tokens for one endpoint, credentials and identity have test files too; their sharpest case is here.
"""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from pyspark_connect_web.wire import encode_frame

from pcw_server_ext.proxy.access.identity import user_context
from tests.support.paths import REPOSITORY
from tests.support.plans import base_pb2
from tests.support.server import start
from tests.support.upstream import SyntheticUpstream, order
from tests.support.web import SERVICE, Answer, Site, decode

BASE = "/user/x/"
PATH = f"pcw/grpc/synthetic/{SERVICE}/AnalyzePlan"
TYPE = {"Content-Type": "application/grpc-web+proto"}
ANN, BOB = "SECRET-TOKEN-OF-ANN", "SECRET-TOKEN-OF-BOB"
COOKIE = "SECRET-COOKIE"
UPSTREAM_TOKEN = "SECRET-TOKEN-OF-SPARK"
UPSTREAM_HEADER = "SECRET-HEADER-OF-SPARK"
PLAN = "SECRET-IN-PLAN"

# Two users with tokens and one with a cookie, as a hub has them.
PROVIDER = f"""
from jupyter_server.auth import IdentityProvider, User

class Two(IdentityProvider):
    async def get_user(self, handler):
        token = self.get_token(handler)
        if token in ("{ANN}", "{BOB}", "tttttttttttttttttttt"):
            handler._token_authenticated = True
            return User({{"{BOB}": "bob"}}.get(token, "ann"))
        return User("ann") if handler.get_cookie("login") == "{COOKIE}" else None
"""


@pytest.fixture(scope="module")
def fort(upstream: SyntheticUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server as on a hub, with small limits and debug output."""
    folder = tmp_path_factory.mktemp("fort")
    (folder / "two.py").write_text(PROVIDER)
    (folder / "token").write_text(UPSTREAM_TOKEN)
    config = {"url": f"{upstream.address}/;x-secret={UPSTREAM_HEADER}", "token_file": str(folder / "token")}
    path = [str(REPOSITORY), str(REPOSITORY / "client"), str(folder)]
    with start(
        folder,
        f"--PcwExtension.endpoints={{'synthetic': {config}}}",
        "--PcwExtension.identity=on",
        "--PcwExtension.max_request_body=100000",
        "--PcwExtension.max_request_message=50000",
        "--PcwExtension.request_idle_timeout=1.5",
        "--PcwExtension.authentication_interval=0",
        "--ServerApp.identity_provider_class=two.Two",
        "--ServerApp.log_level=DEBUG",
        base_url=BASE,
        token="t" * 20,
        environment={"PYTHONPATH": os.pathsep.join(path), "JUPYTERHUB_API_TOKEN": "unused"},
    ) as process:
        yield Site(process)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


XSRF = "2|aaaaaaaa|bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb|1700000000"
LOGIN = {"Cookie": f"login={COOKIE}; _xsrf={XSRF}"}


@dataclass(frozen=True)
class Attack:
    """A request that must be refused with one of ``statuses`` before anything is dialled."""

    rule: str
    name: str
    statuses: tuple[int, ...]
    method: str = "POST"
    path: str = PATH
    headers: dict[str, str] = field(default_factory=lambda: bearer(ANN))
    body: bytes = encode_frame(order())


def spark(method: str, endpoint: str = "synthetic", service: str = SERVICE) -> str:
    return f"pcw/grpc/{endpoint}/{service}/{method}"


AUTHENTICATED = "nothing is dialled before it is authenticated"
ORIGIN = "other pages do not act with a user's rights"
NAMED = "what a browser names is never dialled"
METHODS = "only Spark Connect's methods"
BOUNDED = "memory and time are bounded by configuration"

ATTACKS = [
    Attack(AUTHENTICATED, "no credential", (403,), headers={}),
    Attack(AUTHENTICATED, "wrong token", (403,), headers=bearer("SECRET-GUESS")),
    Attack(AUTHENTICATED, "part of a token", (403,), headers=bearer(ANN[:-1])),
    Attack(AUTHENTICATED, "other scheme", (403,), headers={"Authorization": f"Basic {ANN}"}),
    Attack(AUTHENTICATED, "wrong scoped token", (401,), headers=bearer("pcw_" + "0" * 16 + "_" + "A" * 43)),
    Attack(AUTHENTICATED, "damaged scoped token", (401,), headers=bearer("pcw_../../etc/passwd")),
    Attack(AUTHENTICATED, "forged cookie", (403,), headers={"Cookie": "login=SECRET-FORGED"}),
    Attack(AUTHENTICATED, "unknown endpoint without credential", (403,), path=spark("X", "none"), headers={}),
    Attack(
        AUTHENTICATED,
        "websocket",
        (403, 405),
        method="GET",
        headers={"Upgrade": "websocket", "Connection": "Upgrade"},
    ),
    Attack(AUTHENTICATED, "list of endpoints", (403,), method="GET", path="pcw/api/endpoints", headers={}),
    Attack(
        AUTHENTICATED,
        "health of an endpoint",
        (403,),
        method="GET",
        path="pcw/api/endpoints/synthetic",
        headers={},
    ),
    Attack(AUTHENTICATED, "list of tokens", (403,), method="GET", path="pcw/api/tokens", headers={}),
    Attack(AUTHENTICATED, "a token", (403,), path="pcw/api/tokens", headers={}),
    Attack(ORIGIN, "cookie without XSRF value", (403,), headers=LOGIN),
    Attack(ORIGIN, "cookie with wrong XSRF value", (403,), headers={**LOGIN, "X-XSRFToken": "SECRET-WRONG"}),
    Attack(
        ORIGIN,
        "cookie from a foreign page",
        (403, 404),
        headers={**LOGIN, "X-XSRFToken": XSRF, "Origin": "https://evil.example"},
    ),
    Attack(
        ORIGIN,
        "cookie from a sandboxed page",
        (403, 404),
        headers={**LOGIN, "X-XSRFToken": XSRF, "Origin": "null"},
    ),
    Attack(
        ORIGIN, "token from a foreign page", (403,), headers={**bearer(ANN), "Origin": "https://evil.example"}
    ),
    Attack(
        ORIGIN,
        "origin that begins as ours",
        (403,),
        headers={**bearer(ANN), "Origin": "http://127.0.0.1:1.evil.example"},
    ),
    Attack(ORIGIN, "other Host (DNS rebinding)", (403,), headers={**bearer(ANN), "Host": "evil.example"}),
    Attack(
        ORIGIN,
        "token by a foreign page's form",
        (403, 404),
        path="pcw/api/tokens",
        headers={**LOGIN, "Origin": "https://evil.example"},
    ),
    Attack(NAMED, "host as endpoint", (404,), path=spark("AnalyzePlan", "127.0.0.1:22")),
    Attack(NAMED, "URL as endpoint", (404,), path=spark("AnalyzePlan", "http://127.0.0.1:22")),
    Attack(NAMED, "encoded URL as endpoint", (404,), path=spark("AnalyzePlan", "sc%3A%2F%2F127.0.0.1%3A22")),
    Attack(NAMED, "connection string as endpoint", (404,), path=spark("AnalyzePlan", "synthetic;token=x")),
    Attack(NAMED, "absolute URL as target", (404,), path=f"http://evil.example{BASE}{PATH}"),
    Attack(NAMED, "double slash", (404,), path=f"pcw/grpc//synthetic/{SERVICE}/AnalyzePlan"),
    Attack(NAMED, "double slash at the start", (404,), path=f"/{BASE}{PATH}"),
    Attack(NAMED, "dots", (404,), path=f"pcw/grpc/x/../synthetic/{SERVICE}/AnalyzePlan"),
    Attack(NAMED, "encoded dots", (404,), path=spark("AnalyzePlan", "%2e%2e")),
    Attack(NAMED, "encoded slash", (404,), path=f"pcw/grpc/synthetic%2f{SERVICE}/AnalyzePlan"),
    Attack(NAMED, "null", (404,), path=spark("AnalyzePlan", "synthetic%00")),
    Attack(NAMED, "line break", (404,), path=spark("AnalyzePlan", "synthetic%0d%0aX-Evil:1")),
    Attack(NAMED, "other verb", (405,), method="PUT"),
    Attack(NAMED, "other content type", (415,), headers={**bearer(ANN), "Content-Type": "application/json"}),
    Attack(
        METHODS,
        "reflection",
        (200,),
        path=spark("ServerReflectionInfo", service="grpc.reflection.v1.ServerReflection"),
    ),
    Attack(METHODS, "unknown method", (200,), path=spark("DropEverything")),
    Attack(METHODS, "method with a line break", (404,), path=spark("AnalyzePlan%0d%0aX-Evil:1")),
    Attack(METHODS, "method with a slash", (404,), path=spark("x%2fAnalyzePlan")),
    Attack(METHODS, "method in lower case", (200,), path=spark("analyzeplan")),
    Attack(BOUNDED, "body above the limit", (413,), body=bytes(100_001)),
    Attack(BOUNDED, "message above the limit", (200,), body=b"\0\x7f\xff\xff\xff" + b"x" * 100),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name.replace(" ", "-"))
def test_attack_is_refused_before_anything_is_dialled(
    fort: Site, upstream: SyntheticUpstream, attack: Attack
) -> None:
    before = upstream.calls
    path = attack.path
    if path.startswith(("http:", "//")):
        answer = raw(fort, attack.method, path, {**TYPE, **attack.headers}, attack.body)
    else:
        answer = fort.request(
            attack.method, path, headers={**TYPE, **attack.headers}, body=attack.body, authenticated=False
        )
    assert answer.status in attack.statuses, answer
    if answer.status == 200:
        assert decode(answer).status in (8, 12)
    assert upstream.calls == before
    assert "x-evil" not in answer.headers
    assert "location" not in answer.headers
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-embedder-policy"] == "credentialless"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers.get("access-control-allow-origin") in (None, "")
    assert b"SECRET" not in answer.body
    assert b"evil" not in answer.body


def raw(site: Site, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
    """A request whose target is sent as it stands."""
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", site.process.port), 20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, content = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    found = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
    return Answer(int(first.split()[1]), found, content)


def test_every_rule_has_several_attacks() -> None:
    rules = [attack.rule for attack in ATTACKS]
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 40
    assert all(rules.count(rule) > 1 for rule in rules)


def call(site: Site, body: bytes, token: str = ANN, method: str = "AnalyzePlan", **headers: str) -> Answer:
    return site.request(
        "POST",
        spark(method),
        headers={**TYPE, **bearer(token), **headers},
        body=encode_frame(body),
        authenticated=False,
    )


def test_session_of_another_user_cannot_be_named(fort: Site, upstream: SyntheticUpstream) -> None:
    request = base_pb2.AddArtifactsRequest(session_id="the-session-of-ann")
    request.user_context.user_id = request.user_context.user_name = "ann"
    # a forged context behind the first one, as the server itself appends its own
    forged = request.SerializeToString() + request.SerializeToString()
    for body in (request.SerializeToString(), forged):
        assert decode(call(fort, body, BOB, "AddArtifacts")).status == 0
        seen = base_pb2.AddArtifactsRequest.FromString(upstream.requests[0])
        assert (seen.user_context.user_id, seen.user_context.user_name) == ("bob", "bob")


@pytest.mark.parametrize(
    "last", [b"\x7a", b"\x7a\x0c", b"\x7a\xff", b"\x79", b"\x78", b"\x78\xff", b"\x7b", b"\x0c", b"\xff"]
)
@pytest.mark.parametrize("whole", [0, 1])
def test_users_name_is_not_swallowed_by_an_open_field(
    fort: Site, upstream: SyntheticUpstream, last: bytes, whole: int
) -> None:
    # the server puts the user behind the message: 12 bytes that a last field could claim for itself
    assert len(user_context("bob", "bob")) == 12
    request = base_pb2.AddArtifactsRequest(session_id="the-session-of-ann")
    request.user_context.user_id = request.user_context.user_name = "ann"
    message = request.SerializeToString()
    upstream.requests = []
    body = encode_frame(message) * whole + encode_frame(message + last)
    answer = fort.request(
        "POST", spark("AddArtifacts"), headers={**TYPE, **bearer(BOB)}, body=body, authenticated=False
    )
    assert decode(answer).status == 13
    assert [
        base_pb2.AddArtifactsRequest.FromString(seen).user_context.user_id for seen in upstream.requests
    ] in ([], ["bob"] * whole)
    assert decode(call(fort, message, BOB, "AddArtifacts")).status == 0


def test_jupyters_credentials_do_not_go_up_and_sparks_do_not_come_down(
    fort: Site, upstream: SyntheticUpstream
) -> None:
    sent = {
        "Cookie": f"login={COOKIE}; _xsrf={XSRF}",
        "X-XSRFToken": "SECRET-XSRF",
        "X-Forwarded-For": "SECRET-FORWARDED",
        "Proxy-Authorization": "SECRET-PROXY",
        "X-JupyterHub-Token": "SECRET-HUB",
        "Remote-User": "SECRET-NAME",
        "X-Remote-User": "SECRET-NAME",
        "X-Auth-Request-Access-Token": "SECRET-OAUTH2-PROXY",
        "X-Amzn-Oidc-Data": "SECRET-LOAD-BALANCER",
        "X-Goog-Iap-Jwt-Assertion": "SECRET-IAP",
        "Cf-Access-Jwt-Assertion": "SECRET-ACCESS",
        "X-Ms-Token-Aad-Access-Token": "SECRET-EASY-AUTH",
        "x-secret": "SECRET-OVERRIDE",
        "x-mine": "kept",
        "x-pcw-metadata": "x-mine,x-secret",
    }
    answer = call(fort, order(), **sent)
    up = json.loads(decode(answer).messages[0])["metadata"]
    # the synthetic server sends back what it got, which a real one does not
    assert up.pop("authorization") == f"Bearer {UPSTREAM_TOKEN}"
    assert up.pop("x-secret") == UPSTREAM_HEADER
    assert up.pop("x-mine") == "kept"
    assert "SECRET" not in json.dumps(up)
    assert not {"cookie", "x-xsrftoken", "origin", "referer"} & set(up)
    assert "SECRET" not in json.dumps(answer.headers)


def test_upstream_does_not_speak_for_the_server(fort: Site) -> None:
    initial = [
        ("set-cookie", "evil=1"),
        ("location", "https://evil.example"),
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("cross-origin-opener-policy", "unsafe-none"),
        ("cross-origin-embedder-policy", "unsafe-none"),
        ("content-security-policy", "default-src *"),
        ("strict-transport-security", "max-age=1"),
        ("clear-site-data", "*"),
        ("refresh", "0;url=https://evil.example"),
        ("www-authenticate", "Basic realm=evil"),
        # proxies before the server would serve another file or address in its place
        ("x-accel-redirect", "/evil"),
        ("x-sendfile", "/etc/passwd"),
        ("x-lighttpd-send-file", "/etc/passwd"),
        ("x-litespeed-location", "/evil"),
        ("status", "302"),
        ("x-jupyterhub-version", "0"),
        ("accept-ch", "sec-ch-ua-model"),
        ("set-login", "logged-out"),
        ("speculation-rules", '"/evil"'),
        ("attribution-reporting-register-source", "{}"),
        ("x-custom", "kept"),
    ]
    answer = call(fort, order(initial=initial))
    assert decode(answer).status == 0
    assert answer.headers["x-custom"] == "kept"
    shown = {name: value for name, value in answer.headers.items() if name in dict(initial)}
    assert shown.pop("cross-origin-opener-policy") == "same-origin"
    assert shown.pop("cross-origin-embedder-policy") == "credentialless"
    assert "evil" not in shown.pop("content-security-policy")
    assert shown.pop("x-custom") == "kept"
    assert shown == {}


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "%0d%0aX-Evil: 1", '"}]', "\x7f\u2028"])
def test_text_of_a_browser_or_of_spark_stays_text(fort: Site, text: str) -> None:
    answer = call(fort, order(status=3, details=text))
    assert decode(answer).status == 3
    assert "x-evil" not in answer.headers
    assert answer.headers["content-type"] == "application/grpc-web+proto"
    refused = fort.request(
        "POST",
        "pcw/api/tokens",
        headers=bearer(ANN),
        body=json.dumps({"note": text * 100}).encode(),
        authenticated=False,
    )
    assert refused.status in (201, 400)
    assert refused.headers["content-type"].startswith("application/json")


def test_login_page_does_not_lead_elsewhere(fort: Site) -> None:
    for path in (f"/{BASE}pcw/api/endpoints", "//evil.example/pcw", f"{BASE}login?next=//evil.example"):
        answer = raw(fort, "GET", path, {}, b"")
        assert not re.match(r"(https?:)?//", answer.headers.get("location", ""))


@pytest.mark.parametrize(
    "path", ["../../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2fx", "//etc/passwd"]
)
def test_files_outside_are_not_served(fort: Site, path: str) -> None:
    for place in ("pcw/runtime/current/", "pcw/runtime/0123abcd/", "pcw/sites/x/", "pcw/lite/"):
        answer = raw(fort, "GET", f"{BASE}{place}{path}", bearer(ANN), b"")
        assert answer.status in (301, 302, 400, 403, 404), (place, answer)
        assert b"root:" not in answer.body


def slow(site: Site, pieces: list[bytes], pause: float) -> tuple[float, bytes]:
    """Send a request's body slowly; returns seconds until the server closed, and what it answered."""
    head = f"POST {BASE}{PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {ANN}\r\n"
    head += "Content-Type: application/grpc-web+proto\r\nContent-Length: 5000\r\nConnection: close\r\n\r\n"
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", site.process.port), 30) as connection:
        connection.sendall(head.encode())
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return time.monotonic() - begin, answer


def test_request_that_stands_still_is_cut_off_and_disturbs_nobody(
    fort: Site, upstream: SyntheticUpstream
) -> None:
    results: list[tuple[float, bytes]] = []

    def stand_still() -> None:
        results.append(slow(fort, [b"\0\0\0\x13\x83", b"x" * 100, b"x" * 100], 0))

    threads = [threading.Thread(target=stand_still) for _ in range(20)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        assert decode(call(fort, order())).status == 0
    for thread in threads:
        thread.join(30)
    assert [answer for _, answer in results] == [b""] * 20
    assert all(1.4 < seconds < 60 for seconds, _ in results)


def test_request_that_comes_slowly_is_served(fort: Site) -> None:
    body = encode_frame(order(pad="x" * 4981))
    assert len(body) == 5000
    seconds, answer = slow(fort, [body[at : at + 500] for at in range(0, 5000, 500)], 0.3)
    assert seconds > 1.5
    assert b"grpc-status:0" in answer


def test_secrets_are_in_no_line_that_the_server_wrote(fort: Site) -> None:
    call(fort, order(status=13, details="SECRET-DETAILS", plan=PLAN))
    call(fort, PLAN.encode(), "SECRET-GUESS")
    fort.request("GET", f"pcw/api/endpoints?token={ANN}", authenticated=False)
    fort.request("POST", f"{PATH}?token={ANN}&x=1", headers={"Content-Type": "x"}, authenticated=False)
    made = fort.request("POST", "pcw/api/tokens", headers=bearer(ANN), body=b"{}", authenticated=False).json()
    call(fort, order(), made["token"])
    deadline = time.monotonic() + 30
    while f'"token": "{made["id"]}"' not in fort.process.printed():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    printed = fort.process.printed()
    assert made["token"].split("_", 2)[2] not in printed
    for secret in (ANN, BOB, COOKIE, UPSTREAM_TOKEN, UPSTREAM_HEADER, PLAN, XSRF, "SECRET"):
        assert [line for line in printed.splitlines() if secret in line] == []
