"""The Jupyter server extension: configuration to handlers, start and stop."""

from __future__ import annotations

import gc
import os
import re
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool, Dict, Enum, Float, Int, List, TraitError, Unicode, default, validate

from pcw_server_ext.engines import Choice, LocalEngine, choose
from pcw_server_ext.errors import ConfigurationError
from pcw_server_ext.packages import handlers as package_handlers
from pcw_server_ext.packages.index import handlers as index_handlers
from pcw_server_ext.packages.index import own_wheels, upstream
from pcw_server_ext.packages.index.index import PackageIndex, Upstream
from pcw_server_ext.packages.index.own_wheels import OwnWheels
from pcw_server_ext.packages.index.wheel_files import Fit
from pcw_server_ext.packages.kept_files import KeptFiles
from pcw_server_ext.packages.lock import PackageLock
from pcw_server_ext.packages.mirror import DEFAULT_SOURCE, PackageMirror, default_folder, shared_folders
from pcw_server_ext.packages.preinstalled import Preinstalled
from pcw_server_ext.packages.preinstalled import routes as preinstalled_routes
from pcw_server_ext.packages.selection import RuntimePython, is_requirement
from pcw_server_ext.packages.sources import make_source
from pcw_server_ext.proxy.access.admission import AdmissionCache
from pcw_server_ext.proxy.access.delegation import Delegations
from pcw_server_ext.proxy.access.identity import under_a_hub
from pcw_server_ext.proxy.access.scoped_tokens import ScopedTokens
from pcw_server_ext.proxy.http.cors import Cors, check_origin
from pcw_server_ext.proxy.http.endpoints_api import EndpointsHandler
from pcw_server_ext.proxy.http.grpc_web import GrpcWebHandler
from pcw_server_ext.proxy.http.tokens_api import TokenHandler, TokensHandler
from pcw_server_ext.proxy.observability.call_log import CallLog
from pcw_server_ext.proxy.observability.events import SparkEvents
from pcw_server_ext.proxy.service import Proxy
from pcw_server_ext.proxy.sessions.quotas import QuotaLimits
from pcw_server_ext.proxy.upstream.configuration import check_name, check_options, gather, remote_endpoint
from pcw_server_ext.proxy.upstream.endpoints import Endpoint, Endpoints, EngineEndpoint
from pcw_server_ext.proxy.upstream.http2 import Limits
from pcw_server_ext.runtime.bundle import DEFAULT_FOLDER, Bundle
from pcw_server_ext.runtime.forms import Forms
from pcw_server_ext.runtime.forms import default_folder as default_forms_folder
from pcw_server_ext.runtime.handlers import ManifestHandler, RuntimeHandler
from pcw_server_ext.site.staging import handlers as site_handlers
from pcw_server_ext.site.staging.service import SiteService
from pcw_server_ext.version import __version__
from pcw_server_ext.web import isolation, page_config, private_api
from pcw_server_ext.web.activity import Activity, ActivityHandler
from pcw_server_ext.web.body_watch import Pace
from pcw_server_ext.web.handlers import log_no_values, log_paths_only
from pcw_server_ext.web.routing import route_first

_MIB = 1 << 20


