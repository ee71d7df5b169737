"""An Envoy configuration: the site's files, and Spark Connect as grpc-web, behind one listener.

Files are served by Envoy's own `file_server` filter (not on Windows), so no other server is needed. Envoy 1.40
marks that filter as work in progress, outside of its threat model: where strangers can reach the listener, let it
fetch the files from another server (nginx with the configuration of `recipes.nginx`) instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml  # type: ignore[import-untyped]

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.proxy.call.methods import METHODS, SPARK_CONNECT
from pcw_server_ext.site.hosts import RUNTIME_FOLDER, common_headers, isolation_headers
from pcw_server_ext.site.settings import APPS
from pcw_server_ext.web import media_types
from pcw_server_ext.web.addresses import LOOPBACK, origin_of
from pcw_server_ext.web.caching import IMMUTABLE
from pcw_server_ext.web.cors_headers import REQUEST_HEADERS, RESPONSE_HEADERS

SERVICE = f"/{SPARK_CONNECT}/"
#: The same path as below a Jupyter server, so that a site finds its endpoint at one relative address.
ENDPOINT = "/pcw/grpc/default/"

_TYPE = "type.googleapis.com/envoy."
_MUTATION = "envoy.filters.http.header_mutation"
_FILES = "envoy.filters.http.file_server"
_CORS = "envoy.filters.http.cors"

#: What login proxies add for the servers behind them, and cookies: none of Spark's business.
LOGIN_HEADERS = (
    "cookie", "oidc_access_token", "oidc_id_token", "cf-access-jwt-assertion", "cf-access-authenticated-user-email",
    "remote-email", "remote-groups", "remote-name", "remote-user", "tailscale-user-login", "tailscale-user-name",
    "teleport-jwt-assertion", "x-access-token", "x-amzn-oidc-accesstoken", "x-amzn-oidc-data", "x-amzn-oidc-identity",
    "x-auth-request-access-token", "x-auth-request-email", "x-auth-request-groups",
    "x-auth-request-preferred-username", "x-auth-request-redirect", "x-auth-request-user", "x-auth-token",
    "x-authentik-email", "x-authentik-groups", "x-authentik-jwt", "x-authentik-username", "x-client-cert",
    "x-csrf-token", "x-forwarded-access-token", "x-forwarded-client-cert", "x-forwarded-email",
    "x-forwarded-groups", "x-forwarded-preferred-username", "x-forwarded-user", "x-goog-authenticated-user-email",
    "x-goog-authenticated-user-id", "x-goog-iap-jwt-assertion", "x-id-token", "x-ms-client-principal",
    "x-ms-token-aad-access-token", "x-ms-token-aad-id-token", "x-okta-token", "x-pomerium-jwt-assertion",
    "x-remote-groups", "x-remote-user", "x-vouch-idp-accesstoken", "x-vouch-idp-idtoken", "x-vouch-user",
    "x-xsrftoken",
)  # fmt: skip

MIB = 1 << 20

_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+")

_THREADS = {"thread_pool": {"thread_count": 4}}


@dataclass(frozen=True)
class EnvoySettings:
    """What differs between two deployments.

    Attributes:
        root: folder of the site.
        spark: host and port of the Spark Connect server.
        listen: address and port to listen on.
        isolation: a mode of `hosts.ISOLATION_MODES`.
        server_names: host names under which browsers ask for the site; by default this machine's own, when it listens
            there alone.
        origins: origins of pages elsewhere that may use the endpoint; none by default.
        certificate, key: PEM files; with both, the listener speaks TLS.
        apps: folders that are requested without their final `/`.
        file_server: host and port of a server that has the files; None lets Envoy read them itself.
    """

    root: Path
    spark: tuple[str, int] = ("127.0.0.1", 15002)
    listen: tuple[str, int] = ("127.0.0.1", 8080)
    isolation: str = "credentialless"
    server_names: Sequence[str] = ()
    origins: Sequence[str] = ()
    certificate: Path | None = None
    key: Path | None = None
    apps: Sequence[str] = APPS
    file_server: tuple[str, int] | None = None


def envoy_config(settings: EnvoySettings) -> str:
    """Return the configuration as YAML text; raises `SiteRefused` for settings that cannot work."""
    if (settings.certificate is None) != (settings.key is None):
        raise SiteRefused("TLS needs both: --tls-certificate FILE and --tls-key FILE.")
    for origin in settings.origins:
        if origin == "*":
            raise SiteRefused(
                "Allowing every origin would let any page use Spark. Name the origins one by one."
            )
        if origin_of(origin) is None or urlsplit(origin).path:
            raise SiteRefused(f"{origin!r} is not an origin. Write https://host[:port], without a path.")
    clusters = [_cluster("spark", settings.spark, http2=True)]
    if settings.file_server is not None:
        clusters.append(_cluster("files", settings.file_server, http2=False))
    document = {"static_resources": {"listeners": [_listener(settings)], "clusters": clusters}}
    text: str = yaml.dump(document, Dumper=_PlainDumper, sort_keys=False, width=120)
    return _HEADER + text


class _PlainDumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML is untyped
    """Writes equal parts out each time: a person reads the file."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_HEADER = """\
