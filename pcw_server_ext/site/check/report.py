"""Runs all checks of a site."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pcw_server_ext.errors import SiteError
from pcw_server_ext.site.check import deployed, files, policy, runtime
from pcw_server_ext.site.check import endpoint as endpoint_checks
from pcw_server_ext.site.check.findings import Finding, failed
from pcw_server_ext.site.check.source import Source


def check(
    source: Source, *, endpoint: str = "", token: str = "", origin: str = "", everything: bool = False
) -> list[Finding]:
    """Return the findings of every check that needs no browser; a check that cannot be done is a finding too.

    Args:
        source: the site.
        endpoint: an address to check instead of the one built in.
        token: of the endpoint.
        origin: where a site in a folder will be deployed, for CORS.
        everything: hash every file of a site at a URL, not only those of the browser runtime.
    """
    try:
        site, findings = files.describe(source)
    except SiteError as error:
        return [failed("site", str(error), "Correct the address, or start the server.")]
    if site is None:
        return findings
    checks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("secure context", lambda: files.check_transport(site)),
        ("isolation headers", lambda: files.check_headers(site)),
        ("policies", lambda: policy.check_policy(site)),
        ("deployed files", lambda: deployed.check_deployed(site, everything=everything)),
        ("media types", lambda: files.check_media_types(site)),
        ("page scripts", lambda: files.check_pages(site)),
        ("absent files", lambda: files.check_absent(site)),
        ("service worker", lambda: files.check_service_worker(site)),
        ("our scripts", lambda: runtime.check_record(site)),
        ("browser runtime", lambda: runtime.check_runtime(site)),
        ("same origin", lambda: files.check_offline(site)),
        ("host", lambda: files.check_host(site)),
        (
            "endpoint",
            lambda: endpoint_checks.check_endpoint(site, endpoint=endpoint, token=token, origin=origin),
        ),
    ]
    for name, run in checks:
        try:
            findings += run()
        except SiteError as error:
            findings.append(failed(name, str(error), "Try again; if it stays so, look at the host's log."))
    return findings