class PcwExtension(ExtensionApp):
    """PySpark in a browser kernel: isolation headers, the grpc-web endpoint, the runtime, a local engine."""

    name = "pcw_server_ext"
    load_other_extensions = True
    # None until the configuration was accepted
    _proxy: Proxy | None = None
    _activity: Activity | None = None
    _handles_interrupt = False
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
        or to a mapping with url and any of ca_file, client_cert, client_key, services, metadata, and one of
        token_env, token_file and token_command (which prints a token and its expiry as JSON), token_command_timeout
        (seconds).
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
        ("auto", "spark", "sail", "off"),
        "auto",
        config=True,
        help="""The local engine. Default auto: Apache Spark when pyspark with its jars and Java 17 or later
        are installed, else embedded Sail (where other people use the machine only if they can be kept out of it).
        off: none, queries need a configured endpoint.""",
    )
    engine_environment = List(
        Unicode(),
        config=True,
        help="""Further variables of the server's environment that a local engine gets, as names or patterns, such as
        ["AWS_*"]. Default []: what it needs to run; no credentials of Jupyter, the hub or a cloud.""",
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
        help="""Seconds without a byte after which a request to the grpc-web endpoint, or an upload of a site, that is
        not complete is cut off. Default 60.""",
    )
    request_minimum_rate = Int(
        512,
        config=True,
        help="""Bytes a second that a request to the grpc-web endpoint, or an upload of a site, must bring on average,
        once it has taken longer than request_idle_timeout; a slower one is cut off. Time in which Spark takes no more
        does not count. Default 512; 0: no minimum.""",
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
        token. Default auto: on when JupyterHub runs this server. With on and without
        JupyterHub, use an identity provider with stable names: with Jupyter's own, each request without a cookie is a
        new anonymous user.""",
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
    scoped_tokens_local_engine = Bool(
        False,
        config=True,
        help="""Whether a token for one endpoint may be made, and used, for the local engine. Who has one can then run
        code as the account of this server and read its files, Jupyter's own token among them. Default False.""",
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
    silence_limit = Float(
        10.0,
        config=True,
        help="""Seconds of silence after which the answer to a running query is ended in good order, for its client to
        ask at once for the rest: no proxy on the way sees a silent connection, and a client learns that a login or a
        server has ended. Default 10; 0 lets answers be silent for as long as the query takes.""",
    )
    session_grace_period = Float(
        600.0,
        config=True,
        help="""Seconds without a call after which a session is released whose query was interrupted because its
        browser had left. Default 600; 0 leaves that to Spark.""",
    )
    max_user_queries = Int(
        0,
        config=True,
        help="""Queries that one user may run at once on an endpoint; one more waits five seconds for another to end and
        is then refused. A query that its browser has left counts until grace_period has passed (0: not at all).
        Default 0: as many as they like.""",
    )
    max_user_sessions = Int(
        0,
        config=True,
        help="""Spark sessions that one user may have at once on an endpoint: each kernel that uses Spark has one. The
        first call of one more is refused. Default 0: as many as they like.""",
    )
    user_session_timeout = Float(
        3600.0,
        config=True,
        help="""Seconds without a call after which a session counts no more for max_user_sessions; set it to the time
        after which Spark ends such sessions. Default 3600, as Spark's own.""",
    )
    max_result_bytes = Int(
        0,
        config=True,
        help="""Bytes of its result that a query may send to the browser; what is sent again after a lost connection
        counts again. A query with more is stopped. Default 0: no limit.""",
    )
    max_result_rows = Int(
        0,
        config=True,
        help="""Rows of its result that a query may send to the browser; a query with more is stopped. Default 0: no
        limit.""",
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

    wheels_dir = Unicode(
        "",
        config=True,
        help="""Folder of further wheels for the index pcw/pypi/simple/, besides share/jupyter/pcw/wheels below each of
        Jupyter's data folders (jupyter --paths). Default: none.""",
    )
    packages_index = Unicode(
        upstream.PIP,
        config=True,
        help="""Index that the server asks for packages that %pip in a browser kernel wants, and that neither Pyodide's
        distribution nor a folder of wheels has. Default pip: those that pip is configured with on this server
        (index-url, extra-index-url, no-index; its files and PIP_... variables). Or one address, https://host/simple/.
        Empty: none is asked.""",
    )
    packages_allow = List(
        Unicode(),
        ["*"],
        config=True,
        help="""Patterns of the names that packages_index may be asked for, such as ["mycompany-*", "altair"]. Default
        ["*"]: all.""",
    )
    packages_deny = List(
        Unicode(),
        config=True,
        help="""Patterns of names that packages_index is never asked for, although packages_allow has them.
        Default [].""",
    )
    packages_largest = Int(
        200 * _MIB,
        config=True,
        help="Largest wheel that is fetched from packages_index, in bytes. Default 200 MiB.",
    )
    preinstall = List(
        Unicode(),
        config=True,
        help="""Packages that every browser kernel has from its start, as requirements: ["mylib", "altair>=5"]. They
        come with what they need from where %pip install in a kernel takes them. Default []: those of the runtime.""",
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

    @validate("packages_index")
    def _validate_packages_index(self, proposal: Any) -> str:
        value: str = proposal["value"]
        if value.strip() not in ("", upstream.PIP):
            try:
                upstream.check(value.strip())
            except ConfigurationError:
                # not the text itself: it may hold a login
                raise TraitError(
                    "PcwExtension.packages_index must be pip, an http(s) address such as https://host/simple/, or"
                    " empty."
                ) from None
        return value

    @validate("preinstall")
    def _validate_preinstall(self, proposal: Any) -> list[str]:
        value: list[str] = proposal["value"]
        for text in value:
            if not is_requirement(text):
                raise TraitError(
                    f"PcwExtension.preinstall: {text!r} is no requirement, such as mylib, mylib==1.2 or 'mylib[extra]'."
                )
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

    @validate("engine_environment")
    def _validate_engine_environment(self, proposal: Any) -> list[str]:
        value: list[str] = proposal["value"]
        for name in value:
            if not re.fullmatch(r"[A-Za-z0-9_*?]+", name):
                # not the text itself: it may be NAME=secret
                raise TraitError(
                    "PcwExtension.engine_environment holds names of variables and patterns, such as AWS_*, not values:"
                    f" entry {value.index(name) + 1} is neither."
                )
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
        "packages_largest",
        "engine_start_timeout",
        "scoped_token_ttl",
        "request_idle_timeout",
        "user_session_timeout",
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

    @validate("request_minimum_rate")
    def _validate_minimum_rate(self, proposal: Any) -> Any:
        if proposal["value"] < 0:
            raise TraitError(
                "PcwExtension.request_minimum_rate must be 0 (no minimum) or more bytes a second."
            )
        return proposal["value"]

    @validate("grace_period", "session_grace_period", "silence_limit")
    def _validate_grace(self, proposal: Any) -> Any:
        if proposal["value"] < 0:
            raise TraitError(f"PcwExtension.{proposal['trait'].name} must be 0 (never) or more seconds.")
        return proposal["value"]

    @validate("max_user_queries", "max_user_sessions", "max_result_bytes", "max_result_rows")
    def _validate_quota(self, proposal: Any) -> Any:
        if proposal["value"] < 0:
            raise TraitError(f"PcwExtension.{proposal['trait'].name} must be 0 (no limit) or more.")
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
        private_api.check()
        serverapp = self._server()
        base_url = serverapp.base_url
        isolation.install(serverapp.web_app, self.isolation, base_url, self.isolation_paths)
        # the web application takes them over when this returns
        log_paths_only(self.settings)
        log_no_values()
        self._bundle = self._load_bundle()
        self._mirror = self._make_mirror(self._bundle)
        self._index = self._make_index(self._bundle)
        self._preinstalled = self._make_preinstalled(self._bundle)
        activity = Activity(serverapp.web_app.settings["last_activity_times"])
        proxy = Proxy(
            endpoints=self.make_endpoints(),
            cors=Cors(self.allowed_origins, serverapp.web_app.settings),
            delegations=Delegations(self._scoped_tokens()),
            request_idle_timeout=self.request_idle_timeout,
            request_minimum_rate=self.request_minimum_rate,
            scoped_tokens_local_engine=self.scoped_tokens_local_engine,
            lifecycle=SparkEvents(serverapp.event_logger),
            call_log=CallLog(self.log.getChild("calls")) if self.log_calls else None,
            set_delegating_user=self.identity != "off",
            log=self.log,
            max_request_body=self.max_request_body,
            max_request_message=self.max_request_message,
            admissions=AdmissionCache(self.authentication_interval),
            set_user=self.identity == "on" or (self.identity == "auto" and under_a_hub()),
            grace_period=self.grace_period,
            session_grace_period=self.session_grace_period,
            silence_limit=self.silence_limit,
            quota_limits=QuotaLimits(
                queries=self.max_user_queries,
                sessions=self.max_user_sessions,
                result_bytes=self.max_result_bytes,
                result_rows=self.max_result_rows,
                session_timeout=self.user_session_timeout,
            ),
            activity=activity,
        )
        self._proxy = proxy
        self._activity = activity
        config = page_config.pcw_config(
            base_url=base_url,
            bundle=self._bundle,
            version=__version__,
            endpoint=proxy.endpoints.default,
            isolation=self.isolation,
            channel=self.channel,
            prefetch=self.prefetch,
            packages=self._mirror is not None,
            preinstall=bool(self.preinstall),
        )
        page_config.apply(serverapp.web_app.settings.setdefault("page_config_data", {}), config)

    def initialize_handlers(self) -> None:
        """URLs below base_url; Jupyter adds that."""
        proxy, bundle = {"proxy": self._proxy}, {"bundle": self._bundle}
        files = {**bundle, "forms": Forms(default_forms_folder())}
        ttl = min(self.scoped_token_ttl, self.scoped_token_max_ttl)
        tokens = {"proxy": self._proxy, "default_ttl": ttl}
        self.handlers += [
            (r"/pcw/grpc/([^/]+)/([^/]+)/([^/]+)", GrpcWebHandler, proxy),
            (r"/pcw/api/endpoints(?:/([^/]+))?", EndpointsHandler, proxy),
            (r"/pcw/api/activity", ActivityHandler, {"activity": self._activity}),
            (r"/pcw/api/tokens", TokensHandler, tokens),
            (r"/pcw/api/tokens/([^/]+)", TokenHandler, tokens),
            (r"/pcw/runtime/current/manifest\.json", ManifestHandler, bundle),
            *package_handlers.routes(self._mirror, self._bundle.hash if self._bundle else ""),
            *index_handlers.routes(self._index),
            *preinstalled_routes(self._preinstalled),
            (r"/pcw/runtime/([^/]+)/(.+)", RuntimeHandler, files),
            *site_handlers.routes(self, Pace(self.request_idle_timeout, self.request_minimum_rate)),
        ]

    def initialize(self) -> None:  # type: ignore[override]  # as ExtensionApp has it
        """Initialize, then let the router look at our patterns first."""
        super().initialize()  # type: ignore[no-untyped-call]
        route_first(self._server().web_app.default_router, GrpcWebHandler)

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Leave what a started server is made of out of the garbage collector's full passes.

        With JupyterLab these are 200,000 objects that stay to the end: to visit them held up every call for 0.1 s.
        """
        gc.collect()
        gc.freeze()
        self._preinstalled.begin()
        self._stop_at_interrupt(serverapp)

    def _stop_at_interrupt(self, serverapp: Any) -> None:
        """Let SIGINT end the server as SIGTERM does, where it would break off at once.

        JupyterHub's own spawner stops servers by SIGINT. Without a terminal Jupyter does not handle it: the event loop
        ends in the middle, answers are cut without an end, and the hub's proxy leaves their browsers waiting.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            if sys.stdin is not None and sys.stdin.isatty():
                return
            signal.signal(signal.SIGINT, lambda *_: serverapp.stop(from_signal=True))
            self._handles_interrupt = True

    def current_activity(self) -> dict[str, int] | None:
        """The calls that run now; Jupyter does not shut a server down in which an extension has any."""
        running = self._activity.running if self._activity is not None else 0
        return {"calls": running} if running else None

    async def stop_extension(self) -> None:
        """End calls with UNAVAILABLE, and the engine."""
        if self._handles_interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._handles_interrupt = False
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

    def _make_index(self, bundle: Bundle | None) -> PackageIndex:
        named = [Path(self.wheels_dir)] if self.wheels_dir else []
        return PackageIndex(
            Fit.of(bundle.manifest if bundle is not None else {}),
            OwnWheels([*named, *own_wheels.shared_folders()], self.log),
            self._make_upstream(),
            # other users' servers may share packages_dir; who may have a company's package is each server's matter
            KeptFiles([Path(self.packages_dir) / "index"], self.log, private=True),
            largest=self.packages_largest,
            log=self.log,
            allow=self.packages_allow,
            deny=self.packages_deny,
        )

    def _make_preinstalled(self, bundle: Bundle | None) -> Preinstalled:
        python = RuntimePython(bundle.manifest if bundle is not None else {})
        return Preinstalled(self.preinstall, python, self._index, self._mirror, self.log)

    def _make_upstream(self) -> Upstream | None:
        try:
            return upstream.make_upstream(self.packages_index, largest=self.packages_largest, log=self.log)
        except ConfigurationError as error:
            self.log.error("%s Browser kernels have no packages of an index.", error)
            return None

    def make_endpoints(self) -> Endpoints:
        """What the settings mean; nothing is dialled or started. Raises ConfigurationError."""
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

    def choose_engine(self) -> Choice:
        """The local engine that the settings mean. Raises EngineError when none can be started here."""
        return choose(
            self.engine,
            driver_memory=self.spark_driver_memory,
            configuration=self.spark_config,
            log=self.log,
            named=self.engine_environment,
        )

    def _make_engine(self) -> LocalEngine:
        return LocalEngine(
            self.choose_engine,
            Path(self._server().root_dir),
            self.log,
            start_timeout=self.engine_start_timeout,
            off=self.engine == "off",
        )


main = launch_new_instance = PcwExtension.launch_instance
