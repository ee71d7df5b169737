"""The hosts a site can be built for: what each sends, what it lets a site set, where its limits are.

One table serves the build (what to write), the development server and the staging area (what to send) and
the check (what to expect), so that what works staged works deployed.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.site.header_rules import Dialect
from pcw_server_ext.web.isolation import MODES

#: Accepted values of `isolation`: the COEP value to send, or none at all.
ISOLATION_MODES = MODES

MIB = 1 << 20


class Recipe(enum.Enum):
    """A host that is configured by a file of its own, which the build writes beside the site."""

    NGINX = "nginx"
    ENVOY = "envoy"


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
        max_total: most bytes that all files of a site may have together.
        takes_headers_file: a `_headers` file is written for it, though it may read none.
        jekyll: it publishes through Jekyll, which leaves out what begins with an underscore, unless told not to.
        root_page_for_absent: it answers what is not there with the site's root page and status 200, unless the site has
            a `404.html`.
        serves_spark: the endpoint is found at the site's own origin, unless another one is built in.
        recipe: the configuration that is written for it.
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
    max_total: int | None = None
    takes_headers_file: bool = False
    jekyll: bool = False
    root_page_for_absent: bool = False
    serves_spark: bool = False
    recipe: Recipe | None = None

    @property
    def isolates(self) -> bool:
        """Whether the pages are isolated by response headers, without a service worker."""
        return self.sends_headers or self.dialect is not None


_REVALIDATE = (("Cache-Control", "public, max-age=0, must-revalidate"),)

HOSTS = {
    host.name: host
    for host in (
        Host("jupyter", "a Jupyter server", sends_headers=True, precompressed=True, serves_spark=True),
        Host(
            "netlify",
            "Netlify",
            dialect=Dialect.NETLIFY,
            defaults=_REVALIDATE,
            takes_headers_file=True,
        ),
        Host(
            "cloudflare",
            "Cloudflare Pages",
            dialect=Dialect.CLOUDFLARE,
            defaults=_REVALIDATE,
            clean_html=True,
            max_file=25 * MIB,
            max_files=20_000,
            takes_headers_file=True,
            root_page_for_absent=True,
        ),
        Host(
            "github-pages",
            "GitHub Pages",
            worker_isolates=True,
            defaults=(("Access-Control-Allow-Origin", "*"), ("Cache-Control", "max-age=600")),
            max_file=100 * MIB,
            # "Published GitHub Pages sites may be no larger than 1 GB."
            max_total=10**9,
            jekyll=True,
        ),
        Host("envoy", "Envoy", sends_headers=True, serves_spark=True, recipe=Recipe.ENVOY),
        Host("nginx", "nginx", sends_headers=True, precompressed=True, recipe=Recipe.NGINX),
        # May be one that reads _headers, and one that runs Jekyll.
        Host("static", "any static host", worker_isolates=True, takes_headers_file=True, jekyll=True),
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


def is_immutable(path: str) -> bool:
    """Whether the file `path` (relative to the site's root) can never change under its name."""
    return path.startswith(f"{RUNTIME_FOLDER}/") and path.count("/") >= 3
