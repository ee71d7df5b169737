"""The part of `jupyter-lite.json` that is ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.site.builder.lite_options import configuration_files
from pcw_server_ext.site.builder.packages import PREINSTALLED
from pcw_server_ext.site.settings import ASK, SAME_ORIGIN, SiteSettings
from pcw_server_ext.version import __version__
from pcw_server_ext.web.page_config import PROTOCOL, STOCK_KERNEL

#: Puts a server's kernels beside the browser's; without a server it would take over the site's managers.
FOREIGN = ("jupyterlab-hybrid-kernels",)
EXTENSION = "pcw-server-ext"
KERNEL = "pyspark_browser"


def read_object(path: Path) -> dict[str, Any]:
    """Return what a configuration file holds.

    Raises:
        SiteRefused: it is no JSON object in UTF-8; the text names the file, the line and what is wrong there.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        document = json.loads(text)
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, error.start) + 1
        raise SiteRefused(
            f"{path}, line {line}: this is not UTF-8. Save the file in that encoding."
        ) from None
    except json.JSONDecodeError as error:
        raise SiteRefused(
            f"{path}, line {error.lineno}, column {error.colno}: this is not JSON ({error.msg}). Correct the file."
        ) from None
    except RecursionError:
        raise SiteRefused(f"{path} is nested too deeply. Correct the file.") from None
    if not isinstance(document, dict):
        raise SiteRefused(
            f"{path}, line 1: there must be an object, {{...}}, not {type(document).__name__}. Correct the file."
        )
    return document


def own_config(lite_dir: Path) -> dict[str, Any]:
    """Return the page configuration in the lite folder's own `jupyter-lite.json`, empty without one.

    Raises:
        SiteRefused: see `read_object`.
    """
    path = lite_dir / "jupyter-lite.json"
    if not path.is_file():
        return {}
    data = read_object(path).get("jupyter-config-data", {})
    if not isinstance(data, dict):
        raise SiteRefused(f"{path}: jupyter-config-data must be an object, {{...}}. Correct the file.")
    return data


def check_configuration(lite_dir: Path, output: Path) -> None:
    """Read what JupyterLite will merge into a site's configuration; its own error would name neither file nor line.

    Args:
        lite_dir: the folder that the site is made of.
        output: the folder of the site, whose files are none of those.

    Raises:
        SiteRefused: see `read_object`; a notebook's configuration is looked at too.
    """
    for path in configuration_files(lite_dir, output):
        read_object(path)
    own_config(lite_dir)


def settled(
    text: str, settings: SiteSettings, runtime: str, own: Mapping[str, Any], *, preinstalled: bool = False
) -> str:
    """Return the text of `jupyter-lite.json` with the runtime, the kernels and the endpoint in it.

    Args:
        text: the file as JupyterLite wrote it, or as this function wrote it before.
        settings: checked settings.
        runtime: the runtime's path in the site, without a final `/`.
        own: the page configuration that the site's owner wrote, which goes before our defaults.
        preinstalled: whether there is a list of packages that every kernel has.
    """
    document: dict[str, Any] = json.loads(text)
    data = document.setdefault("jupyter-config-data", {})
    data["pcw"] = page_config(settings, runtime)
    if preinstalled:
        data["pcw"]["preinstalledUrl"] = f"./{PREINSTALLED}"
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
        "version": __version__,
        "grpcUrl": grpc_url,
        "endpoint": endpoint,
        "runtimeUrl": f"./{runtime}/",
        "isolation": settings.isolation,
        "channel": settings.channel,
        "prefetch": True,
        "site": {"endpoint": settings.endpoint},
    }
