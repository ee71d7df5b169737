"""The package's version: the client's, whose file is the one place of it."""

from __future__ import annotations

from pyspark_connect_web.version import __version__

__all__ = ["__version__"]
