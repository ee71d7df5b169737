"""The site subcommands of `jupyter pcw`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from pcw_server_ext.errors import PcwError
from pcw_server_ext.site.hosts import HOSTS, ISOLATION_MODES, find_host
from pcw_server_ext.site.settings import CHANNELS, PROFILES, SiteSettings


def add_parsers(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add `build` and `serve` to the subcommands of `jupyter pcw`; each sets `run`, which returns the exit code."""
    _add_build(subparsers)
    _add_serve(subparsers)


def _add_build(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser(
        "build",
        help="build a site whose kernel runs in the browser and whose compute is Spark",
        description="Build a JupyterLite site with the browser runtime inside. Nothing is downloaded.",
    )
    add = parser.add_argument
    add(
        "--lite-dir",
        type=Path,
        default=Path(),
        help="the site's sources: files/, jupyter-lite.json, ... (default: here)",
    )
    add("--output-dir", type=Path, help="folder of the site (default: _output in the lite folder)")
    add(
        "--host",
        choices=list(HOSTS),
        default=SiteSettings.host,
        help="where it will be hosted (default: %(default)s)",
    )
    add("--endpoint", default="", help="grpc-web address of Spark, 'ask' or 'same-origin' (default: by host)")
    add("--profile", choices=PROFILES, default=SiteSettings.profile, help="full: with numpy, pandas, pyarrow")
    add(
        "--channel", choices=CHANNELS, default=SiteSettings.channel, help="xhr: where isolation is impossible"
    )
    add(
        "--isolation",
        choices=ISOLATION_MODES,
        default=SiteSettings.isolation,
        help="COEP value (default: %(default)s)",
    )
    add(
        "--contents",
        type=Path,
        action="append",
        default=[],
        help="file or folder to put into the site; repeatable",
    )
    add("--apps", default="", help="applications to include, comma-separated (default: all)")
    recipe = parser.add_argument_group("host configuration (envoy, nginx)")
    add = recipe.add_argument
    add("--listen", default="127.0.0.1:8080", help="address and port of the host (default: %(default)s)")
    add(
        "--spark",
        default="127.0.0.1:15002",
        help="Spark Connect server that Envoy reaches (default: %(default)s)",
    )
    add(
        "--allow-origin",
        action="append",
        default=[],
        help="origin of another site that may use Envoy's endpoint",
    )
    add("--tls-certificate", type=Path, help="PEM file; writes envoy-tls.yaml as well")
    add("--tls-key", type=Path, help="PEM file of its key")
    add("--file-server", help="let Envoy fetch the files from host:port instead of reading them itself")
    parser.set_defaults(run=_build)


def _build(options: argparse.Namespace) -> int:
    from pcw_server_ext.site.build import BuildRequest, build
    from pcw_server_ext.site.deploy import DeploySettings, write_configuration

    shown = _Progress(sys.stderr)
    try:
        settings = SiteSettings(
            options.host, options.endpoint, options.profile, options.channel, options.isolation
        ).checked()
        output = (options.output_dir or options.lite_dir / "_output").resolve()
        apps = [name for name in options.apps.split(",") if name]
        record = build(BuildRequest(options.lite_dir, output, settings, options.contents, apps), shown.step)
        deploy = DeploySettings(
            options.listen,
            options.spark,
            options.allow_origin,
            options.tls_certificate,
            options.tls_key,
            options.file_server,
        )
        written = write_configuration(output, settings, deploy)
    except PcwError as error:
        shown.end()
        print(error, file=sys.stderr)
        return 1
    shown.end()
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    print(f"The site for {find_host(record.host).title} is in {output} ({size / 1e6:.0f} MB).")
    for path in written:
        print(f"Its host's configuration: {path}")
    print(f"Try it:   jupyter pcw serve {output}")
    print(f"Check it: jupyter pcw check {output}")
    return 0


class _Progress:
    """One line that says what is being done; silent where nobody watches."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.watched = stream.isatty()

    def step(self, name: str, done: int) -> None:
        """Show a step."""
        if self.watched:
            self.stream.write(f"\r\033[K{done:4d}  {name[:100]}")
            self.stream.flush()

    def end(self) -> None:
        """Clear the line."""
        if self.watched:
            self.stream.write("\r\033[K")


def _add_serve(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser(
        "serve",
        help="serve a built site on this machine, with the headers it needs",
        description="Serve a built site, by default with the isolation headers on every file and with its "
        "_headers applied. With --host, send exactly what that host would send.",
    )
    add = parser.add_argument
    add("folder", type=Path, help="folder of the site")
    add("--port", type=int, default=8000, help="port, 0 for any free one (default: %(default)s)")
    add("--ip", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--base-path", default="/", help="URL path of the site, such as /repo/ (default: %(default)s)")
    add("--host", choices=list(HOSTS), help="send only what this kind of host would send")
    add("--isolation", choices=ISOLATION_MODES, help="COEP value (default: the site's own)")
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
