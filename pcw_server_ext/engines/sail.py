"""Embedded Sail: a Spark Connect server in a process of its own, with its private copy of PySpark."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..errors import EngineError
from .process import Launch

SITE: Final = Path(__file__).with_name("sail_site")
_MAIN: Final = Path(__file__).with_name("sail_main.py")
ANNOUNCEMENT: Final = "Sail is ready on "


def available() -> str | None:
    """None when Sail can be started, else what is missing."""
    if importlib.util.find_spec("pysail") is None:
        return "the package pysail is not installed (pip install pysail)"
    if not (SITE / "pyspark" / "__init__.py").is_file():
        return (
            "its private copy of PySpark is missing from this installation"
            " (from a source tree: python pcw_server_ext/engines/build_sail_site.py)"
        )
    return None


def launch(environment: Mapping[str, str] = os.environ) -> Launch:
    """The command line and environment of Sail. Raises EngineError when a part is missing."""
    missing = available()
    if missing is not None:
        raise EngineError(f"Sail cannot be started: {missing}.")
    env = dict(environment)
    # first on the path: whatever pyspark the user has installed is not what Sail must import
    env["PYTHONPATH"] = os.pathsep.join([str(SITE), *filter(None, [env.get("PYTHONPATH")])])
    env["PYTHONUNBUFFERED"] = "1"
    # Spark's own variables would make the private pyspark look for the user's Spark
    for name in (
        "SPARK_HOME",
        "SPARK_REMOTE",
        "SPARK_CONNECT_MODE_ENABLED",
        "SPARK_CONNECT_AUTHENTICATE_TOKEN",
    ):
        env.pop(name, None)
    return Launch(
        kind="sail",
        title="Sail",
        command=[sys.executable, str(_MAIN)],
        environment=env,
        announcement=ANNOUNCEMENT,
    )
