"""Fixtures that tests in more than one folder share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support import selection
from tests.support.lab_page import launch_chromium

pytest_plugins = ["tests.support.server_fixtures", "tests.support.spark_fixtures"]

# A busy machine takes as long as it takes, to make examples too; pytest's own timeout guards against hanging.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


# Who runs the tests in the background of a script ignores this signal, and every server that a test starts would too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests for the lanes of `make test`, and let the longest begin first."""
    for item in items:
        selection.mark(item)
    items.sort(key=selection.rank)


class OneWorkerForAFile(LoadScopeScheduling):
    """Hands out files, in the order of the run.

    Not `--dist loadgroup`: xdist 3.8 writes a test's group into a private field that pytest 9.2 does not have, so that
    each worker got some tests of every file, and started all that a file starts.
    """

    def _split_scope(self, nodeid: str) -> str:
        return selection.group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneWorkerForAFile:
    """Say how tests are spread over workers."""
    return OneWorkerForAFile(config, log)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the whole run; every page has a profile of its own.

    While it is open its event loop counts as running, so tests that run a loop of their own belong in another
    pytest process: the lanes of `make test` keep them apart.
    """
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        chromium = launch_chromium(playwright)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run share; without workers the process's own."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
