"""A site is published over its old version while it is open, and for visitors whose browser has kept the old files."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.site.site_page import SitePage, context_options, make_site
from tests.support.lab_page import CHROMIUM, CHROMIUM_FLAGS
from tests.support.once import once

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

OLD, NEW = "the-old-version", "the-new-version"


class _Handler(http.server.SimpleHTTPRequestHandler):
    """As GitHub Pages: browsers may keep every file for ten minutes, and no isolation headers come."""

    protocol_version = "HTTP/1.1"

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "max-age=600")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not printed."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that is left drops its connections."""


@contextlib.contextmanager
def pages_host(folder: Path) -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


@pytest.fixture(scope="session")
def versions(pcw: Callable[..., str], run_folder: Path) -> Path:
    """A folder with two versions of a site for GitHub Pages, `old` and `new`: contents, runtime and chunks differ."""
    folder = run_folder / "versions"
    with once(folder) as first:
        if first:
            shutil.rmtree(folder, ignore_errors=True)
            make_site(pcw, folder / "made", "github-pages", ())
            for name in ("old", "new"):
                shutil.copytree(folder / "made" / "site", folder / name)
                (folder / name / "files" / "nested" / "deeper" / "text.txt").write_text(f"{name}\n")
            _rename_version(folder / "new")
    return folder


def _rename_version(site: Path) -> None:
    """Make what is named by its content another content: another runtime, other chunks of our extension."""
    (runtime,) = (site / "pcw" / "runtime").iterdir()
    fresh = runtime.with_name("f" * 16)
    runtime.rename(fresh)
    manifest = json.loads((fresh / "manifest.json").read_text())
    (fresh / "manifest.json").write_text(json.dumps({**manifest, "hash": fresh.name}))
    changed = [site / "jupyter-lite.json", site / "pcw-site.json"]
    for path in changed:
        path.write_text(path.read_text().replace(runtime.name, fresh.name))
    # HTTP tells versions apart by whole seconds
    later = time.time() + 60
    for path in [*changed, site / "files" / "nested" / "deeper" / "text.txt"]:
        os.utime(path, (later, later))


def publish(version: Path, place: Path) -> None:
    """Publish over what is there: what the new version lacks is gone."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(version, place, copy_function=lambda one, two: Path(two).hardlink_to(one))


READ = 'print(open("/drive/nested/deeper/text.txt").read().strip())'


@pytest.mark.nightly
def test_visitor_and_open_tab_are_not_given_parts_of_two_versions(
    browser: Browser, versions: Path, tmp_path: Path
) -> None:
    host = tmp_path / "host"
    # two sites on the origin, the second inside the first one's path
    publish(versions / "old", host)
    publish(versions / "old", host / "inner")
    with (
        pages_host(host) as url,
        browser.browser_type.launch_persistent_context(
            tmp_path / "profile", executable_path=CHROMIUM, args=CHROMIUM_FLAGS, **context_options()
        ) as profile,
    ):
        page = SitePage(profile, url).open_without_spark()
        assert page.run(READ).expect_ok().text.strip() == "old"
        page.run('open("/drive/mine.txt", "w").write("mine")').expect_ok()
        inner = SitePage(profile, f"{url}inner/").open_without_spark()
        assert inner.run(READ).expect_ok().text.strip() == "old"
        assert (
            inner.run('import os; print(os.path.exists("/drive/mine.txt"))').expect_ok().text.strip()
            == "False"
        )

        publish(versions / "new", host)
        publish(versions / "old", host / "inner")
        # The tab that is open goes on.
        assert page.run("1 + 1").expect_ok().text.strip() == "2"
        # A visitor within the ten minutes gets the new version, whole.
        later = SitePage(profile, url)
        later.open_notebook()
        later.page.get_by_role("button", name="Without Spark").click()
        assert later.run(READ).expect_ok().text.strip() == "new"
        assert later.run('print(open("/drive/mine.txt").read())').expect_ok().text.strip() == "mine"
        assert any("/pcw/runtime/ffffffffffffffff/" in asked for asked in later.requests)
        # The other site has not changed, and its kernel runs.
        assert inner.run(READ).expect_ok().text.strip() == "old"
        assert inner.page.evaluate("() => crossOriginIsolated")

        # What the open tab has not loaded yet is gone: it says so.
        page.page.evaluate(
            """() => {
              const script = document.createElement('script');
              script.src = new URL('../build/1.0000000.js', location.href).href;
              document.head.append(script);
            }"""
        )
        banner = page.page.locator("#pcw-part-problem")
        banner.wait_for()
        assert "reload the page" in banner.inner_text()


def test_kernel_whose_runtime_is_gone_says_to_reload(
    browser: Browser, versions: Path, tmp_path: Path
) -> None:
    host = tmp_path / "host"
    publish(versions / "old", host)
    config = json.loads((host / "jupyter-lite.json").read_text())
    # What a page has loaded ahead lets its kernels start.
    config["jupyter-config-data"]["pcw"]["prefetch"] = False
    (host / "jupyter-lite.json").unlink()
    (host / "jupyter-lite.json").write_text(json.dumps(config))
    with pages_host(host) as url:
        page = SitePage(browser.new_context(**context_options()), url).open("tree/index.html")
        publish(versions / "new", host)
        with page.page.expect_console_message(lambda message: "critical:" in message.text) as said:
            page.page.evaluate(
                """() => {
                  const { sessions } = window.jupyterapp.serviceManager;
                  const kernel = { name: 'pyspark_browser' };
                  void sessions.startNew({ name: 'x', path: 'x', type: 'console', kernel });
                }"""
            )
            page.page.get_by_role("button", name="Without Spark").click()
        # which of them is seen first, or in the time that there is, depends on the machine
        assert re.search(r"(pyodide|kernel)/\S+ answered 404", said.value.text), said.value.text
        assert "reload the page" in said.value.text
        page.close()
