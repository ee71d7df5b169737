"""What a person chooses about a site, checked before anything is built."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.site.hosts import ISOLATION_MODES, Host, find_host

CHANNELS = ("sab", "xhr")
PROFILES = ("lean", "full")
#: JupyterLite's applications.
APPS = ("lab", "notebooks", "tree", "repl", "consoles", "edit")

#: Where a site below a Jupyter server, or behind the Envoy recipe, finds its endpoint.
SAME_ORIGIN = "same-origin"
#: The page asks for it.
ASK = "ask"

# RFC 3986, 3.2.2 and 3.3; other scripts' letters in their encoded forms.
_NETLOC = re.compile(r"(?:[A-Za-z0-9._~%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,=:@%-]*)*")


@dataclass(frozen=True)
class SiteSettings:
    """The choices of a build.

    Attributes:
        host: name of a `hosts.Host`.
        endpoint: grpc-web address `http(s)://host[:port][/path]`, or `ask`, or `same-origin`, or an empty string
            for what the host suggests.
        profile: `lean`, or `full` with numpy, pandas and pyarrow inside.
        channel: `sab`, or `xhr` where isolation is impossible.
        isolation: a mode of `hosts.ISOLATION_MODES`.
    """

    host: str = "static"
    endpoint: str = ""
    profile: str = "lean"
    channel: str = "sab"
    isolation: str = "credentialless"

    def checked(self) -> SiteSettings:
        """Return these settings with the endpoint settled; raises `SiteRefused` that names the remedy."""
        host = find_host(self.host)
        for name, value, allowed in (
            ("profile", self.profile, PROFILES),
            ("channel", self.channel, CHANNELS),
            ("isolation", self.isolation, ISOLATION_MODES),
        ):
            if value not in allowed:
                raise SiteRefused(f"{name} is {value!r}. Choose one of: {', '.join(allowed)}.")
        if self.isolation == "off" and self.channel != "xhr":
            raise SiteRefused(
                "Without isolation the kernel can only use the XMLHttpRequest channel. Choose it with "
                "--channel xhr (slower, no streaming), or leave the isolation on."
            )
        endpoint = _endpoint(self.endpoint, host)
        return SiteSettings(self.host, endpoint, self.profile, self.channel, self.isolation)

    @property
    def found_host(self) -> Host:
        """The host these settings name."""
        return find_host(self.host)


def checked_apps(apps: Sequence[str]) -> list[str]:
    """Return the names of applications, without spaces around them; raises `SiteRefused` for one that there is not."""
    names = [name.strip() for name in apps if name.strip()]
    for name in names:
        if name not in APPS:
            raise SiteRefused(f"There is no application {name[:100]!r}. Choose from: {', '.join(APPS)}.")
    return names


def _endpoint(value: str, host: Host) -> str:
    if value in (ASK, SAME_ORIGIN):
        return value
    if not value:
        return SAME_ORIGIN if host.serves_spark else ASK
    return check_endpoint(value)


def check_endpoint(value: str) -> str:
    """Return the address `value` of a grpc-web endpoint without a final `/`.

    Raises:
        SiteRefused: it is no http(s) address, or one that must not be published. Pages and policies are made with it,
            so the letters of the host are compared, not only parsed.
    """
    try:
        split = urlsplit(value)
        split.port  # noqa: B018 (raises for a port that is none)
    except ValueError:
        raise SiteRefused("The endpoint is no URL. Write https://host[:port]/path.") from None
    if split.scheme not in ("http", "https") or not split.hostname:
        raise SiteRefused("The endpoint must start with https:// (or http://) and name a host.")
    if split.username or split.password or "token" in split.query.lower() or ";" in split.path:
        # Everybody who can open the site could read it.
        raise SiteRefused("The endpoint must not hold a token or password: the page asks for it.")
    if split.query or split.fragment or value.endswith(("?", "#")):
        raise SiteRefused("The endpoint must not hold '?' or '#'.")
    if not _NETLOC.fullmatch(split.netloc) or not _PATH.fullmatch(split.path):
        raise SiteRefused(
            "The endpoint's host or path has characters that an address does not. Write https://host[:port]/path."
        )
    return value.rstrip("/")
