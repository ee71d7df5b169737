"""Endpoints: the names a browser may use, and what stands behind each.

A browser sends a name, never an address; what the name means is configuration. An endpoint is a remote Spark
Connect server or the local engine.
"""

from __future__ import annotations

import logging
import ssl
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from pyspark_connect_web.wire import StatusCode

from pcw_server_ext.engines import LocalEngine, lock
from pcw_server_ext.engines.choose import OFF
from pcw_server_ext.engines.process import EngineProcess
from pcw_server_ext.errors import EngineError, UpstreamError
from pcw_server_ext.proxy.call.methods import METHODS, SPARK_CONNECT
from pcw_server_ext.proxy.upstream.connection_string import Target
from pcw_server_ext.proxy.upstream.connections import Address, Header, Upstream
from pcw_server_ext.proxy.upstream.credentials import Credential
from pcw_server_ext.proxy.upstream.http2 import Limits

# service -> its methods, and whether each takes any number of messages; None: every method, with any number
Services = Mapping[str, "Mapping[str, bool] | None"]


@dataclass(frozen=True)
class Health:
    """What a check found; the message is for people and names no address."""

    ok: bool
    message: str


class Endpoint(ABC):
    """One configured name."""

    kind: str
    user_id: str | None = None
    """The user that the endpoint's configuration names."""
    local = False
    """Whether its queries run as the account of this server."""

    def __init__(
        self, name: str, *, services: Services | None = None, metadata: frozenset[str] = frozenset()
    ) -> None:
        self.name = name
        self.metadata = metadata
        """Names of headers, in lower case, that are passed on although the client does not declare them."""
        self._services = services or {}

    def client_streams(self, service: str, method: str) -> bool | None:
        """Whether ``method`` takes any number of messages; None when it is not served here."""
        if service == SPARK_CONNECT:
            known = METHODS.get(method)
            return known.client_streams if known is not None else None
        if service not in self._services:
            return None
        methods = self._services[service]
        return True if methods is None else methods.get(method)

    @property
    @abstractmethod
    def state(self) -> str:
        """``idle``, ``starting``, ``running`` or ``failed``, for people."""

    def details(self) -> dict[str, object]:
        """What else a person may want to know, for the REST resource: no address, no secret."""
        return {}

    @abstractmethod
    async def connect(self) -> tuple[Upstream, list[Header]]:
        """The upstream, started if need be, and the endpoint's own request headers. Raises UpstreamError."""

    def ready(self) -> tuple[Upstream, list[Header]] | None:
        """What ``connect`` would return, when it would return at once; None otherwise."""
        return None

    def leads_to(self, upstream: Upstream) -> bool:
        """Whether ``connect`` would return ``upstream`` without starting anything."""
        return True

    async def explain(self, upstream: Upstream, error: UpstreamError) -> UpstreamError:
        """A better error than a broken connection, when the endpoint knows one."""
        return error

    @abstractmethod
    async def check(self) -> Health:
        """Look whether calls would reach Spark; starts nothing."""

    @abstractmethod
    async def close(self, reason: str) -> None:
        """End connections; running calls get UNAVAILABLE with ``reason``."""


