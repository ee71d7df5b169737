"""A server for the bridge and pages with kernels in them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.bridge.kernel import KernelPage
from tests.browser.bridge.server import JS, BridgeServer


@pytest.fixture(scope="session", autouse=True)
def built_scripts() -> None:
    """The scripts of this tree, bundled."""
    subprocess.run(["node", "build.mjs"], cwd=JS, check=True, timeout=60)


@pytest.fixture
def server() -> Iterator[BridgeServer]:
    running = BridgeServer()
    yield running
    running.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context()
    yield made
    made.close()


@pytest.fixture
def open_page(context: BrowserContext, server: BridgeServer) -> Callable[[str], KernelPage]:
    def open_page(name: str = "own.html") -> KernelPage:
        page = context.new_page()
        page.goto(f"{server.url}/pages/{name}")
        page.wait_for_function("window.loaded === true")
        return KernelPage(page)

    return open_page


@pytest.fixture
def kernel(open_page: Callable[[str], KernelPage]) -> KernelPage:
    """A started kernel with `POST` and friends defined (see `kernel.PRELUDE`)."""
    page = open_page("own.html")
    page.start()
    return page
