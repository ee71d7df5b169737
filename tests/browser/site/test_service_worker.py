"""Isolation by service worker on hosts that send no headers."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route

from tests.browser.site.site_page import BuildSite, OpenPage, ServeSite

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

#: The script's own clock, however busy the machine is: 20 s go by until the worker is active, 1 s during the reload.
SLOW_WORKER = """
const now = Date.now.bind(Date);
const seconds = [0, 0, 20, 21];
Date.now = () => {
  if (!new Error().stack.includes("coi-serviceworker.js")) return now();
  const asked = Number(sessionStorage.getItem("asked") ?? 0);
  sessionStorage.setItem("asked", asked + 1);
  return 1e12 + 1000 * seconds[Math.min(asked, seconds.length - 1)];
};
"""

PAGES = ("--host", "github-pages", "--base-path", "/repo/")


def test_first_visit_reloads_once_and_later_ones_never(
    build_site: BuildSite, serve_site: ServeSite, open_page: OpenPage
) -> None:
    with serve_site(build_site("github-pages"), *PAGES) as url:
        page = open_page(url).open()
        assert page.is_isolated()
        assert page.loads == [f"{url}lab/index.html"] * 2
        for app in ("lab", "notebooks", "tree", "repl", "consoles", "edit"):
            page.loads.clear()
            page.page.goto(f"{url}{app}/index.html")
            page.page.wait_for_load_state("load")
            assert page.is_isolated(), app
            assert page.problem() == ""
            assert page.loads[0] == f"{url}{app}/index.html"
            assert page.loads.count(page.loads[0]) == 1, app
        scope = page.page.evaluate(
            "() => navigator.serviceWorker.getRegistrations().then(all => all.map(r => r.scope))"
        )
        assert scope == [url]


def test_first_visit_of_the_root_leads_to_an_isolated_page(
    build_site: BuildSite, serve_site: ServeSite, open_page: OpenPage
) -> None:
    with serve_site(build_site("github-pages"), *PAGES) as url:
        page = open_page(url)
        page.page.goto(url)
        page.await_app()
        assert page.is_isolated()
        assert page.page.url.startswith(f"{url}lab/")
        assert page.loads.count(url) == 2


def test_another_tab_of_the_same_visitor_needs_no_reload(
    build_site: BuildSite, serve_site: ServeSite, open_page: OpenPage
) -> None:
    with serve_site(build_site("github-pages"), *PAGES) as url:
        first = open_page(url).open()
        second = first.context.new_page()
        loads: list[str] = []
        second.on("framenavigated", lambda frame: loads.append(frame.url))
        second.goto(f"{url}repl/index.html")
        assert second.evaluate("() => crossOriginIsolated")
        assert len(loads) == 1


def test_refused_service_worker_is_said_and_the_page_starts_without_a_loop(
    build_site: BuildSite, serve_site: ServeSite, open_page: OpenPage
) -> None:
    with serve_site(build_site("github-pages"), *PAGES) as url:
        page = open_page(url)
        page.page.add_init_script(
            "ServiceWorkerContainer.prototype.register = () => Promise.reject(new Error('refused by policy'));"
        )
        page.open()
        assert not page.is_isolated()
        assert "refused by policy" in page.problem()
        assert len(page.loads) == 2


def test_window_without_service_workers_is_told_why(
    build_site: BuildSite, serve_site: ServeSite, open_page: OpenPage
) -> None:
    with serve_site(build_site("github-pages"), *PAGES) as url:
        page = open_page(url)
        page.page.add_init_script("delete Navigator.prototype.serviceWorker;")
        page.open()
        assert not page.is_isolated()
        assert "Service workers are switched off" in page.problem()
        assert len(page.loads) == 1


def test_page_over_plain_http_is_told_to_use_https(
    build_site: BuildSite, serve_site: ServeSite, open_page: OpenPage
) -> None:
    with serve_site(build_site("github-pages"), *PAGES) as url:
        # The same files under a name that is not this machine's: no secure context.
        elsewhere = "http://site.example:80/repo/"

        def pass_on(route: Route) -> None:
            path = route.request.url.removeprefix("http://site.example/repo/")
            # the server may close an idle connection while the next request is on its way
            route.fulfill(response=route.fetch(url=url + path, max_retries=3))

        page = open_page(elsewhere)
        page.context.route("http://site.example/**", pass_on)
        page.open()
        assert page.page.evaluate("() => isSecureContext") is False
        assert not page.is_isolated()
        assert "plain http" in page.problem()
        assert "https://" in page.problem()
        assert len(page.loads) == 1


def test_worker_that_does_not_isolate_ends_in_a_banner_and_not_in_a_loop(
    build_site: BuildSite, serve_site: ServeSite, open_page: OpenPage
) -> None:
    with serve_site(build_site("github-pages"), *PAGES) as url:
        page = open_page(url)
        page.page.add_init_script(SLOW_WORKER)
        # As an old browser does it: the worker runs, its headers have no effect.
        page.context.route(
            "**/service-worker.js*",
            lambda route: route.fulfill(
                content_type="text/javascript",
                body="self.addEventListener('install', () => self.skipWaiting());"
                "self.addEventListener('activate', e => e.waitUntil(clients.claim()));",
            ),
        )
        page.open()
        page.page.locator("#pcw-isolation-problem").wait_for()
        # a loop would load the page again
        page.page.wait_for_timeout(3000)
        assert not page.is_isolated()
        assert page.problem() != ""
        assert len(page.loads) == 2


def test_embedded_page_says_that_its_frame_cannot_isolate_it(
    build_site: BuildSite, serve_site: ServeSite, open_page: OpenPage
) -> None:
    with serve_site(build_site("github-pages"), *PAGES) as url:
        page = open_page(url)
        page.page.goto(f"{url}pcw-site.json")
        page.page.evaluate(
            "url => { const frame = document.createElement('iframe'); frame.src = url; document.body.append(frame); }",
            f"{url}lab/index.html",
        )
        frame = page.page.frame_locator("iframe")
        frame.locator("#pcw-isolation-problem").wait_for()
        assert "tab of its own" in frame.locator("#pcw-isolation-problem").inner_text()


def test_host_that_forgot_its_headers_fails_loudly(
    build_site: BuildSite, serve_site: ServeSite, open_page: OpenPage
) -> None:
    with serve_site(build_site("netlify"), "--host", "static") as url:
        page = open_page(url).open()
        # JupyterLite's own registration brings our worker along, so that the next visit works; this one says why not.
        assert not page.is_isolated()
        assert "jupyter pcw check" in page.problem()
