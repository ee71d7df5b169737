"""A site of a stranger on a Jupyter server, in a real Chromium: apart from the server, and trusted."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from pcw_server_ext.site.record import SiteRecord
from tests.support.server import start
from tests.support.web import Site

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

FOLDER = Path(__file__).with_name("hostile_site")


class Collector(ThreadingHTTPServer):
    """The stranger's own server; `seen` holds the paths that it was asked for."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_GET(self) -> None:
        self.server.seen.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with start(tmp_path_factory.mktemp("server"), base_url="/user/x/") as process:
        yield Site(process)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context()
    yield made
    made.close()


def stage(site: Site, name: str = "hostile", **files: str) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path in FOLDER.iterdir():
            archive.write(path, path.name)
        # Built for the server itself, with its own endpoint: the tightest policy.
        archive.writestr("pcw-site.json", SiteRecord(host="jupyter", endpoint="same-origin").dumps())
        for path_name, text in files.items():
            archive.writestr(path_name, text)
    answer = site.request("PUT", f"pcw/api/sites/{name}", body=made.getvalue())
    assert answer.status == 201, answer.body
    assert answer.json()["trusted"] is False


def open_asking_page(site: Site, context: BrowserContext, name: str = "hostile") -> Page:
    """Open a site as a visitor who is logged in."""
    page = context.new_page()
    page.goto(f"{site.process.url}login?token={site.token}")
    answer = page.goto(f"{site.process.url}pcw/sites/{name}/")
    assert answer is not None
    assert answer.status == 403
    return page


def attack(page: Page, site: Site, collector: Collector) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(
        "([jupyter, collector]) => attack(jupyter, collector)", [site.process.url, collector.url]
    )
    return found


def rights_used(site: Site) -> tuple[int, int]:
    """Return how many files and tokens there are."""
    files = site.request("GET", "api/contents").json()["content"]
    tokens = site.request("GET", "pcw/api/tokens").json()["tokens"]
    return len(files), len(tokens)


def test_site_that_is_not_trusted_does_not_run_on_jupyters_origin(
    site: Site, context: BrowserContext
) -> None:
    stage(site)
    page = open_asking_page(site, context)
    assert "Open the site “hostile”?" in page.locator("h1").inner_text()
    assert page.evaluate("() => typeof window.attack") == "undefined"
    for path in ("sw.js", "attack.js", "", "pcw-site.json"):
        answer = context.request.get(f"{site.process.url}pcw/sites/hostile/{path}").status
        assert answer == 403, path


def test_site_apart_reaches_nothing_of_the_server(
    site: Site, context: BrowserContext, collector: Collector
) -> None:
    stage(site)
    before = rights_used(site)
    page = open_asking_page(site, context)
    page.get_by_role("link", name="Open it apart").click()
    page.wait_for_function("() => typeof window.attack === 'function'")
    assert ".localhost:" in page.url
    assert "ticket" not in page.url
    # What a kernel needs is there.
    assert page.evaluate("() => crossOriginIsolated") is True
    found = attack(page, site, collector)
    assert found["ran"] is True
    assert found["cookies"] == ""
    for name in (
        "read contents",
        "new file",
        "terminal",
        "token",
        "trust itself",
        "simple request",
        "page of Jupyter",
        "frame",
    ):
        assert "refused" in found[name] or found[name] in ("nothing happened", "empty"), (name, found)
    assert found["popup"] != "scripted"
    assert "refused" in found["foreign fetch"]
    assert "refused" in found["foreign image"]
    assert collector.seen == []
    assert rights_used(site) == before
    assert site.request("GET", "pcw/api/sites/hostile").json()["trusted"] is False
    # Its cookies and its worker are its own: Jupyter's pages are as before, and the visitor is still logged in.
    names = {cookie["name"]: cookie["value"] for cookie in context.cookies(site.process.url)}
    assert "TOSSED" not in names.values()
    jupyter = context.new_page()
    jupyter.goto(f"{site.process.url}api/status")
    assert jupyter.evaluate("() => window.HIJACKED") is None
    assert jupyter.evaluate("() => navigator.serviceWorker?.controller ?? null") is None
    # A deleted site is gone at once, for a visitor who has it open too.
    assert site.request("DELETE", "pcw/api/sites/hostile").status == 204
    assert page.evaluate("async () => (await fetch('attack.js', { cache: 'reload' })).status") == 404


def test_ticket_opens_a_site_once_and_another_site_never(site: Site, context: BrowserContext) -> None:
    stage(site)
    stage(site, "other")
    page = open_asking_page(site, context)
    links = []
    for name in ("hostile", "other"):
        answer = context.request.get(f"{site.process.url}pcw/guests/{name}/", max_redirects=0)
        assert answer.status == 302
        links.append(answer.headers["location"])
    first, second = links
    assert first.split("/")[3] != second.split("/")[3]
    assert page.goto(first).status == 200  # type: ignore[union-attr]
    used = context.browser.new_context()  # type: ignore[union-attr]
    try:
        stranger = used.new_page()
        assert stranger.goto(first).status == 403  # type: ignore[union-attr]
        assert stranger.goto(first.partition("?")[0]).status == 403  # type: ignore[union-attr]
        # The ticket of one with the address of the other.
        mixed = f"{first.partition('?')[0]}?{second.partition('?')[2]}"
        assert stranger.goto(mixed).status == 403  # type: ignore[union-attr]
        # Nobody without a login gets a ticket.
        anonymous = used.request.get(f"{site.process.url}pcw/guests/hostile/", max_redirects=0)
        assert anonymous.status in (302, 403)
        assert "ticket" not in anonymous.headers.get("location", "")
    finally:
        used.close()


def test_trusted_site_acts_with_the_visitors_rights_but_stays_inside_its_path(
    site: Site, context: BrowserContext, collector: Collector
) -> None:
    stage(site)
    page = open_asking_page(site, context)
    page.get_by_role("button", name="Trust it and open it").click()
    page.wait_for_function("() => typeof window.attack === 'function'")
    assert page.url == f"{site.process.url}pcw/sites/hostile/"
    found = attack(page, site, collector)
    # As a notebook does: that is what trust means.
    assert "refused" not in found["read contents"]
    # But no worker over the server, and nothing to strangers.
    for name in ("worker over everything", "foreign fetch", "foreign image"):
        assert "refused" in found[name], (name, found)
    assert collector.seen == []
    assert site.request("DELETE", "pcw/api/sites/hostile").status == 204
    jupyter = context.new_page()
    jupyter.goto(f"{site.process.url}api/status")
    assert jupyter.evaluate("() => window.HIJACKED") is None


def test_new_upload_asks_again_and_trust_of_the_old_one_does_not_count(
    site: Site, context: BrowserContext
) -> None:
    stage(site)
    page = open_asking_page(site, context)
    # Replaced while the page that asks is open.
    stage(site, **{"new.txt": "x"})
    page.get_by_role("button", name="Trust it and open it").click()
    page.wait_for_load_state()
    assert "replaced in the meantime" in page.content()
    open_asking_page(site, context).get_by_role("button", name="Trust it and open it").click()
    page = context.pages[-1]
    page.wait_for_function("() => typeof window.attack === 'function'")
    stage(site)
    open_asking_page(site, context)
    assert json.loads(site.request("POST", "pcw/api/sites/hostile/trust").body)["trusted"] is True
    assert site.request("DELETE", "pcw/api/sites/hostile/trust").status == 204
    assert site.request("GET", "pcw/api/sites/hostile").json()["trusted"] is False