# Serves a site and Spark Connect (as grpc-web) from one listener. Written by `jupyter pcw build`.
#   envoy --mode validate -c envoy.yaml     check it
#   envoy -c envoy.yaml                     run it
# Shared memory needs https (or localhost): use the TLS variant where others shall use it.
"""


def _server_names(settings: EnvoySettings) -> list[str]:
    """Return the names that the listener answers to: any page could reach it under a name of its own otherwise.

    Raises:
        SiteRefused: they are not known, or one of them is no host name.
    """
    host = settings.listen[0]
    names = list(settings.server_names) or (list(LOOPBACK) if host in LOOPBACK else [])
    if not names:
        raise SiteRefused(
            f"Others can reach {host}: say under which names browsers ask for the site, --server-name spark.example.org"
        )
    for name in names:
        if not _HOST_NAME.fullmatch(name.strip("[]")):
            raise SiteRefused(
                f"--server-name is {name!r}. Write a host name without scheme, port and wildcard."
            )
    return [f"[{name.strip('[]')}]" if ":" in name else name.lower() for name in names]


def _listener(settings: EnvoySettings) -> dict[str, Any]:
    chain: dict[str, Any] = {
        "filters": [
            {
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": f"{_TYPE}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "stat_prefix": "site",
                    "codec_type": "AUTO",
                    # Queries may be quiet for long; Spark Connect has its own liveness messages.
                    "stream_idle_timeout": "0s",
                    "normalize_path": True,
                    "merge_slashes": True,
                    "path_with_escaped_slashes_action": "REJECT_REQUEST",
                    "route_config": {
                        "virtual_hosts": [_virtual_host(settings)],
                        "ignore_port_in_host_matching": True,
                    },
                    "http_filters": [
                        _filter("envoy.filters.http.grpc_web", "filters.http.grpc_web.v3.GrpcWeb"),
                        _filter(_CORS, "filters.http.cors.v3.Cors"),
                        _filter(_MUTATION, "filters.http.header_mutation.v3.HeaderMutation"),
                        _compressor(),
                        *([] if settings.file_server else [_file_server(settings)]),
                        _filter("envoy.filters.http.router", "filters.http.router.v3.Router"),
                    ],
                },
            }
        ]
    }
    if settings.certificate is not None and settings.key is not None:
        chain["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": f"{_TYPE}extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {
                    "alpn_protocols": ["h2", "http/1.1"],
                    "tls_certificates": [
                        {
                            "certificate_chain": {"filename": str(settings.certificate.resolve())},
                            "private_key": {"filename": str(settings.key.resolve())},
                        }
                    ],
                },
            },
        }
    host, port = settings.listen
    return {
        "name": "site",
        "address": {"socket_address": {"address": host, "port_value": port}},
        "filter_chains": [chain],
    }


def _virtual_host(settings: EnvoySettings) -> dict[str, Any]:
    site = [*isolation_headers(settings.isolation), *common_headers()]
    # A page elsewhere that is isolated by require-corp may read the answers too.
    spark = _headers([("Cross-Origin-Resource-Policy", "cross-origin")])
    call = {
        "cluster": "spark",
        "timeout": "0s",
        "idle_timeout": "0s",
        "max_stream_duration": {"grpc_timeout_header_max": "0s"},
    }
    # Without a mapping for its path, the files' filter lets a request pass.
    not_files: dict[str, Any] = {
        _FILES: {
            "@type": f"{_TYPE}extensions.filters.http.file_server.v3.FileServerConfig",
            "manager_config": _THREADS,
            "path_mappings": [],
        }
    }
    if settings.file_server:
        not_files = {}
    names = _server_names(settings)
    routes: list[dict[str, Any]] = []
    for prefix in (ENDPOINT, "/"):
        # A page of another origin is refused before Spark hears of it, whatever it knows.
        routes.append(
            {
                "match": {
                    "prefix": f"{prefix}{SPARK_CONNECT}/",
                    "headers": _foreign(names, settings.origins),
                },
                "direct_response": {"status": 403},
                "typed_per_filter_config": not_files,
            }
        )
        routes += [
            {
                "match": {"path": f"{prefix}{SPARK_CONNECT}/{method}"},
                "route": {
                    **call,
                    **({"prefix_rewrite": f"/{SPARK_CONNECT}/{method}"} if prefix != "/" else {}),
                },
                "request_headers_to_remove": list(LOGIN_HEADERS),
                "typed_per_filter_config": {**spark, **not_files},
            }
            for method in METHODS
        ]
    for prefix in (ENDPOINT, SERVICE):
        routes.append(
            {
                "match": {"prefix": prefix},
                "direct_response": {"status": 404},
                "typed_per_filter_config": not_files,
            }
        )
    for name in ("/_headers", "/_redirects"):
        routes.append(
            {
                "match": {"path": name},
                "direct_response": {"status": 404},
                "typed_per_filter_config": not_files,
            }
        )
    for app in settings.apps:
        # Its relative addresses would be wrong without the final slash.
        routes.append(
            {
                "match": {"path": f"/{app}"},
                "redirect": {"path_redirect": f"/{app}/"},
                "typed_per_filter_config": {**_headers(site), **not_files},
            }
        )
    for prefix, caching in (
        (f"/{RUNTIME_FOLDER}/", IMMUTABLE),
        # Named by content, or asked for with a version; there are no validators to ask again with.
        ("/build/", "public, max-age=3600"),
        ("/extensions/", "public, max-age=3600"),
        ("/", "no-cache"),
    ):
        routes.append(
            {
                "match": {"prefix": prefix},
                # Only reached for methods and paths that the files' filter leaves alone.
                **(
                    {"route": {"cluster": "files"}}
                    if settings.file_server
                    else {"direct_response": {"status": 404}}
                ),
                "typed_per_filter_config": _headers([*site, ("Cache-Control", caching)]),
            }
        )
    host: dict[str, Any] = {"name": "site", "domains": names, "routes": routes}
    if settings.origins:
        host["typed_per_filter_config"] = {
            _CORS: {
                "@type": f"{_TYPE}extensions.filters.http.cors.v3.CorsPolicy",
                "allow_origin_string_match": [{"exact": origin} for origin in settings.origins],
                "allow_methods": "POST, OPTIONS",
                "allow_headers": ", ".join(REQUEST_HEADERS),
                "expose_headers": ", ".join(RESPONSE_HEADERS),
                "max_age": "7200",
            }
        }
    return host


def _foreign(names: Sequence[str], origins: Sequence[str]) -> list[dict[str, Any]]:
    """Return what matches a request with an `Origin` that is neither the site's own nor allowed."""
    own = rf"https?://({'|'.join(map(re.escape, names))})(:[0-9]+)?"
    matchers = [{"safe_regex": {"regex": own}}, *({"exact": origin} for origin in origins)]
    return [{"name": "origin", "string_match": matcher, "invert_match": True} for matcher in matchers]


