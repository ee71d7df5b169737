"""What this process knows about the page, or server, that it belongs to.

A kernel of a Jupyter page reaches its own server without a URL in the notebook: ``sc://`` and ``http://``
addresses with the page's own host and port go to the server's grpc-web endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from pyspark_connect_web.errors import ConnectionStringError

__all__ = ["DEFAULT_ENDPOINT", "GRPC_PATH", "Page", "current_page", "default_port", "set_page"]

DEFAULT_ENDPOINT = "default"
GRPC_PATH = "/pcw/grpc/"


def default_port(scheme: str) -> int:
    """80 or 443."""
    return 443 if scheme == "https" else 80


@dataclass(frozen=True)
class Page:
    """The page of a kernel.

    Attributes:
        origin: ``http(s)://host[:port]``, no path.
        grpc_url: path of the grpc-web endpoints, starts and ends with ``/``; "" when its server has none.
        endpoint: the endpoint that a connection string without ``;endpoint=`` means.
        transport: the transport that a connection string without ``;channel=`` means; None for the default.
        headers: sent with every call to the page's own server.
    """

    origin: str
    grpc_url: str = ""
    endpoint: str = DEFAULT_ENDPOINT
    transport: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @classmethod
    def from_remote(
        cls, remote: str, transport: str | None = None, headers: dict[str, str] | None = None
    ) -> Page:
        """The page whose server has the endpoint ``http(s)://host[:port]{base_url}pcw/grpc/{name}``.

        Raises:
            ConnectionStringError: not such an address.
        """
        split = urlsplit(remote.partition(";")[0])
        root, slash, name = split.path.rstrip("/").rpartition("/")
        if split.scheme not in ("http", "https") or not split.hostname or not slash or not name:
            raise ConnectionStringError(
                "The kernel was started with a remote that is no http(s)://host/path/to/endpoint address."
            )
        return cls(
            f"{split.scheme}://{split.netloc}",
            f"{root}/",
            name,
            transport,
            tuple((headers or {}).items()),
        )

    def owns(self, host: str, port: int) -> bool:
        """True when host and port are the page's own."""
        own = self._split
        return own.hostname == host.lower() and (own.port or default_port(own.scheme)) == port

    def endpoint_url(self, name: str | None = None) -> str:
        """The absolute URL of an endpoint of the page's own server."""
        return f"{self.origin}{self.grpc_url}{name or self.endpoint}"

    @property
    def _split(self) -> SplitResult:
        return urlsplit(self.origin)


_page: Page | None = None


def current_page() -> Page | None:
    """The page of this process, or None outside a browser."""
    return _page


def set_page(page: Page | None) -> None:
    """Say which page this process belongs to."""
    global _page
    _page = page
