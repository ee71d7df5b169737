"""Endpoints from what was configured: connection strings, options, a file.

Errors are ConfigurationError; they name the place and the remedy and never a secret.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pyspark_connect_web.connection_string import is_loopback

from pcw_server_ext.errors import ConfigurationError, UpstreamError
from pcw_server_ext.proxy.call.metadata import check_metadata_name
from pcw_server_ext.proxy.call.methods import is_method_name, is_service_name
from pcw_server_ext.proxy.upstream.connection_string import parse
from pcw_server_ext.proxy.upstream.credentials import (
    CommandCredential,
    Credential,
    FileCredential,
    FixedCredential,
    checked,
)
from pcw_server_ext.proxy.upstream.endpoints import RemoteEndpoint, Services
from pcw_server_ext.proxy.upstream.http2 import Limits

_TOKENS: Final = ("token_env", "token_file", "token_command")
_OPTIONS: Final = frozenset(
    {
        "url",
        "ca_file",
        "client_cert",
        "client_key",
        "metadata",
        "services",
        "token_command_timeout",
        *_TOKENS,
    }
)
_COMMAND_TIMEOUT: Final = 30.0


def check_name(name: object, where: str) -> None:
    """Refuse what is no name of an endpoint."""
    if not isinstance(name, str) or not name or not name.replace("-", "").replace("_", "").isalnum():
        raise ConfigurationError(f"{where}: name an endpoint with letters, digits, - and _ only.")


def check_options(config: object, where: str) -> Mapping[str, Any]:
    """The options of an endpoint, which may be written as a connection string alone."""
    options: Mapping[str, Any] = config if isinstance(config, Mapping) else {"url": config}
    unknown = sorted(map(str, set(options) - _OPTIONS))
    if unknown or not isinstance(options.get("url"), str):
        raise ConfigurationError(
            f"{where}: write a connection string, or a mapping with url and any of"
            f" {', '.join(sorted(_OPTIONS - {'url'}))}"
            + (f"; {', '.join(map(repr, unknown))} is not known." if unknown else ".")
        )
    target = parse(options["url"], where)
    given = [name for name in _TOKENS if name in options]
    if len(given) + (target.token is not None) > 1:
        raise ConfigurationError(
            f"{where}: the token comes from one place: {', '.join(_TOKENS)} or the connection string."
        )
    _services(options, where)
    _metadata(options, where)
    return options


def read_file(path: Path, log: logging.Logger) -> dict[str, Any]:
    """The endpoints of a file: a JSON object from names to connection strings or options."""
    where = "PcwExtension.endpoints_file"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigurationError(f"{where} cannot be read ({error.strerror}).") from None
    except ValueError as error:
        at = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigurationError(f"{where} is not JSON{at}.") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{where} holds a JSON object, from names to connection strings or options.")
    for name, config in found.items():
        check_name(name, where)
        check_options(config, f"{where}[{name!r}]")
    if mode & 0o077 and os.name == "posix" and "token=" in path.read_text(encoding="utf-8"):
        log.warning("%s holds a token and others can read it: chmod 600, or use token_file.", where)
    return found


def gather(
    setting: Mapping[str, Any], file: str, remote: str, log: logging.Logger
) -> dict[str, tuple[str, Any]]:
    """All configured endpoints: name to place (for messages) and configuration.

    ``remote`` is SPARK_REMOTE, which counts when nothing else is configured.
    """
    found = {name: (f"PcwExtension.endpoints[{name!r}]", config) for name, config in setting.items()}
    if file:
        for name, config in read_file(Path(file).expanduser(), log).items():
            where = f"PcwExtension.endpoints_file[{name!r}]"
            if name in found:
                raise ConfigurationError(
                    f"{where}: PcwExtension.endpoints has that name too; choose another."
                )
            found[name] = where, config
    if not found and remote.startswith("sc://"):
        found["default"] = "SPARK_REMOTE", remote
    elif not found and remote.startswith("local"):
        log.warning("SPARK_REMOTE asks for a local Spark: the local engine serves.")
    elif not found and remote:
        # queries meant for a cluster must not run on this machine
        raise ConfigurationError("SPARK_REMOTE: write sc://host:port, or unset it for a local engine.")
    return found


def remote_endpoint(
    name: str,
    config: str | Mapping[str, Any],
    log: logging.Logger,
    *,
    limits: Limits,
    keepalive: float,
    where: str,
) -> RemoteEndpoint:
    """An endpoint from its configuration: a connection string, or a mapping with ``url`` and options.

    Options: ``ca_file``, ``client_cert``, ``client_key`` (paths, PEM), one of ``token_env``, ``token_file`` and
    ``token_command`` (where the bearer token comes from), ``token_command_timeout`` (seconds), ``services`` (more gRPC
    services to let through: a list of services, or a mapping to the methods that may be called), ``metadata`` (headers
    to pass on that the client does not declare). Raises ConfigurationError.
    """
    options = check_options(config, where)
    target = parse(options["url"], where)
    credential = _credential(name, options, target.token, where, log)
    # as for a token in the connection string: it is not sent in the clear, but to this machine
    use_tls = target.use_tls or (credential is not None and not is_loopback(target.host))
    return RemoteEndpoint(
        name,
        replace(target, use_tls=use_tls, token=None),
        log,
        credential=credential,
        tls=_tls(options, where) if use_tls else None,
        limits=limits,
        keepalive=keepalive,
        services=_services(options, where),
        metadata=_metadata(options, where),
    )


def _metadata(options: Mapping[str, Any], where: str) -> frozenset[str]:
    names = options.get("metadata", ())
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(
            f'{where}: metadata is a list of names of headers that are passed on to Spark, ["x-my-header"].'
        )
    found = frozenset(name.lower() for name in names)
    for name in found:
        try:
            check_metadata_name(name)
        except ValueError as error:
            raise ConfigurationError(f"{where}: metadata: {error}.") from None
    return found


def _services(options: Mapping[str, Any], where: str) -> Services:
    services = options.get("services", ())
    listed = services if isinstance(services, Mapping) else dict.fromkeys(_names(services, where))
    found: dict[str, Mapping[str, bool] | None] = {}
    for service, methods in listed.items():
        if not isinstance(service, str) or not is_service_name(service):
            raise ConfigurationError(
                f"{where}: services has {str(service)[:80]!r}, which is not the full name of a gRPC service, such as"
                " my.package.Service."
            )
        found[service] = methods if methods is None else _methods(service, methods, where)
    return found


def _names(services: object, where: str) -> Sequence[str]:
    if not isinstance(services, list | tuple) or not all(isinstance(name, str) for name in services):
        raise ConfigurationError(
            f"{where}: services is a list of gRPC services, every method of which may be called, or maps each to its"
            ' methods: {"my.package.Service": ["Get", "List"]}.'
        )
    return services


def _methods(service: str, methods: object, where: str) -> Mapping[str, bool]:
    listed = methods if isinstance(methods, Mapping) else None
    if isinstance(methods, list | tuple) and all(isinstance(name, str) for name in methods):
        listed = dict.fromkeys(methods, True)
    if listed is None or not all(
        isinstance(name, str) and is_method_name(name) and isinstance(several, bool)
        for name, several in listed.items()
    ):
        raise ConfigurationError(
            f'{where}: services[{service!r}] lists the methods that may be called, ["Get", "Upload"], or maps each'
            ' to whether it takes several messages, {"Get": false, "Upload": true}.'
        )
    return listed


def _credential(
    name: str, options: Mapping[str, Any], token: str | None, where: str, log: logging.Logger
) -> Credential | None:
    if "token_env" in options:
        variable = str(options["token_env"])
        try:
            token = checked(os.environ.get(variable, "").strip())
        except ValueError as error:
            raise ConfigurationError(
                f"{where}: the environment variable {variable} (token_env) {error}."
            ) from None
    if token is not None:
        return FixedCredential(token)
    if "token_file" in options:
        file = FileCredential(Path(options["token_file"]))
        try:
            file.ready()
        except UpstreamError as error:
            raise ConfigurationError(f"{where}: {error}") from None
        return file
    if "token_command" in options:
        return CommandCredential(
            _command(options["token_command"], where), name, log, timeout=_timeout(options, where)
        )
    return None


def _command(value: object, where: str) -> Sequence[str]:
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError:
        words = None
    if not isinstance(words, list | tuple) or not words or not all(isinstance(word, str) for word in words):
        raise ConfigurationError(
            f'{where}: token_command is a list of words, ["databricks", "auth", "token"], or one line; no shell'
            " reads it."
        )
    return words


def _timeout(options: Mapping[str, Any], where: str) -> float:
    value = options.get("token_command_timeout", _COMMAND_TIMEOUT)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 600:
        raise ConfigurationError(f"{where}: token_command_timeout is above 0 and at most 600 seconds.")
    return float(value)


def _tls(options: Mapping[str, Any], where: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.get("ca_file"))
        if options.get("client_cert"):
            context.load_cert_chain(options["client_cert"], options.get("client_key"))
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"{where}: ca_file, client_cert or client_key cannot be read ({error.strerror or error})."
        ) from None
    context.set_alpn_protocols(["h2"])
    return context
