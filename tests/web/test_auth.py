"""Who may call: every verb and route, with and without token, cookie, XSRF value and origin."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pyspark_connect_web.wire import encode_frame

from tests.support.paths import REPOSITORY
from tests.support.server import StartServer
from tests.support.upstream import SyntheticUpstream, order
from tests.support.web import SERVICE, Answer, Site, decode

PATH = f"pcw/grpc/synthetic/{SERVICE}/AnalyzePlan"
TYPE = {"Content-Type": "application/grpc-web+proto"}


def call(site: Site, headers: dict[str, str], *, authenticated: bool = False, path: str = PATH) -> Answer:
    return site.request(
        "POST", path, headers={**TYPE, **headers}, body=encode_frame(order()), authenticated=authenticated
    )


def is_refusal(answer: Answer, status: int = 403) -> bool:
    return answer.status == status and set(answer.json()) == {"message", "reason"}


def test_without_credentials_nothing_is_dialled(site: Site, upstream: SyntheticUpstream) -> None:
    before = upstream.calls
    assert is_refusal(call(site, {}))
    assert is_refusal(call(site, {"Authorization": "token wrong"}))
    assert is_refusal(call(site, {"Cookie": "username-127-0-0-1=forged"}))
    assert is_refusal(call(site, {}, path="pcw/grpc/nobody/" + SERVICE + "/AnalyzePlan"))
    assert is_refusal(call(site, {}, path="pcw/grpc/unknown/" + SERVICE + "/AnalyzePlan"))
    assert upstream.calls == before


@pytest.mark.parametrize("scheme", ["token", "Bearer"])
def test_token_header_needs_no_xsrf_value(site: Site, scheme: str) -> None:
    answer = call(site, {"Authorization": f"{scheme} {site.token}"})
    assert decode(answer).status == 0


def test_cookie_needs_the_xsrf_header(site: Site, upstream: SyntheticUpstream) -> None:
    cookie, xsrf = site.login()
    before = upstream.calls
    assert is_refusal(call(site, {"Cookie": cookie}))
    assert is_refusal(call(site, {"Cookie": cookie, "X-XSRFToken": "x" * len(xsrf)}))
    assert upstream.calls == before
    assert decode(call(site, {"Cookie": cookie, "X-XSRFToken": xsrf})).status == 0


def test_cookie_from_another_origin_is_refused(site: Site, upstream: SyntheticUpstream) -> None:
    cookie, xsrf = site.login()
    sent = {"Cookie": cookie, "X-XSRFToken": xsrf}
    before = upstream.calls
    foreign = call(site, {**sent, "Origin": "https://evil.example"})
    assert foreign.status in (403, 404)
    assert call(site, {**sent, "Origin": f"http://127.0.0.1:{site.process.port}.evil.example"}).status >= 400
    assert upstream.calls == before
    own = f"http://127.0.0.1:{site.process.port}"
    assert decode(call(site, {**sent, "Origin": own})).status == 0


def test_foreign_origin_is_refused_where_xsrf_is_switched_off(
    start_server: StartServer, upstream: SyntheticUpstream
) -> None:
    site = start_server(
        f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}'}}",
        "--ServerApp.disable_check_xsrf=True",
        token="",
    )
    before = upstream.calls
    assert is_refusal(call(site, {"Origin": "https://evil.example"}))
    assert upstream.calls == before
    assert decode(call(site, {})).status == 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_other_verbs_are_405(site: Site, upstream: SyntheticUpstream, method: str) -> None:
    before = upstream.calls
    assert site.request(method, PATH).status == 405
    assert site.request(method, PATH, authenticated=False).status in (403, 405)
    assert upstream.calls == before


@pytest.mark.parametrize(
    "kind", ["", "application/json", "application/grpc", "application/grpc-web+json", "text/plain"]
)
def test_other_content_types_are_415(site: Site, upstream: SyntheticUpstream, kind: str) -> None:
    before = upstream.calls
    assert is_refusal(call(site, {"Content-Type": kind}, authenticated=True), 415)
    assert upstream.calls == before


@pytest.mark.parametrize("accept", ["application/grpc-web+json", "application/grpc-web+<b>", "text/html"])
def test_answer_is_never_of_another_type(site: Site, accept: str) -> None:
    assert site.grpc("AnalyzePlan", order(), headers={"Accept": accept}).status == 0


@pytest.mark.parametrize("length", ["", "8, 8", "8, 9", "0x8", "\u00b2", "9" * 5000])
def test_length_that_is_no_number_is_400(site: Site, upstream: SyntheticUpstream, length: str) -> None:
    before = upstream.calls
    kind = {"Content-Type": "application/grpc-web+proto"}
    answer = site.request(
        "POST", PATH, headers={**kind, "Content-Length": length}, body=encode_frame(order())
    )
    assert answer.status == 400
    assert upstream.calls == before


def test_plain_grpc_web_content_type_is_served(site: Site) -> None:
    answer = call(site, {"Content-Type": "application/grpc-web"}, authenticated=True)
    assert answer.headers["content-type"] == "application/grpc-web+proto"
    assert decode(answer).status == 0


def test_unknown_endpoint_is_404(site: Site) -> None:
    assert is_refusal(call(site, {}, authenticated=True, path=f"pcw/grpc/other/{SERVICE}/AnalyzePlan"), 404)


@pytest.mark.parametrize(
    "path",
    [
        f"pcw/grpc/synthetic/{SERVICE}/AnalyzePlan/x",
        f"pcw/grpc//synthetic/{SERVICE}/AnalyzePlan",
        f"pcw/grpc/synthetic/../nobody/{SERVICE}/AnalyzePlan",
        f"pcw/grpc/http://127.0.0.1:1/{SERVICE}/AnalyzePlan",
        f"pcw/grpc/127.0.0.1:1/{SERVICE}/AnalyzePlan",
        "pcw/grpc/synthetic/AnalyzePlan",
    ],
)
def test_smuggled_paths_are_404(site: Site, upstream: SyntheticUpstream, path: str) -> None:
    before = upstream.calls
    assert call(site, {}, authenticated=True, path=path).status == 404
    assert upstream.calls == before


@pytest.mark.parametrize("method", ["Analyze%2fPlan", "..%2f..%2fx", "AnalyzePlan%0d%0ax-evil:1", "%00"])
def test_smuggled_methods_are_unimplemented(site: Site, upstream: SyntheticUpstream, method: str) -> None:
    before = upstream.calls
    answer = call(site, {}, authenticated=True, path=f"pcw/grpc/synthetic/{SERVICE}/{method}")
    assert answer.status == 404 or decode(answer).status == 12
    assert "x-evil" not in answer.headers
    assert upstream.calls == before


def test_too_large_body_is_413_before_it_is_read(
    start_server: StartServer, upstream: SyntheticUpstream
) -> None:
    site = start_server(
        f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}'}}",
        "--PcwExtension.max_request_body=1000",
    )
    answer = site.request("POST", PATH, headers=TYPE, body=encode_frame(bytes(2000)))
    assert is_refusal(answer, 413)
    assert "max_request_body" in answer.json()["message"]


def test_endpoint_list_needs_credentials_and_holds_no_address(site: Site) -> None:
    assert site.request("GET", "pcw/api/endpoints", authenticated=False).status == 403
    answer = site.request("GET", "pcw/api/endpoints")
    assert answer.headers["content-type"] == "application/json"
    found = {e["name"]: e for e in answer.json()["endpoints"]}
    assert set(found) == {"synthetic", "nobody"}
    assert all(set(e) == {"name", "kind", "state", "default"} for e in found.values())
    assert [e["default"] for e in found.values()].count(True) == 1
    assert b"127.0.0.1" not in answer.body
    assert b"TOKEN-OF-NOBODY" not in answer.body


AUTHORIZER = """
from jupyter_server.auth import Authorizer

class Recorder(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        print("ASKED", action, resource, flush=True)
        return resource != "pcw" or handler.request.method == "GET"
"""


def test_authorizer_is_asked_and_obeyed_before_dialling(
    start_server: StartServer, upstream: SyntheticUpstream, tmp_path: Path
) -> None:
    (tmp_path / "recorder.py").write_text(AUTHORIZER)
    path = [str(REPOSITORY), str(REPOSITORY / "client"), str(tmp_path)]
    site = start_server(
        f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}'}}",
        "--ServerApp.authorizer_class=recorder.Recorder",
        environment={"PYTHONPATH": os.pathsep.join(path)},
    )
    before = upstream.calls
    assert is_refusal(call(site, {}, authenticated=True))
    assert upstream.calls == before
    assert site.request("GET", "pcw/api/endpoints").status == 200
    printed = site.process.printed()
    assert "ASKED execute pcw" in printed
    assert "ASKED read pcw" in printed
