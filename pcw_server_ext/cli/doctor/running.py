"""Servers that run: the headers and the version that a browser gets from them."""

from __future__ import annotations

import html
import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from jupyter_server.serverapp import list_running_servers
from pyspark_connect_web.connection_string import is_loopback

from pcw_server_ext.cli.server_configuration import ServerConfiguration
from pcw_server_ext.errors import SiteError
from pcw_server_ext.site.check.findings import Finding, failed, note, ok
from pcw_server_ext.site.check.source import Reply, fetch
from pcw_server_ext.site.staging.upload import TOKEN_VARIABLE, find_server
from pcw_server_ext.version import __version__
from pcw_server_ext.web.isolation import COEP, COOP

if TYPE_CHECKING:
    from pcw_server_ext.app import PcwExtension

#: Seconds that a server may take to answer.
LIMIT: Final = 10.0
_DATA: Final = re.compile(r'<script id="jupyter-config-data" type="application/json">(.*?)</script>', re.S)
_NAME: Final = "pcw-server-ext"


@dataclass(frozen=True)
class _Place:
    """A server, and the token for it (empty: none is known)."""

    url: str
    token: str
    browsers: bool
    """Whether this is the address that browsers use, by what was given on the command line."""

    @property
    def name(self) -> str:
        return f"server at {self.url}"


def check(settings: PcwExtension, server: ServerConfiguration, url: str | None = None) -> list[Finding]:
    """What there is to say of each server of this person, and of the one at `url`.

    Args:
        settings: as a server started now would have them.
        server: says where Jupyter writes down which servers run.
        url: the address that browsers use, with whatever stands between.
    """
    places = [
        _Place(str(one["url"]), str(one.get("token", "")), browsers=False)
        for one in list_running_servers(server.server.runtime_dir)
    ]
    if url is not None:
        try:
            address, token = find_server(url)
        except SiteError as error:
            return [
                failed(
                    "--url", str(error), "Write the address that browsers use, such as https://host/user/me/"
                )
            ]
        places.append(_Place(address, token, browsers=True))
    if not places:
        return [ok("running server", "none of yours runs here (--url asks one elsewhere)")]
    return [finding for place in places for finding in _server(settings, place)]


def _server(settings: PcwExtension, place: _Place) -> list[Finding]:
    headers = {"Authorization": f"token {place.token}"} if place.token else {}
    try:
        page = fetch(f"{place.url}lab", headers=headers, timeout=LIMIT)
    except SiteError as error:
        if not place.browsers:
            return [note(place.name, f"cannot be asked: {error}")]
        return [failed(place.name, str(error), "Start it, or correct the address.")]
    if page.status == 404:
        return [note(place.name, "serves no JupyterLab there (404)")]
    return [_headers(settings, place, page), *_version(place, page)]


def _headers(settings: PcwExtension, place: _Place, page: Reply) -> Finding:
    name = f"isolation of {place.name}"
    if settings.isolation == "off":
        return ok(name, "not asked for (PcwExtension.isolation = 'off')")
    split = urlsplit(place.url)
    if place.browsers and split.scheme == "http" and not is_loopback(split.hostname or ""):
        return failed(
            name,
            "plain http on another host than localhost: browsers do not isolate such pages, whatever the headers say",
            "Serve it over https.",
        )
    opener, embedder = (page.headers.get(one.lower(), "") for one in (COOP, COEP))
    if opener == "same-origin" and embedder in ("credentialless", "require-corp"):
        return ok(name, f"the page comes with {COOP}: {opener} and {COEP}: {embedder}")
    got = ", ".join(f"{one}: {value or 'missing'}" for one, value in ((COOP, opener), (COEP, embedder)))
    if place.browsers:
        return failed(
            name,
            f"the page does not come with the isolation headers ({got}): something between browser and server, such as"
            " a proxy, removes or changes them, or the server there runs without them",
            f"Let the proxy pass {COOP} and {COEP} on as they are; docs/hosting.md has examples.",
        )
    return failed(
        name,
        f"the page does not come with the isolation headers ({got}): it was started with other settings, or without"
        " this extension",
        "Restart it with this configuration.",
    )


def _version(place: _Place, page: Reply) -> list[Finding]:
    name = f"version of {place.name}"
    if page.status != 200:
        return [
            note(
                name,
                f"not known: the page answers {page.status} without a token",
                f"Give its token in {TOKEN_VARIABLE}." if not os.environ.get(TOKEN_VARIABLE) else "",
            )
        ]
    runs = _page_version(page)
    if runs is None:
        return [
            failed(
                name,
                "its page says nothing of this extension: it was started before the package was installed, or refused"
                " its settings",
                "Restart it, and look into its log for PcwExtension.",
            )
        ]
    if runs != __version__ and not place.browsers:
        return [
            failed(
                name,
                f"{runs} runs, {__version__} is installed: the page gets files of one and answers of the other",
                "Restart the server, then reload the pages.",
            )
        ]
    served = _labextension_version(place)
    if served not in (None, runs):
        return [
            failed(
                name,
                f"the server runs {runs} and serves the labextension {served}: it was updated while it ran",
                "Restart the server, then reload the pages.",
            )
        ]
    return [ok(name, runs)]


def _page_version(page: Reply) -> str | None:
    found = _DATA.search(page.body.decode("utf-8", "replace"))
    try:
        return str(json.loads(json.loads(html.unescape(found[1]))["pcw"])["version"]) if found else None
    except (ValueError, KeyError, TypeError):
        return None


def _labextension_version(place: _Place) -> str | None:
    """What a page would load: the version in the package.json beside the extension's scripts."""
    headers = {"Authorization": f"token {place.token}"} if place.token else {}
    try:
        reply = fetch(f"{place.url}lab/extensions/{_NAME}/package.json", headers=headers, timeout=LIMIT)
        return str(json.loads(reply.body)["version"]) if reply.status == 200 else None
    except (SiteError, ValueError, KeyError, TypeError):
        return None
