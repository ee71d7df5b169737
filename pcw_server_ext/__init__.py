"""PySpark in a browser kernel of a regular JupyterLab: the Jupyter hooks."""

from __future__ import annotations

from typing import Any

from pcw_server_ext.version import __version__

__all__ = ["__version__"]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "pcw-server-ext"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from pcw_server_ext.app import PcwExtension

    return [{"module": "pcw_server_ext.app", "app": PcwExtension}]
