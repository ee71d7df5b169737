"""A server for the bridge and pages with kernels in them.

Booting Pyodide takes seconds, so `server` and `kernel` are shared by all tests and tidied between them. Tests that
change the server or end a kernel use `fresh_server`, `fresh_kernel` and `open_page`.
"""

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
    subprocess.run(["node", "build.mjs"], cwd=JS, check=True, timeout=300)


@pytest.fixture(scope="session")
def _server() -> Iterator[BridgeServer]:
    running = BridgeServer()
    yield running
    running.close()


@pytest.fixture
def server(_server: BridgeServer) -> BridgeServer:
    """The shared server, without what earlier tests left."""
    _server.streams.clear()
    _server.requests.clear()
    return _server


@pytest.fixture(scope="session")
def _kernel(browser: Browser, _server: BridgeServer, built_scripts: None) -> Iterator[KernelPage]:
    context = browser.new_context()
    yield KernelPage.open(context, f"{_server.url}/pages/own.html")
    context.close()


@pytest.fixture
def kernel(_kernel: KernelPage, server: BridgeServer) -> KernelPage:
    """The shared kernel, with `post` and friends defined (see `kernel.PRELUDE`) and nothing running."""
    _kernel.tidy()
    return _kernel


@pytest.fixture
def fresh_server() -> Iterator[BridgeServer]:
    """A server of this test's own."""
    running = BridgeServer()
    yield running
    running.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context()
    yield made
    made.close()


@pytest.fixture
def open_page(context: BrowserContext, fresh_server: BridgeServer) -> Callable[[str], KernelPage]:
    """Opens a page of the fresh server; its kernel is not started."""
    return lambda name: KernelPage.open(context, f"{fresh_server.url}/pages/{name}")


@pytest.fixture
def fresh_kernel(open_page: Callable[[str], KernelPage]) -> KernelPage:
    """A kernel of this test's own, started."""
    page = open_page("own.html")
    page.start()
    return page
