"""Joins a stock Pyodide kernel to the page's bridge.

The kernel "PySpark (browser)" registers the module ``pcw_channel`` itself. In any other Pyodide kernel this
runs ``kernel_channel.js``, which posts the ``{__pcw__: {...}}`` hello to ``pcw_kernel_bridge.js`` in the
page.
"""

from __future__ import annotations

from pyspark_connect_web.channel.sab import load_kernel_channel
from pyspark_connect_web.errors import BridgeError, NotIsolatedError

__all__ = ["NOT_ISOLATED", "connect", "is_isolated"]

NOT_ISOLATED = (
    "This page is not cross-origin isolated, so the browser gives it no SharedArrayBuffer and Spark calls"
    " cannot wait for their answers.\n"
    "What to do, whichever fits:\n"
    "  - a Jupyter server with pcw-server-ext: open the page at its https:// or http://localhost address and"
    " leave PcwExtension.isolation on ('jupyter pcw doctor' shows what is wrong);\n"
    "  - a static host that can set headers: send 'Cross-Origin-Opener-Policy: same-origin' and"
    " 'Cross-Origin-Embedder-Policy: credentialless' (for local files: 'jupyter pcw serve');\n"
    "  - a host that cannot, such as GitHub Pages: load coi-serviceworker.js before everything else;\n"
    "  - or choose the slower channel that needs no isolation: pyspark_connect_web.install(channel='xhr').\n"
    "Then reload the page."
)


def is_isolated() -> bool:
    """True when the page is cross-origin isolated (``self.crossOriginIsolated``)."""
    import js

    return bool(js.crossOriginIsolated)


def connect() -> None:
    """Register ``pcw_channel``, if nobody did, and block until the page's bridge has answered. Idempotent.

    Raises:
        NotIsolatedError: the page is not cross-origin isolated; the text holds the remedy.
        BridgeError: no bridge in the page, or one of another version.
    """
    from pyodide.ffi import JsException

    if not is_isolated():
        raise NotIsolatedError(NOT_ISOLATED)
    module = load_kernel_channel()
    try:
        module.connect()
    except JsException as error:
        raise BridgeError(str(error.message)) from None
