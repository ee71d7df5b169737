"""Importing this module in a kernel worker is enough to make PySpark work there: it calls `install`.

Notebooks say ``import pyspark_connect_web as pcw; pcw.install()``, which is the same with options.
"""

from __future__ import annotations

import sys

from pyspark_connect_web.install import install

__all__ = ["install"]

if sys.platform == "emscripten":
    install()
