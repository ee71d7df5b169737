"""Where queries go: the configured endpoints, each asked whether it answers, or the local engine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pcw_server_ext.engines import spark as apache_spark
from pcw_server_ext.errors import ConfigurationError, EngineError
from pcw_server_ext.proxy.upstream.configuration import gather
from pcw_server_ext.proxy.upstream.endpoints import Endpoint, Endpoints, Health, RemoteEndpoint
from pcw_server_ext.site.check.findings import Finding, failed, note, ok

if TYPE_CHECKING:
    from pcw_server_ext.app import PcwExtension

#: Seconds that an endpoint may take to answer, its credential's command included.
LIMIT: Final = 15.0


def check(settings: PcwExtension, limit: float = LIMIT) -> list[Finding]:
    """One finding an endpoint, and one for the local engine.

    Args:
        settings: as the server has them.
        limit: seconds that an endpoint may take.
    """
    try:
        places = gather(
            settings.endpoints, settings.endpoints_file, os.environ.get("SPARK_REMOTE", ""), settings.log
        )
        endpoints = settings.make_endpoints()
    except ConfigurationError as error:
        return [
            failed(
                "endpoints",
                f"{error} Jupyter starts, but without this extension.",
                "Correct that setting; docs/user-guide.md has examples of each form.",
            )
        ]
    where = {name: place for name, (place, _) in places.items()}
    return asyncio.run(_endpoints(settings, endpoints, where, limit))


async def _endpoints(
    settings: PcwExtension, endpoints: Endpoints, where: Mapping[str, str], limit: float
) -> list[Finding]:
    remote = [one for one in endpoints if isinstance(one, RemoteEndpoint)]
    try:
        healths = await asyncio.gather(*(_ask(one, limit) for one in remote))
    finally:
        await endpoints.close("the check is over")
    found = [
        _endpoint(one, health, where[one.name], default=one.name == endpoints.default)
        for one, health in zip(remote, healths, strict=True)
    ]
    return [*found, _engine_unused(settings, endpoints.default)] if remote else [_engine(settings)]


async def _ask(endpoint: Endpoint, limit: float) -> Health:
    try:
        return await asyncio.wait_for(endpoint.check(), limit)
    except asyncio.TimeoutError:
        return Health(False, f"no answer within {limit:g} s")


def _endpoint(endpoint: RemoteEndpoint, health: Health, where: str, *, default: bool) -> Finding:
    address = endpoint.upstream.address
    kind = "Spark Connect server" + (" over TLS" if address.tls is not None else "")
    name = f"endpoint {endpoint.name}" + (" (default)" if default else "")
    if health.ok:
        return ok(name, f"{kind} {address.authority} answers")
    return failed(
        name,
        f"{kind} {address.authority}: {health.message}",
        f"Start it, or correct host, port and TLS in {where}.",
    )


def _engine_unused(settings: PcwExtension, default: str) -> Finding:
    if settings.engine == "auto":
        return ok("engine", f"none: queries go to the endpoint {default}")
    return note(
        "engine",
        f"PcwExtension.engine = {settings.engine!r} is not used: queries go to the endpoint {default}",
        "Remove PcwExtension.endpoints, endpoints_file and SPARK_REMOTE to use a local engine.",
    )


def _engine(settings: PcwExtension) -> Finding:
    try:
        choice = settings.choose_engine()
    except EngineError as error:
        other = "Set PcwExtension.engine = 'auto' to use what is there, or install what is missing"
        return failed(
            "engine", str(error), f"{other}; or name a Spark Connect server in PcwExtension.endpoints."
        )
    text = f"{choice.kind}, because PcwExtension.engine = {settings.engine!r}: {choice.reason}; {choice.lock.text}"
    if not choice.lock.closed:
        return note(
            "engine",
            text,
            "On a machine that others use, lock it: docs/user-guide.md, 'Who can reach a local engine'.",
        )
    if choice.kind == "sail" and settings.engine == "auto" and apache_spark.spark_home() is not None:
        return note(
            "engine",
            text,
            "To use the installed Apache Spark, do what the reason names and restart the server.",
        )
    return ok("engine", f"{text}; the first query starts it")
