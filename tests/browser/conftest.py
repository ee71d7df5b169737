"""Shared by all browser tests: the installation under test, JupyterLab servers, Apache Spark.

`PCW_TEST_VENV` names the environment whose JupyterLab is tested, `PCW_TEST_SPARK_VENV` the one with Apache
Spark in it (extra `[spark]`). `make test` sets both to environments into which it has installed the built
wheel; without them the development environment is used.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.lab_page import LabPage, lab_page
from tests.support.jupyter import JupyterProcess
from tests.support.spark import SparkServer, spark_missing

REPOSITORY = Path(__file__).parents[2]
SPARK_GRACE = 10.0
"""Seconds after which `spark_lab` interrupts a query whose browser has left."""


@pytest.fixture(scope="session")
def venv() -> Path:
    """The environment under test."""
    return Path(os.environ.get("PCW_TEST_VENV", REPOSITORY / ".venv")).absolute()


@pytest.fixture(scope="session")
def spark_venv() -> Path:
    """An environment under test that holds Apache Spark too."""
    path = Path(os.environ.get("PCW_TEST_SPARK_VENV", REPOSITORY / ".venv")).absolute()
    missing = spark_missing(path)
    if missing:
        pytest.fail(f"{missing} (make test installs both)")
    return path


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """The git-ignored folder for pictures that people look at."""
    folder = REPOSITORY / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder


StartLab = Callable[..., JupyterProcess]


def _root(folder: Path) -> Path:
    root = folder / "root"
    root.mkdir(parents=True)
    shutil.copy(REPOSITORY / "demo" / "weather.csv", root)
    return root


def _start(venv: Path, folder: Path, *arguments: str, **options: object) -> JupyterProcess:
    return JupyterProcess(
        venv,
        _root(folder),
        folder / "state",
        arguments=("--LabApp.expose_app_in_browser=True", *arguments),
        **options,  # type: ignore[arg-type]
    )


@pytest.fixture
def start_lab(venv: Path, tmp_path: Path) -> Iterator[StartLab]:
    """Start a JupyterLab of the test's own: `start_lab("--PcwExtension.x=y", base_url="/user/x/")`."""
    servers: list[JupyterProcess] = []

    def start(*arguments: str, **options: object) -> JupyterProcess:
        server = _start(venv, tmp_path / str(len(servers)), *arguments, **options)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def sail_lab(venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterProcess]:
    """JupyterLab on the embedded engine, shared by the run."""
    with _start(venv, tmp_path_factory.mktemp("sail"), "--PcwExtension.engine=sail") as server:
        yield server


@pytest.fixture(scope="session")
def spark_lab(spark_venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterProcess]:
    """JupyterLab that starts pip's Apache Spark by itself, shared by the run."""
    folder = tmp_path_factory.mktemp("spark")
    arguments = (
        "--PcwExtension.engine=spark",
        "--PcwExtension.spark_driver_memory=1g",
        f"--PcwExtension.grace_period={SPARK_GRACE}",
    )
    with _start(spark_venv, folder, *arguments) as server:
        yield server


@pytest.fixture(scope="session")
def shared_spark(
    venv: Path, spark_venv: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[JupyterProcess]:
    """JupyterLab beside an Apache Spark of the run's own, which other clients reach too (SPARK_REMOTE)."""
    folder = tmp_path_factory.mktemp("shared-spark")
    root = _root(folder)
    with (
        SparkServer(spark_venv, root, folder / "spark", timeout=180) as spark,
        JupyterProcess(
            venv,
            root,
            folder / "state",
            arguments=("--LabApp.expose_app_in_browser=True",),
            environment={"SPARK_REMOTE": spark.remote},
        ) as server,
    ):
        yield server


@pytest.fixture
def lab(browser: Browser, sail_lab: JupyterProcess) -> Iterator[LabPage]:
    """A fresh page on the shared JupyterLab with the embedded engine."""
    with lab_page(browser, sail_lab) as page:
        yield page
