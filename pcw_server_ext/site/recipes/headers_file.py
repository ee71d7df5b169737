"""The `_headers` file of a site.

Every header is set by one rule alone for any path: where two rules set the same header, Cloudflare Pages joins the
values, and `Cross-Origin-Embedder-Policy: credentialless, credentialless` isolates nothing.
"""

from __future__ import annotations

from pcw_server_ext.site import header_rules
from pcw_server_ext.site.hosts import RUNTIME_FOLDER, common_headers, isolation_headers
from pcw_server_ext.web.caching import IMMUTABLE

NAME = "_headers"

COMMENT = "# Written by `jupyter pcw build`. Put your own rules into _headers of the lite folder: they are appended.\n"


def headers_file(isolation: str, own_rules: str = "") -> str:
    """Return the text of `_headers` for an isolation mode, followed by the site owner's own rules."""
    rules = [
        ("/*", [*isolation_headers(isolation), *common_headers()]),
        (f"/{RUNTIME_FOLDER}/*", [("Cache-Control", IMMUTABLE)]),
    ]
    text = COMMENT + header_rules.render(rules)
    return f"{text}\n{own_rules.strip()}\n" if own_rules.strip() else text
