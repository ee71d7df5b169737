"""Checks policies that a host sends with the pages: some let nothing start."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pcw_server_ext.site.check.files import Site, page_reply
from pcw_server_ext.site.check.findings import Finding, failed, ok

#: Directive, the ones it falls back to, and each source of which one is needed; see Content Security Policy Level 3, 6.
_NEEDED: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("script-src-elem", "script-src", "default-src"), ("'unsafe-inline'",)),
    (("script-src", "default-src"), ("'wasm-unsafe-eval'", "'unsafe-eval'")),
    (("script-src", "default-src"), ("'unsafe-eval'",)),
    (("worker-src", "child-src", "script-src", "default-src"), ("'self'", "*")),
    (("connect-src", "default-src"), ("'self'", "*")),
    (("style-src-elem", "style-src", "default-src"), ("'unsafe-inline'",)),
)
_SANDBOX = ("allow-scripts", "allow-same-origin")


def check_policy(site: Site) -> Iterator[Finding]:
    """The Content-Security-Policy and Permissions-Policy of a page."""
    name = "policies"
    headers = page_reply(site, site.kinds["page"]).headers
    problems: list[str] = []
    # Several policies, in one header or more, all apply.
    for policy in headers.get("content-security-policy", "").split(","):
        problems += _refusals(policy)
    if problems:
        yield failed(
            name,
            f"the host's Content-Security-Policy lets the pages not start: {'; '.join(dict.fromkeys(problems))}",
            "Take the header away at the host, or allow what is named; docs/hosting.md has a policy that works.",
        )
    permissions = headers.get("permissions-policy", "")
    if re.search(r"cross-origin-isolated\s*=\s*\(\s*\)", permissions):
        yield failed(
            name,
            "the host's Permissions-Policy forbids cross-origin isolation, so that the kernel cannot wait for Spark",
            "Take cross-origin-isolated=() out of the Permissions-Policy header at the host.",
        )
    elif not problems:
        yield ok(name, "the host sends none that keeps the pages from starting")


def _refusals(policy: str) -> Iterator[str]:
    """Yield what a policy lacks, each with its directive."""
    directives: dict[str, list[str]] = {}
    for part in policy.split(";"):
        words = part.lower().split()
        if words:
            directives.setdefault(words[0], words[1:])
    if "sandbox" in directives:
        lacks = [flag for flag in _SANDBOX if flag not in directives["sandbox"]]
        if lacks:
            yield f"sandbox without {' '.join(lacks)}"
    for names, sources in _NEEDED:
        directive = next((name for name in names if name in directives), None)
        if directive is not None and not set(sources) & set(directives[directive]):
            yield f"{directive} without {sources[0]}"