def _headers(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the per-route setting that puts headers on every answer, also on Envoy's own and on files."""
    mutations = [
        {
            "append": {
                "header": {"key": name, "value": value},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        }
        for name, value in pairs
    ]
    return {
        _MUTATION: {
            "@type": f"{_TYPE}extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
            "mutations": {"response_mutations": mutations},
        }
    }


def _file_server(settings: EnvoySettings) -> dict[str, Any]:
    return {
        "name": _FILES,
        "typed_config": {
            "@type": f"{_TYPE}extensions.filters.http.file_server.v3.FileServerConfig",
            "manager_config": _THREADS,
            "path_mappings": [
                {"request_path_prefix": "/", "file_path_prefix": f"{settings.root.resolve()}/"}
            ],
            "content_types": dict(sorted(media_types.TYPES.items())),
            "default_content_type": media_types.DEFAULT,
            "directory_behaviors": [{"default_file": "index.html"}],
        },
    }


def _compressor() -> dict[str, Any]:
    return {
        "name": "envoy.filters.http.compressor",
        "typed_config": {
            "@type": f"{_TYPE}extensions.filters.http.compressor.v3.Compressor",
            "response_direction_config": {
                "common_config": {
                    "min_content_length": 1024,
                    # Not Spark's answers: those stream.
                    "content_type": [
                        "text/html", "text/css", "text/javascript", "application/json", "application/wasm",
                        "application/octet-stream", "image/svg+xml",
                    ],
                },
                "disable_on_etag_header": True,
            },
            "compressor_library": {
                "name": "gzip",
                "typed_config": {
                    "@type": f"{_TYPE}extensions.compression.gzip.compressor.v3.Gzip",
                    "compression_level": "BEST_SPEED",
                },
            },
        },
    }  # fmt: skip


def _filter(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": f"{_TYPE}extensions.{kind}"}}


def _cluster(name: str, address: tuple[str, int], *, http2: bool) -> dict[str, Any]:
    host, port = address
    endpoint = {"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}}
    cluster: dict[str, Any] = {
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    if http2:
        protocol = {
            # With the default windows a slow reader's stream blocks everyone else's.
            "initial_stream_window_size": MIB,
            "initial_connection_window_size": 1024 * MIB,
            "connection_keepalive": {"interval": "30s", "timeout": "10s"},
        }
        cluster["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_TYPE}extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": protocol},
            }
        }
    return cluster
