"""One built bundle for all tests of the browser runtime."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from client.runtime.build import TARGET
from tests.runtime.kernel import Kernel, StartKernel
from tests.runtime.serving import BundleServer, serve

REPOSITORY = Path(__file__).parents[2]
PAGES = Path(__file__).with_name("pages")


@pytest.fixture(scope="session")
def bundle() -> Path:
    """The bundle that was built last: `make test` sees to it that it is current."""
    if not (TARGET / "manifest.json").is_file():
        pytest.fail("There is no browser runtime to test. Build it: python -m client.runtime.build")
    return TARGET


@pytest.fixture(scope="session")
def manifest(bundle: Path) -> dict[str, Any]:
    """The bundle's manifest."""
    document: dict[str, Any] = json.loads((bundle / "manifest.json").read_bytes())
    return document


@pytest.fixture(scope="session")
def venv() -> Path:
    """The environment under test, as for the other browser tests."""
    return Path(os.environ.get("PCW_TEST_VENV", REPOSITORY / ".venv")).absolute()


@pytest.fixture
def server(bundle: Path) -> Iterator[BundleServer]:
    """The bundle at `/runtime/`, the test's pages at `/`."""
    with serve(bundle, PAGES) as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: BundleServer) -> Iterator[Page]:
    """A page in a fresh profile, somewhere with summer time."""
    context = browser.new_context(timezone_id="Europe/Berlin")
    page = context.new_page()
    page.goto(f"{server.url}kernel.html")
    yield page
    context.close()


@pytest.fixture
def start(page: Page) -> StartKernel:
    """Start a kernel worker in the page, with options of `boot`."""

    def start_kernel(**options: Any) -> Kernel:
        return Kernel(page, page.evaluate("options => start(options)", options))

    return start_kernel
