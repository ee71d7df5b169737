"""Checks of the way to Spark: address, TLS, CORS, token."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from pcw_server_ext.errors import SiteError
from pcw_server_ext.site.check.files import Site
from pcw_server_ext.site.check.findings import Finding, failed, note, ok
from pcw_server_ext.site.check.source import Reply, UrlSource, fetch
from pcw_server_ext.site.settings import ASK, SAME_ORIGIN
from pcw_server_ext.web.addresses import is_below, is_loopback, same_origin
from pcw_server_ext.web.cors_headers import NEEDED

#: A harmless unary method: it asks for the value of no setting.
METHOD = "spark.connect.SparkConnectService/Config"
#: An empty request message in one grpc-web frame.
EMPTY = b"\0\0\0\0\0"
GRPC_WEB = {"Content-Type": "application/grpc-web+proto", "X-Grpc-Web": "1"}


def check_endpoint(site: Site, *, endpoint: str = "", token: str = "", origin: str = "") -> Iterator[Finding]:
    """Ask the endpoint what the site's pages will ask it.

    Args:
        site: the site.
        endpoint: an address to check instead of the one built in.
        token: sent to the endpoint that is checked instead, to see whether it is taken. An endpoint that the site names
            itself never gets it: a site may name any.
        origin: origin of the deployed pages, for CORS; a site at a URL knows its own.
    """
    name = "endpoint"
    address = (endpoint or site.record.endpoint).rstrip("/")
    page = site.source.origin or origin
    if address == ASK or not address:
        yield note(
            name, "none is built in: the page asks for it", "To check one: --endpoint https://host/path"
        )
        return
    if address == SAME_ORIGIN:
        address = _same_origin_address(site)
        if not address:
            yield note(
                name, "the site's own server; nothing to ask in a folder", "Check the URL once it is served."
            )
            return
    shown = f"{urlsplit(address).scheme}://{urlsplit(address).netloc}"
    yield from _check_tls(address, page)
    if token and not endpoint:
        yield note(
            "token",
            f"not sent to {shown}, which the site names itself",
            "To send PCW_TOKEN there, name it: --endpoint ADDRESS",
        )
        token = ""
    token = token or _servers_token(site, address)
    try:
        reply = _call(address, page, token)
    except SiteError as error:
        yield failed(name, str(error), "Start it, open the firewall, or correct --endpoint and build again.")
        return
    yield from _judge_call(reply, shown, bool(token))
    if not same_origin(address, page):
        if page:
            yield from _check_cors(address, page)
        else:
            yield note(
                "CORS",
                "not checked: the site's address is not known",
                "Add --origin https://where.it.will.be",
            )


def _servers_token(site: Site, address: str) -> str:
    """Return Jupyter's token for an endpoint of the same server, an empty string for any other."""
    source = site.source
    return source.token if isinstance(source, UrlSource) and is_below(address, source.server) else ""


def _same_origin_address(site: Site) -> str:
    source = site.source
    return f"{source.server or source.root}pcw/grpc/default" if isinstance(source, UrlSource) else ""


def _check_tls(address: str, page: str) -> Iterator[Finding]:
    split = urlsplit(address)
    if split.scheme == "https":
        yield ok("endpoint TLS", "https")
    elif is_loopback(address):
        yield note("endpoint TLS", "plain http on this machine", "Others who open the site cannot reach it.")
    elif urlsplit(page).scheme == "https":
        yield failed(
            "endpoint TLS",
            "the page comes by https and browsers let it call no plain http endpoint",
            "Give the endpoint a certificate and build with --endpoint https://...",
        )
    else:
        yield failed(
            "endpoint TLS",
            "plain http: queries, results and the token can be read on the way",
            "Give the endpoint a certificate (Envoy: --tls-certificate and --tls-key) and use https://.",
        )


def _call(address: str, page: str, token: str) -> Reply:
    headers = dict(GRPC_WEB)
    if page:
        headers["Origin"] = page
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return fetch(f"{address}/{METHOD}", method="POST", headers=headers, body=EMPTY)


def _judge_call(reply: Reply, shown: str, with_token: bool) -> Iterator[Finding]:
    kind = reply.headers.get("content-type", "")
    if kind.startswith("application/grpc-web"):
        if b"grpc-status" not in reply.body and "grpc-status" not in reply.headers:
            fix = "Look for a proxy on the way that buffers or cuts answers."
            yield failed("endpoint", f"{shown} answers grpc-web without a status", fix)
        elif _status(reply) == "14":
            yield failed(
                "endpoint",
                f"{shown} answers, but Spark behind it does not",
                "Start Spark Connect, or correct its address in the host's configuration (--spark).",
            )
        else:
            yield ok("endpoint", f"{shown} speaks grpc-web (gRPC status {_status(reply)})")
            if not with_token:
                yield note(
                    "token",
                    "the endpoint asks for none",
                    "Whoever reaches it can use Spark: let it demand a token, or keep it in a closed network.",
                )
    elif reply.status in (401, 403):
        if with_token:
            yield failed(
                "token",
                f"{shown} refuses it ({reply.status})",
                "Make a new one (jupyter pcw token), and copy it whole.",
            )
        else:
            yield ok("endpoint", f"{shown} answers and demands a token, which the page asks for")
    elif reply.status in (404, 405):
        yield failed(
            "endpoint",
            f"{shown} answers {reply.status}: there is no grpc-web endpoint at this path",
            "A Jupyter server's is https://host/base/pcw/grpc/default, Envoy's is its root.",
        )
    else:
        yield failed(
            "endpoint",
            f"{shown} answers {reply.status} with {kind or 'no media type'}: no grpc-web",
            "Put Envoy's grpc_web filter or a Jupyter server with pcw-server-ext before Spark Connect.",
        )


def _status(reply: Reply) -> str:
    if "grpc-status" in reply.headers:
        return reply.headers["grpc-status"]
    _, _, rest = reply.body.partition(b"grpc-status:")
    return rest.split(b"\r\n", 1)[0].decode("ascii", "replace").strip() or "missing"


def _check_cors(address: str, page: str) -> Iterator[Finding]:
    asked = {
        "Origin": page,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ",".join(NEEDED),
    }
    try:
        reply = fetch(f"{address}/{METHOD}", method="OPTIONS", headers=asked)
    except SiteError as error:
        yield failed("CORS", str(error), "See the endpoint's finding.")
        return
    fix = (
        f"Allow {page} at the endpoint. Jupyter: --PcwExtension.allowed_origins={page}; Envoy: jupyter pcw build "
        f"--host envoy --allow-origin {page}"
    )
    allowed = reply.headers.get("access-control-allow-origin", "")
    if allowed not in (page, "*"):
        yield failed(
            "CORS", f"the endpoint lets pages of {page} read nothing (it allows {allowed or 'none'})", fix
        )
        return
    listed = {
        part.strip().lower() for part in reply.headers.get("access-control-allow-headers", "").split(",")
    }
    missing = [header for header in NEEDED if header not in listed and "*" not in listed]
    # A wildcard never stands for Authorization (Fetch Standard, "CORS-preflight fetch").
    if "*" in listed and "authorization" not in listed:
        missing.append("authorization")
    if missing:
        yield failed("CORS", f"the endpoint does not allow these request headers: {', '.join(missing)}", fix)
    else:
        yield ok("CORS", f"pages of {page} may use the endpoint")
