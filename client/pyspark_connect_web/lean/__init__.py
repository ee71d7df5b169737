"""PySpark without pandas, pyarrow, numpy, grpcio, grpcio-status and zstandard.

`install` makes PySpark 4.3 (`pyspark.sql.connect`) importable and useful without them; the real packages take over in
the same session when they are needed and available (`lean.full`). `patches.table` lists what is changed in PySpark.
"""

from __future__ import annotations

import importlib.util
import sys

from pyspark_connect_web.errors import PackageNotLoaded
from pyspark_connect_web.lean import entrypoints, localtime, pickling, scope
from pyspark_connect_web.lean.full import set_loader
from pyspark_connect_web.lean.standins import missing
from pyspark_connect_web.lean.standins import numpy as _numpy
from pyspark_connect_web.lean.standins import pandas as _pandas
from pyspark_connect_web.lean.standins import pyarrow as _pyarrow

__all__ = ["PackageNotLoaded", "install", "is_installed", "set_loader"]

_installed = False


def is_installed() -> bool:
    """Whether :func:`install` has taken effect."""
    return _installed


def install() -> bool:
    """Put the stand-ins in place; call it before PySpark is imported.

    Returns True when PySpark runs lean from now on, and False when there is nothing to do because PySpark's
    Connect client is already loaded with the real packages. Calling it again changes nothing.
    """
    global _installed
    if _installed:
        return True
    missing.install()
    client = sys.modules.get("pyspark.sql.connect.client.core")
    if client is not None:
        return False
    for build in (_numpy.build, _pandas.build, _pyarrow.build):
        build()
    scope.install(hide_core=importlib.util.find_spec("py4j") is None)
    entrypoints.install()
    localtime.install()
    pickling.install()
    _name_main()
    _installed = True
    return True


def _name_main() -> None:
    """Keep PySpark from taking a kernel's ``__main__`` for a doctest run.

    ``pyspark.sql.connect.utils.check_dependencies`` exits the process when ``__main__`` has neither a spec
    nor a file and Python is not interactive; a kernel's ``__main__`` may be just that.
    """
    main = sys.modules.get("__main__")
    if main is None:
        return
    if not hasattr(main, "__spec__"):
        main.__spec__ = None
    if main.__spec__ is None and not hasattr(main, "__file__") and not hasattr(sys, "ps1"):
        main.__file__ = "<kernel>"
