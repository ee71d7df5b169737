"""`jupyter pcw check --browser` on a real site with a real endpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.site.conftest import BuildSite
from tests.support.jupyter import JupyterProcess

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def check(
    site: Path | str, token: str, *arguments: str, jupyter_token: str = ""
) -> tuple[int, dict[str, dict[str, str]], str]:
    # `--browser` needs Playwright, which the tests' own environment has and an installed wheel does not bring
    done = subprocess.run(
        [sys.executable, "-m", "pcw_server_ext.cli", "check", site, "--browser", "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        env={**os.environ, "PCW_TOKEN": token, "JUPYTER_TOKEN": jupyter_token},
    )
    found = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    return done.returncode, found, done.stdout + done.stderr


def test_kernel_is_started_and_a_query_run(build_site: BuildSite, hub: JupyterProcess) -> None:
    code, found, printed = check(
        build_site("github-pages"), hub.token, "--endpoint", f"{hub.url}pcw/grpc/default"
    )
    assert code == 0, printed
    for name in ("page isolation", "kernel", "files", "query"):
        assert found[name]["status"] == "ok", found[name]
    assert hub.token not in printed


def test_staged_site_is_checked_where_it_is(
    build_site: BuildSite, pcw: Callable[..., str], hub: JupyterProcess
) -> None:
    pcw(
        *("stage", build_site("jupyter"), "--server", hub.url, "--name", "checked"),
        environment={"JUPYTER_TOKEN": hub.token},
    )
    code, found, printed = check(f"{hub.url}pcw/sites/checked/", "", jupyter_token=hub.token)
    assert code == 0, printed
    for name in ("page isolation", "kernel", "files", "query"):
        assert found[name]["status"] == "ok", found[name]
    assert hub.token not in printed


def test_query_that_fails_is_told_without_the_token(build_site: BuildSite, hub: JupyterProcess) -> None:
    wrong = "WRONG" + hub.token[5:]
    code, found, printed = check(
        build_site("github-pages"), wrong, "--endpoint", f"{hub.url}pcw/grpc/default"
    )
    assert code == 1
    assert found["token"]["status"] == "failed"
    assert found["query"]["status"] == "failed"
    assert wrong not in printed


def test_host_without_headers_is_seen_by_the_browser_too(build_site: BuildSite) -> None:
    code, found, _ = check(build_site("netlify"), "", "--host", "static")
    assert code == 1
    assert found["page isolation"]["status"] == "failed"
    assert "jupyter pcw check" in found["page isolation"]["text"]
