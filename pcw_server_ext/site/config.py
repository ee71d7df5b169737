"""The part of `jupyter-lite.json` that is ours."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pcw_server_ext.site.settings import ASK, SAME_ORIGIN, SiteSettings

STOCK_KERNEL = "@jupyterlite/pyodide-kernel-extension:kernel"
#: What the page protocol of docs/architecture.md, "Server to page", is called there.
PROTOCOL = 1
#: Puts a server's kernels beside the browser's; without a server it would take over the site's managers.
FOREIGN = ("jupyterlab-hybrid-kernels",)
EXTENSION = "pcw-server-ext"
KERNEL = "pyspark_browser"


def package_version() -> str:
    """Return the version of this package, also in a source tree that is not installed."""
    try:
        return importlib.metadata.version("pcw-server-ext")
    except importlib.metadata.PackageNotFoundError:
        return "0.1.0"


def own_config(lite_dir: Path) -> dict[str, Any]:
    """Return the page configuration in the lite folder's own `jupyter-lite.json`, empty without one."""
    path = lite_dir / "jupyter-lite.json"
    if not path.is_file():
        return {}
    data = json.loads(path.read_text(encoding="utf-8")).get("jupyter-config-data")
    return data if isinstance(data, dict) else {}


def settled(text: str, settings: SiteSettings, runtime: str, own: Mapping[str, Any]) -> str:
    """Return the text of `jupyter-lite.json` with the runtime, the kernels and the endpoint in it.

    Args:
        text: the file as JupyterLite wrote it, or as this function wrote it before.
        settings: checked settings.
        runtime: the runtime's path in the site, without a final `/`.
        own: the page configuration that the site's owner wrote, which goes before our defaults.
    """
    document: dict[str, Any] = json.loads(text)
    data = document.setdefault("jupyter-config-data", {})
    data["pcw"] = page_config(settings, runtime)
    data["federated_extensions"] = [
        entry for entry in data.get("federated_extensions", []) if entry.get("name") not in FOREIGN
    ]
    if "defaultKernelName" not in own:
        data["defaultKernelName"] = KERNEL
    kernel = data.setdefault("litePluginSettings", {}).setdefault(STOCK_KERNEL, {})
    # JupyterLite makes addresses that end with Url absolute, whatever page reads them.
    kernel["pyodideUrl"] = f"./{runtime}/pyodide/pyodide.mjs"
    kernel.setdefault("disablePyPIFallback", True)
    return json.dumps(document, sort_keys=True, indent=2)


def page_config(settings: SiteSettings, runtime: str) -> dict[str, Any]:
    """Return what the page is told; addresses are relative to the site's root and made absolute in the page."""
    grpc_url, endpoint = "", "default"
    # With same-origin the page finds the address: it depends on where the site is served.
    if settings.endpoint not in (ASK, SAME_ORIGIN):
        grpc_url, _, endpoint = settings.endpoint.rpartition("/")
        grpc_url += "/"
    return {
        "protocol": PROTOCOL,
        "version": package_version(),
        "grpcUrl": grpc_url,
        "endpoint": endpoint,
        "runtimeUrl": f"./{runtime}/",
        "isolation": settings.isolation,
        "channel": settings.channel,
        "prefetch": True,
        "site": {"endpoint": settings.endpoint, "remote": _remote(settings)},
    }


def _remote(settings: SiteSettings) -> str:
    return "" if settings.endpoint in (ASK, SAME_ORIGIN) else settings.endpoint
