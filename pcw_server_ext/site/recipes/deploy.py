"""Writes a site's host configuration beside it: never inside, where the host would serve it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.site.hosts import Recipe
from pcw_server_ext.site.recipes.envoy import EnvoySettings, envoy_config
from pcw_server_ext.site.recipes.nginx import nginx_config
from pcw_server_ext.site.settings import SiteSettings

# Names and numbers alone: the files are configurations, in which other signs mean something.
_ADDRESS: Final = re.compile(
    r"(?:(?P<host>[A-Za-z0-9._-]+)|\[?(?P<six>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?)\]?):(?P<port>[0-9]{1,5})"
)


@dataclass(frozen=True)
class DeploySettings:
    """Where the host listens and where Spark is.

    Attributes:
        listen: `address:port` of the host.
        spark: `host:port` of the Spark Connect server that Envoy reaches.
        server_names: host names under which browsers ask for the site.
        origins: origins of other sites that may use Envoy's endpoint.
        certificate, key: PEM files for Envoy's TLS variant.
        file_server: `host:port` of a server that has the files; Envoy reads them itself without one.
    """

    listen: str = "127.0.0.1:8080"
    spark: str = "127.0.0.1:15002"
    server_names: Sequence[str] = ()
    origins: Sequence[str] = ()
    certificate: Path | None = None
    key: Path | None = None
    file_server: str | None = None


def parse_address(text: str, option: str) -> tuple[str, int]:
    """Return host and port of `host:port`; raises `SiteRefused` that names the option."""
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found["port"]) < 65536:
        raise SiteRefused(f"{option} is {text!r}. Write host:port, such as 127.0.0.1:15002.")
    return found["host"] or found["six"], int(found["port"])


def write_configuration(site: Path, settings: SiteSettings, deploy: DeploySettings) -> list[Path]:
    """Write what the site's host needs into `<site>-deploy` and return the files; none for most hosts."""
    folder = site.with_name(f"{site.name}-deploy")
    files: dict[str, str] = {}
    recipe = settings.found_host.recipe
    if recipe is Recipe.NGINX:
        host, port = parse_address(deploy.listen, "--listen")
        files["nginx.conf"] = nginx_config(
            site,
            isolation=settings.isolation,
            listen=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            **({"server_names": deploy.server_names} if deploy.server_names else {}),
        )
    elif recipe is Recipe.ENVOY:
        plain = EnvoySettings(
            root=site,
            spark=parse_address(deploy.spark, "--spark"),
            listen=parse_address(deploy.listen, "--listen"),
            isolation=settings.isolation,
            server_names=deploy.server_names,
            origins=deploy.origins,
            file_server=parse_address(deploy.file_server, "--file-server") if deploy.file_server else None,
        )
        files["envoy.yaml"] = envoy_config(plain)
        if deploy.certificate or deploy.key:
            tls = replace(plain, certificate=deploy.certificate, key=deploy.key)
            files["envoy-tls.yaml"] = envoy_config(tls)
    written = []
    for name, text in files.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
        written.append(folder / name)
    return written
