"""What a culler of idle servers sees of browser kernels: `/api/status`, and Jupyter's own shutdown without activity."""

from __future__ import annotations

import asyncio
import subprocess
import time
from datetime import datetime
from typing import Any

import pytest

from pcw_server_ext.app import PcwExtension
from pcw_server_ext.web.activity import INTERVAL, NAME, Activity
from tests.support import virtual_time
from tests.support.server import StartServer
from tests.support.upstream import SyntheticUpstream, order
from tests.support.web import SERVICE, Site


def last_activity(site: Site) -> datetime:
    """When the server last did something, as cullers ask for it; to ask is no activity."""
    found = site.request("GET", "api/status").json()["last_activity"]
    return datetime.fromisoformat(found.replace("Z", "+00:00"))


def await_later(site: Site, than: datetime) -> datetime:
    end = time.monotonic() + 60
    while (found := last_activity(site)) <= than:
        assert time.monotonic() < end, "the server looks idle"
        time.sleep(0.1)
    return found


class Noted(dict[str, Any]):
    """Remembers at which seconds of the loop's clock a time was noted."""

    def __init__(self) -> None:
        super().__init__()
        self.at: list[float] = []

    def __setitem__(self, key: str, value: Any) -> None:
        assert key == NAME
        self.at.append(asyncio.get_running_loop().time())
        super().__setitem__(key, value)


def test_time_moves_on_while_anything_runs_and_no_longer() -> None:
    async def test() -> None:
        noted = Noted()
        activity = Activity(noted)
        activity.began()
        await asyncio.sleep(1)
        activity.began()
        activity.ended()
        await asyncio.sleep(2.5 * INTERVAL)
        activity.ended()
        ended = 1 + 2.5 * INTERVAL
        assert noted.at == [0, 1, 1, INTERVAL, 2 * INTERVAL, ended]
        await asyncio.sleep(100 * INTERVAL)
        assert noted.at[-1] == ended
        # and the next one is seen again
        activity.began()
        await asyncio.sleep(1.5 * INTERVAL)
        activity.ended()
        assert len(noted.at) == 9

    virtual_time.run(test())


def test_query_that_runs_is_activity_all_the_time(site: Site) -> None:
    seen = last_activity(site)
    connection = site.begin(order(messages=1, size=10, forever=True))
    try:
        assert connection.getresponse().status == 200
        seen = await_later(site, seen)
        await_later(site, seen)
    finally:
        connection.close()


def test_page_whose_kernel_works_tells_so(site: Site) -> None:
    seen = last_activity(site)
    answer = site.request("POST", "pcw/api/activity")
    assert (answer.status, answer.body) == (204, b"")
    assert last_activity(site) > seen


@pytest.mark.parametrize(
    "path", ["pcw/api/activity", f"pcw/grpc/synthetic/{SERVICE}/AnalyzePlan", "pcw/grpc/nothing/a.B/C"]
)
def test_request_that_is_refused_is_no_activity(site: Site, path: str) -> None:
    seen = last_activity(site)
    headers = {"Content-Type": "application/grpc-web+proto"}
    assert site.request("POST", path, authenticated=False, headers=headers).status == 403
    assert last_activity(site) == seen


def test_activity_is_told_with_a_login_of_the_page_itself_only(site: Site) -> None:
    cookie, xsrf = site.login()
    seen = last_activity(site)
    assert (
        site.request("POST", "pcw/api/activity", authenticated=False, headers={"Cookie": cookie}).status
        == 403
    )
    assert last_activity(site) == seen
    headers = {"Cookie": cookie, "X-XSRFToken": xsrf}
    assert site.request("POST", "pcw/api/activity", authenticated=False, headers=headers).status == 204
    assert last_activity(site) > seen


def test_jupyter_is_told_of_calls_that_run() -> None:
    async def test() -> None:
        app = PcwExtension()
        assert app.current_activity() is None
        app._activity = Activity({})
        assert app.current_activity() is None
        app._activity.began()
        assert app.current_activity() == {"calls": 1}
        app._activity.ended()
        assert app.current_activity() is None

    virtual_time.run(test())


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_server_shuts_itself_down_when_nothing_runs_and_not_before(
    start_server: StartServer, upstream: SyntheticUpstream
) -> None:
    """Jupyter looks once a minute."""
    site = start_server(
        f"--PcwExtension.endpoints={{'synthetic': '{upstream.address}'}}",
        "--ServerApp.shutdown_no_activity_timeout=5",
    )
    process = site.process.process
    connection = site.begin(order(messages=1, size=10, forever=True), timeout=300)
    connection.getresponse()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(130)
    connection.close()
    process.wait(240)
    assert "shutting down" in site.process.printed()
