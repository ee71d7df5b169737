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
    """Add `build`, `serve`, `stage` and `check` to `jupyter pcw`; each sets `run`, which returns the exit code."""
    _add_build(subparsers)
    _add_serve(subparsers)
    _add_stage(subparsers)
    _add_check(subparsers)


def _add_build(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser(
        "build",
        help="build a site whose kernel runs in the browser and whose compute is Spark",
        description="Build a JupyterLite site with the browser runtime inside. Nothing is downloaded.",
        epilog="Example: jupyter pcw build --contents notebooks/ --contents data/weather.csv --output-dir public/ puts "
        "what is in notebooks/, and weather.csv, at the top of the site's files.",
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
        help="file, or folder whose files are put into the site beside those in files/; repeatable",
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


def _add_stage(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser(
        "stage",
        help="put a built site on a Jupyter server, to try it before it is deployed",
        description="Upload a built site to a running Jupyter server, which serves it with the headers of the "
        "host it was built for. The server's token is read from JUPYTER_TOKEN, or from the running server.",
    )
    add = parser.add_argument
    add("folder", type=Path, help="folder of the site")
    add("--name", help="name in its address (default: the folder's)")
    add("--server", help="address of the Jupyter server (default: the one running here)")
    parser.set_defaults(run=_stage)


def _stage(options: argparse.Namespace) -> int:
    from pcw_server_ext.site.upload import find_server, upload

    try:
        server, token = find_server(options.server)
        name = options.name or options.folder.resolve().name.strip("._-") or "site"
        url = upload(options.folder, name, server, token)
    except PcwError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Staged: {url}")
    return 0


def _add_check(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser(
        "check",
        help="say whether a site will work where it is, or where it will be",
        description="Check a site in a folder (as its host would send it) or at a URL. Tokens are read from the "
        "environment: JUPYTER_TOKEN for a site on a Jupyter server, PCW_TOKEN for the endpoint.",
        epilog="Exit code 0: nothing failed; 1: something did; 2: the command was wrong.",
    )
    add = parser.add_argument
    add("target", help="folder or URL of the site")
    add("--host", choices=list(HOSTS), help="check a folder for this kind of host (default: the site's own)")
    add("--endpoint", default="", help="grpc-web address to check (default: the one built in)")
    add("--origin", default="", help="where a folder's pages will be, such as https://me.github.io, for CORS")
    add("--browser", action="store_true", help="open it in a real browser, start the kernel and run a query")
    add("--all", action="store_true", help="hash every file of a site at a URL")
    add("--json", action="store_true", help="write the report as JSON")
    parser.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    import os

    from pcw_server_ext.site.check import findings, report
    from pcw_server_ext.site.check.source import open_source

    token = os.environ.get("PCW_TOKEN", "")
    try:
        source = open_source(options.target, token=os.environ.get("JUPYTER_TOKEN", ""), host=options.host)
        found = report.check(
            source, endpoint=options.endpoint, token=token, origin=options.origin, everything=options.all
        )
        if options.browser:
            from pcw_server_ext.site.check.browser import check_browser

            found += check_browser(source, endpoint=options.endpoint, token=token)
    except PcwError as error:
        found = [findings.failed("site", str(error), "Correct the folder or the address.")]
    print((findings.as_json if options.json else findings.as_text)(options.target, found))
    return 0 if findings.passed(found) else 1
