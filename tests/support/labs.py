"""JupyterLab servers of the environment under test, for browsers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.support.jupyter import JupyterProcess
from tests.support.paths import REPOSITORY

SPARK_GRACE = 10.0
"""Seconds after which `spark_lab` interrupts a query whose browser has left."""


StartLab = Callable[..., JupyterProcess]


def make_root(folder: Path) -> Path:
    root = folder / "root"
    root.mkdir(parents=True)
    shutil.copy(REPOSITORY / "demo" / "weather.csv", root)
    return root


def start_lab(venv: Path, folder: Path, *arguments: str, **options: object) -> JupyterProcess:
    return JupyterProcess(
        venv,
        make_root(folder),
        folder / "state",
        arguments=("--LabApp.expose_app_in_browser=True", *arguments),
        **options,  # type: ignore[arg-type]
    )
