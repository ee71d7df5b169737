"""Which headers a site's host and its `_headers` may set where the site is a guest, on a Jupyter server.

On a host of its own a site sets what it likes. Here the same headers would reach further than the site: a worker for
the whole origin, cookies of the server, answers for other origins, an address to which the browser sends reports. So
what may be set is a list of names, and our own policy comes last.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from pcw_server_ext.site.serving.folder import SiteFolder
from pcw_server_ext.site.settings import ASK

#: What describes a file and how it is cached, and what isolates the page; nothing that acts beyond the site.
ALLOWED = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "cross-origin-embedder-policy",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
        "expires",
        "location",
        "vary",
        "x-robots-tag",
    }
)
#: Values of these may name where reports go, behind a semicolon.
_POLICIES = ("cross-origin-embedder-policy", "cross-origin-opener-policy")
#: Shared caches keep nothing that wants a login.
_SHARED = ("public", "s-maxage", "proxy-revalidate", "stale-while-revalidate", "stale-if-error")


def guest_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return those of a site's headers (names in lower case) that a guest may send, caching kept to the browser."""
    kept = {name: value for name, value in headers.items() if name in ALLOWED}
    for name in _POLICIES:
        if name in kept:
            kept[name] = kept[name].partition(";")[0].strip()
    if "cache-control" in kept:
        kept["cache-control"] = private_caching(kept["cache-control"])
    return kept


def private_caching(value: str) -> str:
    """Return a `Cache-Control` for the browser's own cache alone, otherwise the same."""
    directives = [part.strip() for part in value.split(",") if part.strip()]
    kept = [part for part in directives if part.partition("=")[0].strip().lower() not in _SHARED]
    if not any(part.lower() in ("private", "no-store") for part in kept):
        kept.insert(0, "private")
    return ", ".join(kept)


def own_headers(site: SiteFolder, path: str) -> dict[str, str]:
    """Return the headers that no site may change, for its file `path`."""
    return {
        "Content-Security-Policy": content_security_policy(site, path),
        # An address of the server may hold a token.
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }


def content_security_policy(site: SiteFolder, path: str) -> str:
    """Return the policy of the file `path` of a served site.

    A sandbox for the pages would take away the origin, and with it service workers, storage and shared memory. What is
    below `files/` are the contents: opened in a tab of their own they get the sandbox that Jupyter gives to files.
    """
    endpoint = site.record.endpoint if site.record else ASK
    split = urlsplit(endpoint)
    if split.scheme:
        elsewhere = f" {split.scheme}://{split.netloc}"
    else:
        elsewhere = " http: https:" if endpoint in (ASK, "") else ""
    directives = [
        "default-src 'self'",
        # Pyodide compiles WebAssembly, JupyterLite and its extensions use inline scripts and eval.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob:",
        "worker-src 'self' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' data: blob:",
        f"connect-src 'self' blob: data:{elsewhere}",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
        "webrtc 'block'",
    ]
    if path.split("/", 1)[0] == "files":
        directives.append("sandbox allow-scripts")
    return "; ".join(directives)
