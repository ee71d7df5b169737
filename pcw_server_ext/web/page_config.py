"""What the page is told: ``page_config_data["pcw"]`` and the stock Pyodide kernel's settings."""

from __future__ import annotations

import json
from typing import Any, Final

from jupyter_server.utils import url_path_join

from pcw_server_ext.packages.lock import FULL_LOCK
from pcw_server_ext.runtime.bundle import Bundle

PROTOCOL: Final = 1
STOCK_KERNEL: Final = "@jupyterlite/pyodide-kernel-extension:kernel"


def runtime_url(base_url: str, bundle: Bundle) -> str:
    """The bundle's folder on the page's origin, with a slash at the end."""
    return url_path_join(base_url, "pcw/runtime", bundle.hash) + "/"


def pcw_config(
    *,
    base_url: str,
    bundle: Bundle | None,
    version: str,
    endpoint: str,
    isolation: str,
    channel: str,
    prefetch: bool,
    packages: bool = False,
    preinstall: bool = False,
) -> dict[str, object]:
    """The object that the page reads; URLs are paths that start and end with a slash."""
    return {
        "protocol": PROTOCOL,
        "version": version,
        "grpcUrl": url_path_join(base_url, "pcw/grpc") + "/",
        "endpoint": endpoint,
        "runtimeUrl": runtime_url(base_url, bundle) if bundle is not None else "",
        "isolation": isolation,
        "channel": channel,
        "prefetch": prefetch,
        "packages": packages,
        "preinstalledUrl": url_path_join(base_url, "pcw/api/preinstalled") if preinstall else "",
    }


def apply(page_config: dict[str, Any], config: dict[str, object]) -> None:
    """Put the object, and the stock kernel's settings, into Jupyter's ``page_config_data``.

    What an administrator set for the stock kernel stays.
    """
    # PageConfig of JupyterLab hands options out as strings
    page_config["pcw"] = json.dumps(config)
    url = config["runtimeUrl"]
    if url:
        settings = page_config.setdefault("litePluginSettings", {}).setdefault(STOCK_KERNEL, {})
        settings.setdefault("pyodideUrl", f"{url}pyodide/pyodide.mjs")
        settings.setdefault("disablePyPIFallback", True)
        options = settings.setdefault("loadPyodideOptions", {})
        lock = FULL_LOCK if config["packages"] else "pyodide/pyodide-lock.json"
        options.setdefault("lockFileURL", f"{url}{lock}")
