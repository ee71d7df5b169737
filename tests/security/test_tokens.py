"""A token for one endpoint opens that endpoint, and never the account that the server runs as."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark_connect_web.wire import encode_frame

from tests.support.paths import CLIENT, REPOSITORY
from tests.support.server import StartServer
from tests.support.upstream import SyntheticUpstream, order
from tests.support.web import SERVICE, Answer, Site

ALLOWED = "--PcwExtension.scoped_tokens_local_engine=True"


def mint(site: Site, endpoint: str = "default") -> Answer:
    body = json.dumps({"endpoint": endpoint}).encode()
    return site.request("POST", "pcw/api/tokens", body=body)


def call(site: Site, token: str, endpoint: str = "default") -> Answer:
    headers = {"Content-Type": "application/grpc-web+proto", "Authorization": f"Bearer {token}"}
    path = f"pcw/grpc/{endpoint}/{SERVICE}/AnalyzePlan"
    return site.request("POST", path, headers=headers, body=encode_frame(order()), authenticated=False)


def state(site: Site) -> str:
    found: str = site.request("GET", "pcw/api/endpoints").json()["endpoints"][0]["state"]
    return found


def test_token_for_the_local_engine_is_neither_made_nor_taken(
    start_server: StartServer, tmp_path: Path
) -> None:
    folder = f"--PcwExtension.scoped_token_dir={tmp_path / 'tokens'}"
    allowing = start_server("--PcwExtension.engine=sail", folder, ALLOWED)
    made = mint(allowing)
    assert made.status == 201
    assert made.json()["kind"] != "remote"
    forbidding = start_server("--PcwExtension.engine=sail", folder)
    refused = mint(forbidding)
    assert refused.status == 400
    assert "could run code as the account of the Jupyter server" in refused.json()["message"]
    assert "PcwExtension.scoped_tokens_local_engine=True" in refused.json()["message"]
    used = call(forbidding, made.json()["token"])
    assert used.status == 403
    assert used.json()["message"] == refused.json()["message"]
    assert state(forbidding) == "idle"


def test_token_for_a_remote_spark_is_made_and_taken(
    start_server: StartServer, upstream: SyntheticUpstream
) -> None:
    site = start_server(f"--PcwExtension.endpoints={{'default': '{upstream.address}'}}")
    made = mint(site)
    assert (made.status, made.json()["kind"]) == (201, "remote")
    assert call(site, made.json()["token"]).status == 200


@pytest.mark.parametrize("local", [True, False])
def test_command_says_what_can_be_done_with_the_token(
    start_server: StartServer, upstream: SyntheticUpstream, local: bool
) -> None:
    endpoints = f"--PcwExtension.endpoints={{'default': '{upstream.address}'}}"
    site = start_server(*(["--PcwExtension.engine=sail", ALLOWED] if local else [endpoints]))
    done = subprocess.run(
        [sys.executable, "-m", "pcw_server_ext.cli.main", "token", "--server", site.process.url],
        env={"JUPYTER_TOKEN": site.token, "PYTHONPATH": f"{REPOSITORY}:{CLIENT}", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.startswith("pcw_")
    if local:
        assert "Who has it can run code as the account of the Jupyter server" in done.stderr
    else:
        assert "Who has it can run any query and Python function on that Spark server as" in done.stderr
