"""Errors of the lean layer.

LeanError
+-- PackageNotLoaded (ImportError)   a real package is needed and not there; says which command brings it
+-- InstallError                     the lean layer cannot be put in place
"""

from __future__ import annotations


class LeanError(Exception):
    """Base of the lean layer's own errors."""


class PackageNotLoaded(LeanError, ImportError):
    """Something needs a real package that is not available; ``name`` is the package."""


class InstallError(LeanError, RuntimeError):
    """PySpark is already loaded in a way that the lean layer cannot take over."""
