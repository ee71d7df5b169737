"""The site subcommands of `jupyter pcw`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from pcw_server_ext.errors import PcwError
from pcw_server_ext.site.hosts import HOSTS, ISOLATION_MODES, find_host


def add_parsers(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add `serve` to the subcommands of `jupyter pcw`; each sets `run`, which returns the exit code."""
    _add_serve(subparsers)


def _add_serve(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser(
        "serve",
        help="serve a built site on this machine, with the headers it needs",
        description="Serve a built site, by default with the isolation headers on every file and with its "
        "_headers applied. With --host, send exactly what that host would send.",
    )
    parser.add_argument("folder", type=Path, help="folder of the site")
    parser.add_argument(
        "--port", type=int, default=8000, help="port, 0 for any free one (default: %(default)s)"
    )
    parser.add_argument("--ip", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--base-path", default="/", help="URL path of the site, such as /repo/ (default: %(default)s)"
    )
    parser.add_argument("--host", choices=list(HOSTS), help="send only what this kind of host would send")
    parser.add_argument("--isolation", choices=ISOLATION_MODES, help="COEP value (default: the site's own)")
    parser.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    from pcw_server_ext.site.folder import SiteFolder
    from pcw_server_ext.site.serve import serve

    def announce(url: str) -> None:
        print(f"Serving {options.folder} at {url}  (stop with Ctrl+C)", flush=True)

    try:
        site = SiteFolder(
            options.folder,
            host=find_host(options.host) if options.host else None,
            isolation=options.isolation,
            development=options.host is None,
        )
        asyncio.run(
            serve(site, ip=options.ip, port=options.port, base_path=options.base_path, announce=announce)
        )
    except KeyboardInterrupt:
        return 0
    except PcwError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
