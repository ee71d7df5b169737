"""Cross-origin isolation: COOP and COEP on every response of the server.

SharedArrayBuffer and Atomics.wait exist only in a page, and in workers, that were served with both headers
(HTML Standard, "cross-origin opener policies" and "embedder policies"). ``settings["headers"]`` of Jupyter
reaches only its own handlers; redirects and plain Tornado handlers are reached by an output transform of
the application.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import Application, OutputTransform

COOP: Final = "Cross-Origin-Opener-Policy"
COEP: Final = "Cross-Origin-Embedder-Policy"
CORP: Final = "Cross-Origin-Resource-Policy"
MODES: Final = ("credentialless", "require-corp", "off")


def path_parts(path: str) -> tuple[str, ...]:
    """The components of a URL path; empty ones do not count."""
    return tuple(part for part in path.split("/") if part)


def is_within(path: str, scopes: Sequence[tuple[str, ...]]) -> bool:
    """Whether ``path`` lies under a scope, component by component: ``/lab`` is not over ``/labs``."""
    parts = path_parts(path)
    return any(parts[: len(scope)] == scope for scope in scopes)


class IsolationTransform(OutputTransform):
    """Adds the headers to a response; subclassed by ``install`` with the configured values."""

    embedder_policy = ""
    scopes: Sequence[tuple[str, ...]] = ()

    def __init__(self, request: HTTPServerRequest) -> None:
        self._applies = not self.scopes or is_within(request.path, self.scopes)

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Tornado calls this once a response, whoever made it. Headers that others set stay as they are."""
        if self._applies:
            if COOP not in headers:
                headers[COOP] = "same-origin"
            if COEP not in headers:
                headers[COEP] = self.embedder_policy
        return status_code, headers, chunk


def install(web_app: Application, mode: str, base_url: str, paths: Sequence[str]) -> None:
    """Put the headers on all responses of ``web_app``, or on those under ``paths`` of ``base_url``."""
    if mode == "off":
        return
    prefix = path_parts(base_url)
    transform = type(
        "ConfiguredIsolation",
        (IsolationTransform,),
        {"embedder_policy": mode, "scopes": tuple(prefix + path_parts(path) for path in paths)},
    )
    web_app.transforms.append(transform)
