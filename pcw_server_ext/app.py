"""The Jupyter server extension: configuration to handlers, start and stop."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool, Dict, Enum, Float, Int, List, TraitError, Unicode, default, validate

from . import __version__, isolation, page_config
from .engines import Choice, LocalEngine, choose
from .errors import ConfigurationError
from .proxy.admission import Admissions
from .proxy.call_log import CallLog
from .proxy.configuration import check_name, check_options, gather, remote_endpoint
from .proxy.cors import Cors, check_origin
from .proxy.delegation import Delegations
from .proxy.endpoints import Endpoint, Endpoints, EngineEndpoint
from .proxy.handlers import EndpointsHandler, GrpcWebHandler
from .proxy.http2 import Limits
from .proxy.identity import under_a_hub
from .proxy.lifecycle import Lifecycle
from .proxy.scoped_tokens import ScopedTokens
from .proxy.service import Proxy
from .proxy.token_handlers import TokenHandler, TokensHandler
from .runtime import package_handlers
from .runtime.bundle import DEFAULT_FOLDER, Bundle
from .runtime.handlers import ManifestHandler, RuntimeHandler
from .runtime.lock import PackageLock
from .runtime.mirror import DEFAULT_SOURCE, PackageMirror, default_folder, shared_folders
from .runtime.sources import make_source
from .site import handlers as site_handlers
from .site.service import SiteService

_MIB = 1 << 20


class PcwExtension(ExtensionApp):
    """PySpark in a browser kernel: isolation headers, the grpc-web endpoint, the runtime, a local engine."""

    name = "pcw_server_ext"
    load_other_extensions = True
    # None until the configuration was accepted
    _proxy: Proxy | None = None
    classes = [SiteService]  # noqa: RUF012 (traitlets' own interface)

    isolation = Enum(
        isolation.MODES,
        "credentialless",
        config=True,
        help="""Cross-Origin-Embedder-Policy of every response, with Cross-Origin-Opener-Policy same-origin.
        Default credentialless. Safari needs require-corp. off sends neither: browser kernels then work only
        with channel = xhr.""",
    )
    isolation_paths = List(
        Unicode(),
        config=True,
        help="""Paths below base_url whose responses get the isolation headers, such as ["/lab", "/static"].
        Default []: every response. A page is isolated only when its workers' scripts have them too.""",
    )
    channel = Enum(
        ("sab", "xhr"),
        "sab",
        config=True,
        help="""How a browser kernel waits for an answer. Default sab (SharedArrayBuffer, needs isolation);
        xhr (synchronous requests) works on any page, slower and without streaming.""",
    )
    prefetch = Bool(
        True,
        config=True,
        help="Whether pages load the browser runtime into the HTTP cache while they are idle. Default True.",
    )
    endpoints = Dict(
        config=True,
        help="""Remote Spark Connect servers: name to connection string, {"cluster": "sc://host:15002/;token=..."},
        or to a mapping with url and any of ca_file, client_cert, client_key, services, and one of token_env,
        token_file and token_command (which prints a token and its expiry as JSON), token_command_timeout (seconds).
        Default {}: SPARK_REMOTE when it is set to an sc:// address, else a local engine.""",
    )
    endpoints_file = Unicode(
        "",
        config=True,
        help="""A JSON file with more endpoints, written as in endpoints. Default: none.""",
    )
    default_endpoint = Unicode(
        "",
        config=True,
        help="""Name of the configured endpoint that "default" means. Default: the one called default, else
        the first one.""",
    )
    engine = Enum(
        ("auto", "spark", "sail"),
        "auto",
        config=True,
        help="""The local engine. Default auto: Apache Spark when pyspark with its jars and Java 17 or later
        are installed, else embedded Sail.""",
    )
    engine_start_timeout = Float(
        180.0, config=True, help="Seconds that a local engine may take to start. Default 180."
    )
    spark_driver_memory = Unicode(
        "2g", config=True, help="Memory of local Apache Spark, as Spark writes sizes (512m, 4g). Default 2g."
    )
    spark_config = Dict(
        per_key_traits=None,
        config=True,
        help="""More settings of local Apache Spark, {"spark.sql.shuffle.partitions": "8"}. Default {}.""",
    )
    max_request_body = Int(
        512 * _MIB, config=True, help="Largest request to the grpc-web endpoint, in bytes. Default 512 MiB."
    )
    request_idle_timeout = Float(
        60.0,
        config=True,
        help="""Seconds without a byte after which a request to the grpc-web endpoint that is not complete is cut off.
        Default 60.""",
    )
    max_request_message = Int(
        128 * _MIB,
        config=True,
        help="Largest message of a request, in bytes. Default 128 MiB, as Spark's own.",
    )
    stream_window = Int(
        _MIB,
        config=True,
        help="""Bytes that Spark may send ahead of one browser that does not read. Default 1 MiB; more is
        faster on slow lines, and each stuck reader costs as much memory.""",
    )
    identity = Enum(
        ("auto", "on", "off"),
        "auto",
        config=True,
        help="""Whether the server sets Spark's user in every request to the user behind Jupyter's cookie or
        token. Default auto: on when JupyterHub runs this server. On without a hub needs an identity provider
        with stable names; with Jupyter's own, a request without a cookie is a new anonymous user.""",
    )
    allowed_origins = List(
        Unicode(),
        config=True,
        help="""Origins whose pages may call the grpc-web endpoint, with a token and never with cookies, such as
        ["https://me.github.io"]. Exact: no wildcards, no patterns. Default []: pages of this server only.""",
    )
    scoped_token_ttl = Int(
        28_800,
        config=True,
        help="""Seconds for which a token of jupyter pcw token is valid when none are asked for. Default 28800
        (8 hours), at most scoped_token_max_ttl.""",
    )
    scoped_token_max_ttl = Int(
        604_800,
        config=True,
        help="""Seconds for which a token for one endpoint may be valid at most. Default 604800 (7 days); 0 switches
        such tokens off, those that exist too.""",
    )
    scoped_token_dir = Unicode(
        "",
        config=True,
        help="""Folder of the hashes of tokens for one endpoint. Default: pcw/tokens in Jupyter's data folder.""",
    )
    upstream_keepalive = Float(
        60.0,
        config=True,
        help="""Seconds of silence after which a remote Spark Connect server with running calls is pinged;
        without an answer in 20 s its calls fail. Default 60; 0 never pings.""",
    )
    authentication_interval = Float(
        1.0,
        config=True,
        help="""Seconds for which calls that repeat an admitted one's headers on the same connection are admitted
        without a new check: how long a revoked token may still work there. Default 1; 0 checks every call.""",
    )
    grace_period = Float(
        60.0,
        config=True,
        help="""Seconds after which a query is interrupted whose browser has left and did not come back for the rest
        of the answer. Default 60; 0 never does it.""",
    )
    session_grace_period = Float(
        600.0,
        config=True,
        help="""Seconds without a call after which a session is released whose query was interrupted because its
        browser had left. Default 600; 0 leaves that to Spark.""",
    )
    log_calls = Bool(
        True,
        config=True,
        help="""Whether each gRPC call gets a line in the log: endpoint, method, status, milliseconds, bytes, user, as
        JSON, at level INFO of the logger that ends with .calls. Default True.""",
    )
    runtime_dir = Unicode(
        config=True, help="Folder of the built browser runtime. Default: the one inside this package."
    )

    packages_source = Unicode(
        DEFAULT_SOURCE,
        config=True,
        help="""Where the server fetches packages of Pyodide's distribution that a kernel asks for and that the runtime
        does not hold: a URL, index+URL of a wheel index, a file:// URL or a folder ({version}: Pyodide's version).
        Default: the project's own CDN. Empty: only what `jupyter pcw runtime fetch` has put into packages_dir.""",
    )
    packages_dir = Unicode(
        config=True,
        help="Folder in which fetched packages are kept. Default: pcw/packages in Jupyter's data folder.",
    )

    @default("packages_dir")
    def _default_packages_dir(self) -> str:
        return str(default_folder())

    @validate("packages_source")
    def _validate_packages_source(self, proposal: Any) -> str:
        value: str = proposal["value"]
        try:
            make_source(value, "0")
        except ConfigurationError as error:
            raise TraitError(f"PcwExtension.packages_source: {error}") from None
        return value

    @default("runtime_dir")
    def _default_runtime_dir(self) -> str:
        return str(DEFAULT_FOLDER)

    @validate("endpoints")
    def _validate_endpoints(self, proposal: Any) -> dict[str, Any]:
        value: dict[str, Any] = proposal["value"]
        for name, config in value.items():
            where = f"PcwExtension.endpoints[{name!r}]"
            try:
                check_name(name, where)
                check_options(config, where)
            except ConfigurationError as error:
                raise TraitError(str(error)) from None
        return value

    @validate("allowed_origins")
    def _validate_allowed_origins(self, proposal: Any) -> list[str]:
        value: list[str] = proposal["value"]
        for origin in value:
            try:
                check_origin(origin)
            except ValueError as error:
                raise TraitError(f"PcwExtension.allowed_origins: {origin!r}: {error}.") from None
        return value

    @validate("scoped_token_max_ttl")
    def _validate_scoped_token_max_ttl(self, proposal: Any) -> Any:
        if proposal["value"] < 0:
            raise TraitError("PcwExtension.scoped_token_max_ttl must be 0 (no such tokens) or above.")
        return proposal["value"]

    @validate("isolation_paths")
    def _validate_isolation_paths(self, proposal: Any) -> list[str]:
        value: list[str] = proposal["value"]
        for path in value:
            if not path.startswith("/"):
                raise TraitError(
                    f"PcwExtension.isolation_paths: {path!r} must start with / (below base_url): try /lab."
                )
        return value

    @validate(
        "max_request_body",
        "max_request_message",
        "engine_start_timeout",
        "scoped_token_ttl",
        "request_idle_timeout",
    )
    def _validate_positive(self, proposal: Any) -> Any:
        if proposal["value"] <= 0:
            raise TraitError(f"PcwExtension.{proposal['trait'].name} must be above 0.")
        return proposal["value"]

    @validate("stream_window")
    def _validate_stream_window(self, proposal: Any) -> Any:
        if not 65_535 <= proposal["value"] < 2**31:
            raise TraitError(
                "PcwExtension.stream_window must be from 65535 to 2147483647 bytes; try 1048576."
            )
        return proposal["value"]

    @validate("grace_period", "session_grace_period")
    def _validate_grace(self, proposal: Any) -> Any:
        if proposal["value"] < 0:
            raise TraitError(f"PcwExtension.{proposal['trait'].name} must be 0 (never) or more seconds.")
        return proposal["value"]

    @validate("authentication_interval")
    def _validate_authentication_interval(self, proposal: Any) -> Any:
        if not 0 <= proposal["value"] <= 60:
            raise TraitError(
                "PcwExtension.authentication_interval must be from 0 (never skip) to 60 seconds."
            )
        return proposal["value"]

    @validate("upstream_keepalive")
    def _validate_keepalive(self, proposal: Any) -> Any:
        if proposal["value"] != 0 and proposal["value"] < 10:
            raise TraitError(
                "PcwExtension.upstream_keepalive must be 0 (never) or at least 10 seconds: Spark closes"
                " connections that ping more often."
            )
        return proposal["value"]

    def initialize_settings(self) -> None:
        """Headers, page configuration and the endpoints, before any request."""
        if not self._linked:
            # Jupyter goes on with the defaults after a refused setting: a query meant for a configured cluster
            # would run on this machine instead.
            raise ConfigurationError("PcwExtension is off until its configuration is corrected: see above.")
        serverapp = self._server()
        base_url = serverapp.base_url
        isolation.install(serverapp.web_app, self.isolation, base_url, self.isolation_paths)
        self._bundle = self._load_bundle()
        self._mirror = self._make_mirror(self._bundle)
        proxy = Proxy(
            endpoints=self._make_endpoints(),
            cors=Cors(self.allowed_origins, serverapp.web_app.settings),
            delegations=Delegations(self._scoped_tokens()),
            request_idle_timeout=self.request_idle_timeout,
            lifecycle=Lifecycle(serverapp.event_logger),
            call_log=CallLog(self.log.getChild("calls")) if self.log_calls else None,
            set_delegating_user=self.identity != "off",
            log=self.log,
            max_request_body=self.max_request_body,
            max_request_message=self.max_request_message,
            admissions=Admissions(self.authentication_interval),
            set_user=self.identity == "on" or (self.identity == "auto" and under_a_hub()),
            grace_period=self.grace_period,
            session_grace_period=self.session_grace_period,
        )
        self._proxy = proxy
        config = page_config.pcw_config(
            base_url=base_url,
            bundle=self._bundle,
            version=__version__,
            endpoint=proxy.endpoints.default,
            isolation=self.isolation,
            channel=self.channel,
            prefetch=self.prefetch,
            packages=self._mirror is not None,
        )
        page_config.apply(serverapp.web_app.settings.setdefault("page_config_data", {}), config)

    def initialize_handlers(self) -> None:
        """URLs below base_url; Jupyter adds that."""
        proxy, bundle = {"proxy": self._proxy}, {"bundle": self._bundle}
        ttl = min(self.scoped_token_ttl, self.scoped_token_max_ttl)
        tokens = {"proxy": self._proxy, "default_ttl": ttl}
        self.handlers += [
            (r"/pcw/grpc/([^/]+)/([^/]+)/([^/]+)", GrpcWebHandler, proxy),
            (r"/pcw/api/endpoints(?:/([^/]+))?", EndpointsHandler, proxy),
            (r"/pcw/api/tokens", TokensHandler, tokens),
            (r"/pcw/api/tokens/([^/]+)", TokenHandler, tokens),
            (r"/pcw/runtime/current/manifest\.json", ManifestHandler, bundle),
            *package_handlers.routes(self._mirror, self._bundle.hash if self._bundle else ""),
            (r"/pcw/runtime/([^/]+)/(.+)", RuntimeHandler, bundle),
            *site_handlers.routes(self),
        ]

    def initialize(self) -> None:  # type: ignore[override]  # as ExtensionApp has it
        """Initialize, then let the router look at our patterns first."""
        super().initialize()  # type: ignore[no-untyped-call]
        # Tornado adds them behind everyone else's, and compares a call with every pattern of JupyterLab before.
        rules = self._server().web_app.default_router.rules
        rules.insert(0, rules.pop(-2))

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Leave what a started server is made of out of the garbage collector's full passes.

        With JupyterLab these are 200,000 objects that stay to the end: to visit them held up every call for 0.1 s.
        """
        gc.collect()
        gc.freeze()

    async def stop_extension(self) -> None:
        """End calls with UNAVAILABLE, and the engine."""
        if self._proxy is not None:
            await self._proxy.close("The Jupyter server is shutting down.")

    def _server(self) -> Any:
        if self.serverapp is None:
            raise AssertionError("the extension is not linked to a server")
        return self.serverapp

    def _scoped_tokens(self) -> ScopedTokens:
        serverapp = self._server()
        folder = self.scoped_token_dir or Path(serverapp.data_dir) / "pcw" / "tokens"
        return ScopedTokens(Path(folder), serverapp.base_url, max_ttl=self.scoped_token_max_ttl)

    def _load_bundle(self) -> Bundle | None:
        try:
            return Bundle.load(Path(self.runtime_dir))
        except ConfigurationError as error:
            self.log.error("%s Browser kernels cannot start without it.", error)
            return None

    def _make_mirror(self, bundle: Bundle | None) -> PackageMirror | None:
        try:
            lock = PackageLock.load(bundle) if bundle is not None else None
        except ConfigurationError as error:
            self.log.error("%s Browser kernels have only the packages of the runtime.", error)
            return None
        if lock is None:
            return None
        source = make_source(self.packages_source, lock.version)
        return PackageMirror(lock, source, [Path(self.packages_dir), *shared_folders()], self.log)

    def _make_endpoints(self) -> Endpoints:
        limits = Limits(stream_window=self.stream_window)
        made: dict[str, Endpoint] = {
            name: remote_endpoint(
                name, config, self.log, limits=limits, keepalive=self.upstream_keepalive, where=where
            )
            for name, (where, config) in gather(
                self.endpoints, self.endpoints_file, os.environ.get("SPARK_REMOTE", ""), self.log
            ).items()
        }
        default = self.default_endpoint or ("default" if "default" in made or not made else next(iter(made)))
        if not made:
            made["default"] = EngineEndpoint("default", self._make_engine(), self.log, limits=limits)
        if default not in made:
            raise ConfigurationError(
                f"PcwExtension.default_endpoint is {default!r}, but the endpoints are {', '.join(made)}."
            )
        return Endpoints(made, default)

    def _make_engine(self) -> LocalEngine:
        def pick() -> Choice:
            return choose(
                self.engine,
                driver_memory=self.spark_driver_memory,
                configuration=self.spark_config,
                log=self.log,
            )

        return LocalEngine(
            pick, Path(self._server().root_dir), self.log, start_timeout=self.engine_start_timeout
        )


main = launch_new_instance = PcwExtension.launch_instance
