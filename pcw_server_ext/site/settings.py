"""What a person chooses about a site, checked before anything is built."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from pcw_server_ext.site.errors import SiteRefused
from pcw_server_ext.site.hosts import ISOLATION_MODES, Host, find_host

CHANNELS = ("sab", "xhr")
PROFILES = ("lean", "full")

#: Where a site below a Jupyter server, or behind the Envoy recipe, finds its endpoint.
SAME_ORIGIN = "same-origin"
#: The page asks for it.
ASK = "ask"


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


def _endpoint(value: str, host: Host) -> str:
    if value in (ASK, SAME_ORIGIN):
        return value
    if not value:
        return SAME_ORIGIN if host.name in ("jupyter", "envoy") else ASK
    try:
        split = urlsplit(value)
        split.port  # noqa: B018 (raises for a port that is none)
    except ValueError:
        raise SiteRefused("The endpoint is no URL. Write https://host[:port]/path.") from None
    if split.scheme not in ("http", "https") or not split.hostname:
        raise SiteRefused("The endpoint must start with https:// (or http://) and name a host.")
    if split.username or split.password or "token" in split.query.lower() or ";" in value:
        # Everybody who can open the site could read it.
        raise SiteRefused("The endpoint must not hold a token or password: the page asks for it.")
    if split.query or split.fragment:
        raise SiteRefused("The endpoint must not hold '?' or '#'.")
    return value.rstrip("/")
