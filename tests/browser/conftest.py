"""Shared by all browser tests: the installation under test, JupyterLab servers, Apache Spark.

`PCW_TEST_VENV` names the environment whose JupyterLab is tested, `PCW_TEST_SPARK_VENV` the one with Apache
Spark in it (extra `[spark]`). `make test` sets both to environments into which it has installed the built
wheel; without them the development environment is used.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support import labs
from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import LabPage, lab_page
from tests.support.paths import REPOSITORY
from tests.support.spark import SharedSpark, spark_missing


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


@pytest.fixture
def start_lab(venv: Path, tmp_path: Path) -> Iterator[labs.StartLab]:
    """Start a JupyterLab of the test's own: `start_lab("--PcwExtension.x=y", base_url="/user/x/")`."""
    servers: list[JupyterProcess] = []

    def start(*arguments: str, **options: object) -> JupyterProcess:
        server = labs.start_lab(venv, tmp_path / str(len(servers)), *arguments, **options)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def sail_lab(venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterProcess]:
    """JupyterLab on the embedded engine, shared by the run."""
    with labs.start_lab(venv, tmp_path_factory.mktemp("sail"), "--PcwExtension.engine=sail") as server:
        yield server


@pytest.fixture(scope="session")
def spark_lab(spark_venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterProcess]:
    """JupyterLab that starts pip's Apache Spark by itself, shared by the run."""
    folder = tmp_path_factory.mktemp("spark")
    arguments = (
        "--PcwExtension.engine=spark",
        "--PcwExtension.spark_driver_memory=1g",
        f"--PcwExtension.grace_period={labs.SPARK_GRACE}",
    )
    with labs.start_lab(spark_venv, folder, *arguments) as server:
        yield server


@pytest.fixture(scope="session")
def shared_spark(
    venv: Path, run_spark: SharedSpark, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[JupyterProcess]:
    """JupyterLab in the folder of the run's Apache Spark, which other clients reach too (SPARK_REMOTE)."""
    shutil.copy(REPOSITORY / "demo" / "weather.csv", run_spark.folder)
    with JupyterProcess(
        venv,
        run_spark.folder,
        tmp_path_factory.mktemp("shared-spark"),
        arguments=("--LabApp.expose_app_in_browser=True",),
        environment={"SPARK_REMOTE": run_spark.remote},
    ) as server:
        yield server


@pytest.fixture
def lab(browser: Browser, sail_lab: JupyterProcess) -> Iterator[LabPage]:
    """A fresh page on the shared JupyterLab with the embedded engine."""
    with lab_page(browser, sail_lab) as page:
        yield page
