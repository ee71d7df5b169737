"""The hosts a site can be built for: what each sends, what it lets a site set, where its limits are.

One table serves the build (what to write), the development server and the staging area (what to send) and
the check (what to expect), so that what works staged works deployed.
"""

from __future__ import annotations

from dataclasses import dataclass

from pcw_server_ext.site.errors import SiteRefused
from pcw_server_ext.site.header_rules import Dialect

#: Accepted values of `isolation`: the COEP value to send, or none at all.
ISOLATION_MODES = ("credentialless", "require-corp", "off")

MIB = 1 << 20


@dataclass(frozen=True)
class Host:
    """A kind of host.

    Attributes:
        name: how the command line and the site's own record call it.
        title: how a message to a person calls it.
        dialect: whose `_headers` rules it applies; None where it reads no such file.
        sends_headers: its configuration sends COOP and COEP by itself (not through `_headers`).
        worker_isolates: it can set no headers, so the site's service worker must isolate.
        defaults: headers it sends with every file.
        precompressed: it serves `.br` and `.gz` siblings.
        clean_html: it redirects `x.html` to `x` and `index.html` to its folder.
        max_file: largest file in bytes, None for no limit worth mentioning.
        max_files: most files a site may have.
    """

    name: str
    title: str
    dialect: Dialect | None = None
    sends_headers: bool = False
    worker_isolates: bool = False
    defaults: tuple[tuple[str, str], ...] = ()
    precompressed: bool = False
    clean_html: bool = False
    max_file: int | None = None
    max_files: int | None = None

    @property
    def isolates(self) -> bool:
        """Whether the pages are isolated by response headers, without a service worker."""
        return self.sends_headers or self.dialect is not None


_REVALIDATE = (("Cache-Control", "public, max-age=0, must-revalidate"),)

HOSTS = {
    host.name: host
    for host in (
        Host("jupyter", "a Jupyter server", sends_headers=True, precompressed=True),
        Host("netlify", "Netlify", dialect=Dialect.NETLIFY, defaults=_REVALIDATE),
        Host(
            "cloudflare",
            "Cloudflare Pages",
            dialect=Dialect.CLOUDFLARE,
            defaults=_REVALIDATE,
            clean_html=True,
            max_file=25 * MIB,
            max_files=20_000,
        ),
        Host(
            "github-pages",
            "GitHub Pages",
            worker_isolates=True,
            defaults=(("Access-Control-Allow-Origin", "*"), ("Cache-Control", "max-age=600")),
            max_file=100 * MIB,
        ),
        Host("envoy", "Envoy", sends_headers=True),
        Host("nginx", "nginx", sends_headers=True, precompressed=True),
        Host("static", "any static host", worker_isolates=True),
    )
}


def find_host(name: str) -> Host:
    """Return the host called `name`; raises `SiteRefused` that lists the names there are."""
    try:
        return HOSTS[name]
    except KeyError:
        raise SiteRefused(f"There is no host kind {name!r}. Choose one of: {', '.join(HOSTS)}.") from None


def isolation_headers(isolation: str) -> list[tuple[str, str]]:
    """Return the headers that isolate a page, for a mode of `ISOLATION_MODES`; none for `off`."""
    if isolation == "off":
        return []
    return [
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Embedder-Policy", isolation),
        # Nobody else's page may embed the site's files.
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ]


def common_headers() -> list[tuple[str, str]]:
    """Return headers that every file of a site should have, whatever the isolation."""
    return [("X-Content-Type-Options", "nosniff")]


#: Folder of the browser runtime in a site; below it a folder named by the content's hash.
RUNTIME_FOLDER = "pcw/runtime"

IMMUTABLE = "public, max-age=31536000, immutable"


def is_immutable(path: str) -> bool:
    """Whether the file `path` (relative to the site's root) can never change under its name."""
    return path.startswith(f"{RUNTIME_FOLDER}/") and path.count("/") >= 3
