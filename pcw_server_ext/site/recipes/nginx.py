"""An nginx server block for the static part of a site."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.site.hosts import RUNTIME_FOLDER, common_headers, isolation_headers
from pcw_server_ext.web import media_types
from pcw_server_ext.web.caching import IMMUTABLE

#: As nginx takes it, with a wildcard at one end; no regular expressions.
_SERVER_NAME = re.compile(r"_|(?:\*\.|\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*(?:\.\*)?|\[?[0-9A-Fa-f:.]+\]?")

_TEMPLATE = """\
# Serves the site in {root}. Written by `jupyter pcw build`.
# Include it in the http block of nginx, for instance as /etc/nginx/conf.d/pcw-site.conf, and adapt listen and
# server_name. Shared memory needs https (or localhost): add a certificate before others use it.
server {{
    listen {listen};
    server_name {server_name};
    root {root};
    index index.html;
    absolute_redirect off;

    # Browsers refuse module scripts and WebAssembly under other types; nginx's own table lacks some.
    types {{
{types}
    }}
    default_type application/octet-stream;

    # The build ships compressed siblings.
    gzip_static on;

    location = /_headers {{ return 404; }}
    location = /_redirects {{ return 404; }}

    # add_header of a location replaces those of the server: each one repeats them all.
    location / {{
        try_files $uri $uri/ =404;
{headers}
        add_header Cache-Control "no-cache" always;
    }}

    # What ends with .gz among the contents is a file of its own.
    location /files/ {{
        gzip_static off;
        try_files $uri $uri/ =404;
{headers}
        add_header Cache-Control "no-cache" always;
    }}

    location /{runtime}/ {{
        try_files $uri =404;
{headers}
        add_header Cache-Control "{immutable}" always;
    }}
}}
"""


def nginx_config(
    root: Path, *, isolation: str, listen: str = "127.0.0.1:8080", server_names: Sequence[str] = ("_",)
) -> str:
    """Return the server block for the site in `root`.

    Raises:
        SiteRefused: the folder's name, or that of a server, cannot be written into an nginx configuration.
    """
    path = str(root.resolve())
    if any(sign in path for sign in '"\\$\n\r'):
        raise SiteRefused(f"nginx cannot serve a folder of this name: {path!r}. Move the site elsewhere.")
    for name in server_names:
        if not _SERVER_NAME.fullmatch(name):
            raise SiteRefused(f"--server-name is {name!r}. Write a host name, such as spark.example.org.")
    pairs = [*isolation_headers(isolation), *common_headers()]
    by_type: dict[str, list[str]] = {}
    for suffix, kind in media_types.TYPES.items():
        by_type.setdefault(kind.partition(";")[0], []).append(suffix)
    return _TEMPLATE.format(
        root=f'"{path}"',
        listen=listen,
        server_name=" ".join(server_names),
        types="\n".join(
            f"        {kind} {' '.join(suffixes)};" for kind, suffixes in sorted(by_type.items())
        ),
        headers="\n".join(f'        add_header {name} "{value}" always;' for name, value in pairs),
        runtime=RUNTIME_FOLDER,
        immutable=IMMUTABLE,
    )