class RemoteEndpoint(Endpoint):
    """A Spark Connect server somewhere else."""

    kind = "remote"

    def __init__(
        self,
        name: str,
        target: Target,
        log: logging.Logger,
        *,
        credential: Credential | None,
        tls: ssl.SSLContext | None,
        limits: Limits,
        keepalive: float,
        services: Services | None = None,
        metadata: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(name, services=services, metadata=metadata)
        self.user_id = target.user_id
        self._failed = False
        self.upstream = Upstream(
            Address(target.host, target.port, target.authority, tls),
            log,
            limits=limits,
            keepalive=keepalive,
        )
        self._headers: list[Header] = [
            (name.encode("ascii"), value.encode("ascii")) for name, value in target.metadata
        ]
        self._credential = credential

    @property
    def state(self) -> str:
        if self.upstream.connected:
            return "running"
        return "failed" if self._failed else "idle"

    def _with(self, token: str) -> tuple[Upstream, list[Header]]:
        return self.upstream, [*self._headers, (b"authorization", b"Bearer " + token.encode("ascii"))]

    def ready(self) -> tuple[Upstream, list[Header]] | None:
        if self._credential is None:
            return self.upstream, self._headers
        token = self._credential.ready()
        return self._with(token) if token is not None else None

    async def connect(self) -> tuple[Upstream, list[Header]]:
        if self._credential is None:
            return self.upstream, self._headers
        return self._with(await self._credential.get())

    async def explain(self, upstream: Upstream, error: UpstreamError) -> UpstreamError:
        self._failed = error.code == StatusCode.UNAVAILABLE
        return error

    async def check(self) -> Health:
        try:
            await self.connect()
            await self.upstream.probe()
        except UpstreamError as error:
            self._failed = True
            return Health(False, error.message)
        self._failed = False
        return Health(True, "Spark Connect's server answers.")

    async def close(self, reason: str) -> None:
        self.upstream.close(reason)
        if self._credential is not None:
            await self._credential.close()


class EngineEndpoint(Endpoint):
    """The local engine."""

    local = True

    def __init__(self, name: str, engine: LocalEngine, log: logging.Logger, *, limits: Limits) -> None:
        super().__init__(name)
        self._engine = engine
        self._log = log
        self._limits = limits
        self._closed: str | None = None
        self._current: tuple[EngineProcess, Upstream] | None = None
        self._processes: WeakKeyDictionary[Upstream, EngineProcess] = WeakKeyDictionary()

    @property
    def kind(self) -> str:  # type: ignore[override]
        return self._engine.kind

    @property
    def state(self) -> str:
        return self._engine.state.value

    def details(self) -> dict[str, object]:
        lock = self._engine.lock
        if lock is None:
            return {}
        return {"reason": self._engine.reason, "locked": lock.closed, "lock": lock.text}

    async def connect(self) -> tuple[Upstream, list[Header]]:
        try:
            process = await self._engine.running()
        except EngineError as error:
            # clients repeat what is UNAVAILABLE, for many minutes
            code = StatusCode.FAILED_PRECONDITION if error.permanent else StatusCode.UNAVAILABLE
            raise UpstreamError(code, str(error)) from None
        if self._current is None or self._current[0] is not process:
            if self._current is not None:
                self._current[1].close("the engine was started again")
            address = Address("127.0.0.1", process.port, f"127.0.0.1:{process.port}")
            # Whoever listens on the port of an engine that has just ended would be sent the queries.
            self._current = (
                process,
                Upstream(address, self._log, limits=self._limits, known=lock.is_of_this_account),
            )
            self._processes[self._current[1]] = process
        return self._current[1], self._credentials(process)

    def ready(self) -> tuple[Upstream, list[Header]] | None:
        if self._current is None or self._current[0] is not self._engine.process:
            return None
        return self._current[1], self._credentials(self._current[0])

    def leads_to(self, upstream: Upstream) -> bool:
        ready = self.ready()
        return ready is not None and ready[0] is upstream

    @staticmethod
    def _credentials(process: EngineProcess) -> list[Header]:
        token = process.launch.token
        return [(b"authorization", b"Bearer " + token.encode())] if token is not None else []

    async def explain(self, upstream: Upstream, error: UpstreamError) -> UpstreamError:
        process = self._processes.get(upstream)
        if process is None or error.code != StatusCode.UNAVAILABLE:
            return error
        if self._closed is not None:
            return UpstreamError(StatusCode.UNAVAILABLE, self._closed)
        crash = await self._engine.crash_of(process)
        # UNAVAILABLE would make PySpark run the query again by itself, in a session that has lost its state.
        return error if crash is None else UpstreamError(StatusCode.ABORTED, crash, session_lost=True)

    async def check(self) -> Health:
        state = self.state
        if state == "off":
            return Health(False, OFF)
        if state == "failed":
            return Health(False, "The local engine did not start; the Jupyter server's log says why.")
        return Health(state != "stopped", f"The local engine is {state}; the first query starts it.")

    async def close(self, reason: str) -> None:
        self._closed = reason
        if self._current is not None:
            self._current[1].close(reason)
        await self._engine.stop()


class Endpoints:
    """All configured names; ``default`` always resolves."""

    def __init__(self, endpoints: Mapping[str, Endpoint], default: str) -> None:
        self._endpoints = dict(endpoints)
        self.default = default

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self._endpoints.values())

    def get(self, name: str) -> Endpoint | None:
        """The endpoint of that name; ``default`` means the default one when no other bears the name."""
        return self._endpoints.get(name) or (self._endpoints[self.default] if name == "default" else None)

    def describe(self) -> list[dict[str, object]]:
        """Names and states for the REST resource: no address, no secret."""
        return [self.describe_one(endpoint) for endpoint in self._endpoints.values()]

    def describe_one(self, endpoint: Endpoint) -> dict[str, object]:
        """The same of one endpoint."""
        return {
            "name": endpoint.name,
            "kind": endpoint.kind,
            "state": endpoint.state,
            "default": endpoint.name == self.default,
            **endpoint.details(),
        }

    async def close(self, reason: str) -> None:
        """End every endpoint."""
        for endpoint in self._endpoints.values():
            await endpoint.close(reason)
