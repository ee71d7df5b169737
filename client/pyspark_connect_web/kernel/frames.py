"""Tells code that a person wrote from installed packages."""

from __future__ import annotations

import os
from types import FrameType

__all__ = ["is_own_code"]

_LIBRARY = os.path.dirname(os.__file__).replace(os.sep, "/") + "/"


def is_own_code(frame: FrameType) -> bool:
    """Whether a frame runs a cell, or a module that is neither installed nor part of Python."""
    name = frame.f_globals.get("__name__", "")
    if name == "__main__":
        return True
    place = frame.f_code.co_filename.replace(os.sep, "/")
    return not (
        "/site-packages/" in place
        # frames of JavaScript, which Pyodide adds to a traceback
        or "://" in place
        or place.startswith((_LIBRARY, "<"))
        or name.partition(".")[0] in ("IPython", "pyodide_kernel", "pyspark", "pyspark_connect_web")
    )
