"""Built sites, the servers that host them, and a Jupyter server whose endpoint they use from another origin."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.site.site_page import (
    BuildSite,
    OpenPage,
    ServeSite,
    SitePage,
    context_options,
    make_site,
)
from tests.support.jupyter import JupyterProcess
from tests.support.once import once


@pytest.fixture(scope="session")
def pcw(venv: Path) -> Callable[..., str]:
    """Run a `jupyter pcw` command of the environment under test and return what it prints."""

    def run(*arguments: str | Path, environment: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            [venv / "bin" / "jupyter-pcw", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={
                **os.environ,
                "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
                **(environment or {}),
            },
        )
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def build_site(pcw: Callable[..., str], run_folder: Path) -> BuildSite:
    """Build a site of the demo for a host, once in a run: the same options give the same site. Tests copy it."""

    def build(host: str, *options: str) -> Path:
        name = hashlib.sha256(repr((host, options)).encode()).hexdigest()[:12]
        folder = run_folder / f"site-{name}"
        with once(folder) as first:
            if first:
                shutil.rmtree(folder, ignore_errors=True)
                make_site(pcw, folder, host, options)
        return folder / "site"

    return build


@pytest.fixture(scope="session")
def serve_site(venv: Path) -> ServeSite:
    """Serve a folder with `jupyter pcw serve` on a free port; yields the site's URL."""

    @contextlib.contextmanager
    def serve(folder: Path, *options: str) -> Iterator[str]:
        command = [venv / "bin" / "jupyter-pcw", "serve", folder, "--port", "0", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            yield next(word for word in process.stdout.readline().split() if word.startswith("http://"))
        finally:
            process.terminate()
            process.wait(60)
            process.stdout.close()

    return serve


@pytest.fixture(scope="session")
def hub(venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterProcess]:
    """A Jupyter server whose endpoint pages of other loopback ports may use, with its token."""
    folder = tmp_path_factory.mktemp("hub")
    (folder / "root").mkdir()
    arguments = (
        "--PcwExtension.engine=sail",
        "--PcwExtension.scoped_tokens_local_engine=True",
        r"--ServerApp.allow_origin_pat=http://127\.0\.0\.1:\d+",
    )
    with JupyterProcess(
        venv, folder / "root", folder / "state", app="server", base_url="/user/x/", arguments=arguments
    ) as server:
        yield server


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """A page in a fresh profile: `open_page(url, token="", **options of the profile)`."""
    pages: list[SitePage] = []

    def make(url: str, token: str = "", **options: Any) -> SitePage:
        page = SitePage(browser.new_context(**{**context_options(), **options}), url, token)
        pages.append(page)
        return page

    yield make
    for page in pages:
        page.close()


@pytest.fixture(scope="session")
def scoped_token(pcw: Callable[..., str], hub: JupyterProcess) -> str:
    """A token that opens the hub's endpoint and nothing else."""
    printed = pcw(
        *("token", "default", "--ttl", "1h", "--server", hub.url), environment={"JUPYTER_TOKEN": hub.token}
    )
    return printed.strip()
