"""Where a kernel worker's page is, and whether its server has grpc-web endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from pyspark_connect_web.page import GRPC_PATH, Page

__all__ = ["find_page", "grpc_url_of_worker"]

# Where JupyterLab serves the scripts that kernel workers are started from: {base_url}lab/extensions/...
_LAB_MARKS = ("/lab/extensions/", "/pcw/runtime/")


def find_page(transport: str, headers: Mapping[str, str] | None = None) -> Page:
    """The page of this worker.

    ``self.PCW_GRPC_URL`` (a path) names the endpoints; without it they are looked for where the worker's
    own script says that a Jupyter server with base_url serves it. A site on a static host has none.
    """
    import js

    given = getattr(js.self, "PCW_GRPC_URL", None)
    location = js.self.location
    grpc_url = given if isinstance(given, str) and given else grpc_url_of_worker(str(location.href))
    if grpc_url and not grpc_url.endswith("/"):
        grpc_url += "/"
    # A blob: worker has the origin of the page that made it; its location's host is empty.
    return Page(str(js.self.origin), grpc_url, transport=transport, headers=tuple((headers or {}).items()))


def grpc_url_of_worker(href: str) -> str:
    """The path of the endpoints, from the URL of a worker's script on a Jupyter server; "" elsewhere."""
    path = urlsplit(href.removeprefix("blob:")).path
    for mark in _LAB_MARKS:
        base, found, _ = path.partition(mark)
        if found:
            return f"{base}{GRPC_PATH}"
    return ""
