"""An Envoy configuration: the site's files, and Spark Connect as grpc-web, behind one listener.

Files are served by Envoy's own `file_server` filter (not on Windows), so no other server is needed. Envoy 1.40
marks that filter as work in progress, outside of its threat model: where strangers can reach the listener, let it
fetch the files from another server (nginx with the configuration of `recipes.nginx`) instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcw_server_ext.site import media_types
from pcw_server_ext.site.errors import SiteRefused
from pcw_server_ext.site.hosts import IMMUTABLE, RUNTIME_FOLDER, common_headers, isolation_headers

SERVICE = "/spark.connect.SparkConnectService/"
#: The same path as below a Jupyter server, so that a site finds its endpoint at one relative address.
ENDPOINT = "/pcw/grpc/default/"

_TYPE = "type.googleapis.com/envoy."
_MUTATION = "envoy.filters.http.header_mutation"
_FILES = "envoy.filters.http.file_server"
_CORS = "envoy.filters.http.cors"

#: What a grpc-web client sends and reads beyond what browsers allow by themselves.
REQUEST_HEADERS = (
    "authorization", "content-type", "grpc-timeout", "x-grpc-web", "x-user-agent", "x-requested-with",
)  # fmt: skip
RESPONSE_HEADERS = ("grpc-status", "grpc-message", "grpc-status-details-bin")

MIB = 1 << 20

_THREADS = {"thread_pool": {"thread_count": 4}}


@dataclass(frozen=True)
class EnvoySettings:
    """What differs between two deployments.

    Attributes:
        root: folder of the site.
        spark: host and port of the Spark Connect server.
        listen: address and port to listen on.
        isolation: a mode of `hosts.ISOLATION_MODES`.
        origins: origins of pages elsewhere that may use the endpoint; none by default.
        certificate, key: PEM files; with both, the listener speaks TLS.
        apps: folders that are requested without their final `/`.
        file_server: host and port of a server that has the files; None lets Envoy read them itself.
    """

    root: Path
    spark: tuple[str, int] = ("127.0.0.1", 15002)
    listen: tuple[str, int] = ("127.0.0.1", 8080)
    isolation: str = "credentialless"
    origins: Sequence[str] = ()
    certificate: Path | None = None
    key: Path | None = None
    apps: Sequence[str] = ("lab", "notebooks", "tree", "repl", "consoles", "edit")
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
    clusters = [_cluster("spark", settings.spark, http2=True)]
    if settings.file_server is not None:
        clusters.append(_cluster("files", settings.file_server, http2=False))
    return _HEADER + _yaml({"static_resources": {"listeners": [_listener(settings)], "clusters": clusters}})


_HEADER = """\
# Serves a site and Spark Connect (as grpc-web) from one listener. Written by `jupyter pcw build`.
#   envoy --mode validate -c envoy.yaml     check it
#   envoy -c envoy.yaml                     run it
# Shared memory needs https (or localhost): use the TLS variant where others shall use it.
"""


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
                    "route_config": {"virtual_hosts": [_virtual_host(settings)]},
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
    routes: list[dict[str, Any]] = [
        {
            "match": {"prefix": ENDPOINT},
            "route": {**call, "prefix_rewrite": "/"},
            "typed_per_filter_config": {**spark, **not_files},
        },
        {
            "match": {"prefix": SERVICE},
            "route": call,
            "typed_per_filter_config": {**spark, **not_files},
        },
    ]
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
    host: dict[str, Any] = {"name": "site", "domains": ["*"], "routes": routes}
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


def _yaml(value: Any, indent: int = 0) -> str:
    """Write JSON-like data as block YAML; every string as a JSON string, which is valid YAML."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return "".join(f"{pad}{json.dumps(key)}:{_nested(item, indent)}" for key, item in value.items())
    if isinstance(value, list) and value:
        lines = []
        for item in value:
            if isinstance(item, (dict, list)) and item:
                lines.append(f"{pad}- {_yaml(item, indent + 1).lstrip()}")
            else:
                lines.append(f"{pad}- {json.dumps(item)}\n")
        return "".join(lines)
    return f"{pad}{json.dumps(value)}\n"


def _nested(item: Any, indent: int) -> str:
    if isinstance(item, (dict, list)) and item:
        return f"\n{_yaml(item, indent + 1)}"
    return f" {json.dumps(item)}\n"
