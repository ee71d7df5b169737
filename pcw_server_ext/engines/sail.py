"""Embedded Sail: a Spark Connect server in a process of its own, with its private copy of PySpark."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pcw_server_ext.engines import sail_guard
from pcw_server_ext.engines.environment import for_engine
from pcw_server_ext.engines.lock import Lock
from pcw_server_ext.engines.private_folder import PrivateFolder
from pcw_server_ext.engines.process import Launch
from pcw_server_ext.errors import EngineError

SITE: Final = Path(__file__).with_name("sail_site")
_MAIN: Final = Path(__file__).with_name("sail_main.py")
ANNOUNCEMENT: Final = "Sail is ready on "
OPEN: Final = "Sail is open to every account of this machine: "


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


def lock() -> Lock:
    """Whether Sail can be kept to this account here."""
    reason = sail_guard.impossible()
    if reason is not None:
        return Lock(False, f"{OPEN}{reason}")
    return Lock(True, "connections of other accounts are closed before Sail reads them")


def launch(
    environment: Mapping[str, str] = os.environ, *, named: Sequence[str] = (), must_lock: bool = True
) -> Launch:
    """The command line and environment of Sail, with a temporary folder of its own.

    Without `must_lock` it is started too when other accounts cannot be kept out. Raises EngineError when a part is
    missing.
    """
    missing = available()
    if missing is not None:
        raise EngineError(f"Sail cannot be started: {missing}.", permanent=True)
    env = for_engine(environment, named)
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
    folder = PrivateFolder.create()
    env["TMPDIR"] = str(folder.path)
    return Launch(
        kind="sail",
        title="Sail",
        command=[sys.executable, str(_MAIN), "required" if must_lock else "wanted"],
        environment=env,
        announcement=ANNOUNCEMENT,
        unlocked=OPEN,
        folders=(folder,),
    )
