"""`install`: one call that makes PySpark work in this process."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from typing import Any

from pyspark_connect_web.errors import InstallError
from pyspark_connect_web.page import Page, current_page, set_page
from pyspark_connect_web.patches.apply import check_targets, check_version
from pyspark_connect_web.patches.client import patch_pyspark
from pyspark_connect_web.patches.message_expressions import shorten_expressions
from pyspark_connect_web.patches.messages import share_messages
from pyspark_connect_web.patches.older_servers import patch_settings
from pyspark_connect_web.patches.restarts import patch_restarts

__all__ = ["install", "install_stand_ins", "keep_cell_sources", "prepare_pyspark"]


def install(
    channel: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    lean: bool | None = None,
    threads: bool | None = None,
) -> None:
    """Make ``SparkSession.builder.remote("sc://host:port/;transport=grpcweb")`` work here. Idempotent.

    In a Pyodide kernel it joins the kernel to the page's bridge; on CPython it takes the `http` channel.

    Args:
        channel: ``sab``, ``xhr`` or ``http``; by default ``sab`` in a browser and ``http`` elsewhere.
            A page that is not cross-origin isolated needs ``xhr``, which holds whole responses in memory
            and cannot be interrupted.
        headers: sent with every call to the page's own server, e.g. an ``X-XSRFToken`` for ``xhr``.
        lean: True takes the stand-ins for pyarrow, pandas, numpy and grpcio, False the real packages; by
            default the stand-ins in a browser, where grpcio does not exist.
        threads: False sends PySpark's releases without threads; by default found out.

    Raises:
        InstallError: PySpark cannot be imported here.
        UnsupportedVersion: this version of PySpark, or of another package that is patched, was not tested.
        NotIsolatedError: the page is not cross-origin isolated and ``xhr`` was not chosen.
        BridgeError: the page has no bridge.
    """
    in_browser = sys.platform == "emscripten"
    if in_browser:
        _join_page(channel or "sab", headers)
    lean_wanted = in_browser if lean is None else lean
    if lean_wanted:
        install_stand_ins()
    if importlib.util.find_spec("pyspark") is None:
        raise InstallError(
            "PySpark is not installed in this kernel. Install it ('%pip install pyspark' in a notebook) and"
            " run this cell again."
        )
    prepare_pyspark(threads=threads, ship_source=lean_wanted)
    keep_cell_sources()


def prepare_pyspark(*, threads: bool | None = None, ship_source: bool = True) -> None:
    """Import and patch PySpark; idempotent.

    Raises:
        UnsupportedVersion: this PySpark was not tested with this client.

    Args:
        threads: see `patch_pyspark`.
        ship_source: send functions of the notebook as source to servers whose Python is another one.
    """
    check_version("PySpark")
    patch_pyspark(threads=threads)
    patch_restarts()
    patch_settings()
    if share_messages():
        shorten_expressions()
    if ship_source:
        from pyspark_connect_web import udf

        udf.install()
    check_targets("PySpark")
    check_targets("Python")


def keep_cell_sources() -> Any:
    """Let functions that magics compile (``%%time``) travel too; returns IPython's shell, or None without one."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    from pyspark_connect_web.udf.ipython import keep_sources

    shell = get_ipython()
    if shell is not None:
        check_version("IPython")
        keep_sources(shell)
    return shell


def install_stand_ins() -> None:
    """Let PySpark's modules see small stand-ins in place of pyarrow, pandas, numpy and grpcio."""
    from pyspark_connect_web import lean

    lean.install()


def _join_page(transport: str, headers: Mapping[str, str] | None) -> None:
    from pyspark_connect_web.worker.bridge import connect
    from pyspark_connect_web.worker.location import find_page
    from pyspark_connect_web.worker.wheels import ensure_pyspark

    if transport in ("sab", "kernel"):
        connect()
    page = current_page()
    if page is None:
        set_page(find_page(transport, headers))
    else:
        kept = page.headers if headers is None else tuple(headers.items())
        set_page(Page(page.origin, page.grpc_url, page.endpoint, transport, kept))
    if importlib.util.find_spec("pyspark") is None:
        ensure_pyspark()
