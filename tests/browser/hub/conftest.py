"""A JupyterHub for the tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.engines import running_sail
from tests.support.hub import Hub, HubPage, hub_page
from tests.support.paths import REPOSITORY
from tests.support.recording_upstream import RecordingUpstream


@pytest.fixture(scope="session")
def hub_venv() -> Path:
    """An environment under test that holds JupyterHub too."""
    path = Path(os.environ.get("PCW_TEST_HUB_VENV", REPOSITORY / "build" / "hub-venv")).absolute()
    if not (path / "bin" / "jupyterhub").exists():
        pytest.fail(f"there is no JupyterHub in {path}: make test installs it")
    return path


@pytest.fixture(scope="package")
def recorder() -> Iterator[RecordingUpstream]:
    """A Spark Connect server of the whole hub that remembers who asked."""
    upstream = RecordingUpstream()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="package")
def hub(
    hub_venv: Path, recorder: RecordingUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hub]:
    """The hub, whose users share a Spark Connect server (Sail), and the recorder."""
    folder = tmp_path_factory.mktemp("hub")
    with running_sail(folder) as port:
        endpoints = {"default": f"sc://127.0.0.1:{port}", "recorder": recorder.address}
        with Hub(hub_venv, folder / "state", f"--PcwExtension.endpoints={endpoints!r}") as running:
            yield running


@pytest.fixture
def person(browser: Browser, hub: Hub) -> Iterator[Callable[[str], HubPage]]:
    """`person("ada")` logs somebody in, in a browser profile of their own, and waits for their JupyterLab."""
    pages: list[HubPage] = []

    def enter(name: str) -> HubPage:
        page = hub_page(browser, hub, name)
        pages.append(page)
        return page.enter()

    yield enter
    for page in pages:
        page.close()
