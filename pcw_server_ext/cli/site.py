"""The site subcommands of `jupyter pcw`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcw_server_ext.cli.terminal import in_one_line
from pcw_server_ext.errors import PcwError
from pcw_server_ext.site.check.runs import CELL_TIMEOUT
from pcw_server_ext.site.hosts import HOSTS, ISOLATION_MODES, find_host
from pcw_server_ext.site.settings import CHANNELS, PROFILES, SiteSettings
from pcw_server_ext.web.addresses import origin_of

if TYPE_CHECKING:
    from pcw_server_ext.site.check.findings import Finding
    from pcw_server_ext.site.check.notebooks import RunOptions
    from pcw_server_ext.site.check.runs import NotebookRun
    from pcw_server_ext.site.check.source import Source


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
        description="Build a JupyterLite site with the browser runtime inside. Nothing is downloaded but packages that "
        "are named.",
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
        help=f"where it will be hosted (default: {SiteSettings.host})",
    )
    add("--endpoint", help="grpc-web address of Spark, 'ask' or 'same-origin' (default: by host)")
    add("--profile", choices=PROFILES, help="full: with numpy, pandas, pyarrow (default: lean)")
    add("--channel", choices=CHANNELS, help="xhr: where isolation is impossible (default: sab)")
    add(
        "--isolation",
        choices=ISOLATION_MODES,
        help=f"COEP value (default: {SiteSettings.isolation})",
    )
    add(
        "--contents",
        type=Path,
        action="append",
        default=[],
        help="file, or folder whose files are put into the site beside those in files/; repeatable",
    )
    add(
        "--package",
        action="append",
        default=[],
        metavar="REQUIREMENT",
        help="package that %%pip install finds in the site, with what it needs, from Jupyter's folders of wheels or "
        "pip's index; repeatable",
    )
    add(
        "--requirements",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="file of such requirements, one a line; repeatable",
    )
    add("--wheel", type=Path, action="append", default=[], metavar="FILE", help="wheel of one; repeatable")
    add(
        "--preinstall",
        action="append",
        default=[],
        metavar="REQUIREMENT",
        help="package that every kernel of the site has from its start; repeatable",
    )
    add("--apps", default="", help="applications to include, comma-separated (default: all)")
    add("--include-hidden", action="store_true", help="publish files whose names begin with a dot")
    add("--allow-secrets", action="store_true", help="publish what looks like keys, tokens or passwords")
    add(
        "--check-notebooks",
        action="store_true",
        help="run every notebook of the site in a real browser, and fail where one does",
    )
    add(
        "--check-endpoint",
        default="",
        metavar="URL",
        help="endpoint that --check-notebooks asks with the token in PCW_TOKEN (default: --endpoint, if an address)",
    )
    recipe = parser.add_argument_group("host configuration (envoy, nginx)")
    add = recipe.add_argument
    add("--listen", default="127.0.0.1:8080", help="address and port of the host (default: %(default)s)")
    add(
        "--spark",
        default="127.0.0.1:15002",
        help="Spark Connect server that Envoy reaches (default: %(default)s)",
    )
    add(
        "--server-name",
        action="append",
        default=[],
        help="host name under which browsers ask for the site; repeatable (default: localhost, if --listen is there)",
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
    from pcw_server_ext.site.builder.build import BuildRequest, build
    from pcw_server_ext.site.builder.lite_options import read_options, settings_from
    from pcw_server_ext.site.builder.packages import SitePackages
    from pcw_server_ext.site.recipes.deploy import DeploySettings, write_configuration

    shown = _Progress(sys.stderr)
    try:
        lite = read_options(options.lite_dir.resolve())
        settings = settings_from(
            lite,
            host=options.host,
            endpoint=options.endpoint,
            profile=options.profile,
            channel=options.channel,
            isolation=options.isolation,
        ).checked()
        output = (options.output_dir or options.lite_dir / "_output").resolve()
        request = BuildRequest(
            options.lite_dir,
            output,
            settings,
            options.contents,
            options.apps.split(","),
            include_hidden=options.include_hidden,
            allow_secrets=options.allow_secrets,
            options=lite,
            packages=SitePackages(
                tuple(options.package),
                tuple(path.resolve() for path in options.requirements),
                tuple(path.resolve() for path in options.wheel),
                tuple(options.preinstall),
            ),
        )
        left_out: list[str] = []
        record = build(request, shown.step, left_out.extend)
        deploy = DeploySettings(
            options.listen,
            options.spark,
            options.server_name,
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
    for line in left_out:
        print(f"Not in the site: {in_one_line(line)}", file=sys.stderr)
    for path in written:
        print(f"Its host's configuration: {path}")
    built_in = settings.endpoint if origin_of(settings.endpoint) else ""
    if options.check_notebooks and not _notebooks_run(output, options.check_endpoint or built_in):
        print(f"Do not deploy {output}: correct the notebooks, and build again.", file=sys.stderr)
        return 1
    print(f"Try it:   jupyter pcw serve {output}")
    print(f"Check it: jupyter pcw check {output}")
    return 0


def _notebooks_run(site: Path, endpoint: str) -> bool:
    import os

    from pcw_server_ext.site.check import findings
    from pcw_server_ext.site.check.notebooks import RunOptions
    from pcw_server_ext.site.check.source import open_source

    how = RunOptions(endpoint, os.environ.get("PCW_TOKEN", ""))
    found, _ = _run_notebooks(open_source(str(site)), how, None)
    print(findings.as_text(str(site), found))
    return findings.passed(found)


class _Progress:
    """One line that says what is being done; silent where nobody watches."""

    def __init__(self, stream: Any) -> None:
        # the commands' own takes no control characters
        self.stream = getattr(stream, "stream", stream)
        self.watched = stream.isatty()

    def step(self, name: str, done: int) -> None:
        """Show a step."""
        if self.watched:
            self.stream.write(f"\r\033[K{done:4d}  {in_one_line(name[:100])}")
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
    from pcw_server_ext.site.serving.folder import SiteFolder
    from pcw_server_ext.site.serving.server import serve

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
    add(
        "--trust",
        action="store_true",
        help="let it act with your rights on the server; without, it is opened apart, or asks",
    )
    parser.set_defaults(run=_stage)


def _stage(options: argparse.Namespace) -> int:
    from pcw_server_ext.site.staging.upload import find_server, upload

    try:
        server, token = find_server(options.server)
        name = options.name or options.folder.resolve().name.strip("._-") or "site"
        url = upload(options.folder, name, server, token, trust=options.trust)
    except PcwError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Staged: {url}")
    if not options.trust:
        print(
            "Opening it asks whether it may act with your rights. If you made it: jupyter pcw stage --trust"
        )
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
    add(
        "--port",
        type=int,
        default=0,
        help="port of 127.0.0.1 at which a folder is served to the browser, for allowed_origins (default: a free one)",
    )
    add("--browser", action="store_true", help="open it in a real browser, start the kernel and run a query")
    add(
        "--all",
        action="store_true",
        help="download and hash every file of a site at a URL, not only the browser runtime's",
    )
    add("--json", action="store_true", help="write the report as JSON")
    notebooks = parser.add_argument_group("notebooks (they run in a real browser)")
    add = notebooks.add_argument
    add("--notebooks", action="store_true", help="run every notebook of the site from top to bottom")
    add(
        "--only",
        action="append",
        default=[],
        metavar="PATTERN",
        help="run the notebooks whose path matches, such as 'reports/*.ipynb'; repeatable",
    )
    add("--compare-outputs", action="store_true", help="fail where an output is not the saved one")
    add(
        "--cell-timeout",
        type=_seconds,
        default=CELL_TIMEOUT,
        metavar="SECONDS",
        help="what one cell may take (default: %(default)g)",
    )
    add("--screenshots", type=Path, metavar="FOLDER", help="write a picture of each notebook's end there")
    add("--junit", type=Path, metavar="FILE", help="write the cells' results as JUnit XML")
    parser.set_defaults(run=_check)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


def _check(options: argparse.Namespace) -> int:
    import os

    from pcw_server_ext.site.check import findings, report
    from pcw_server_ext.site.check.notebooks import RunOptions
    from pcw_server_ext.site.check.source import open_source

    named = [name for name in ("only", "compare_outputs", "screenshots", "junit") if getattr(options, name)]
    if named and not options.notebooks:
        print(
            f"--{named[0].replace('_', '-')} is about notebooks that run: add --notebooks.", file=sys.stderr
        )
        return 2
    token = os.environ.get("PCW_TOKEN", "")
    runs: list[NotebookRun] | None = None
    try:
        source = open_source(
            options.target,
            token=os.environ.get("JUPYTER_TOKEN", ""),
            host=options.host,
            port=options.port,
        )
        found = report.check(
            source, endpoint=options.endpoint, token=token, origin=options.origin, everything=options.all
        )
        if options.browser:
            from pcw_server_ext.site.check.browser import check_browser

            found += check_browser(source, endpoint=options.endpoint, token=token)
        if options.notebooks:
            how = RunOptions(
                options.endpoint,
                token,
                options.only,
                options.compare_outputs,
                options.cell_timeout,
                options.screenshots,
            )
            more, runs = _run_notebooks(source, how, options.junit)
            found += more
    except PcwError as error:
        found = [findings.failed("site", str(error), "Correct the folder or the address.")]
    if options.json:
        print(findings.as_json(options.target, found, runs))
    else:
        print(findings.as_text(options.target, found))
    return 0 if findings.passed(found) else 1


def _run_notebooks(
    source: Source, how: RunOptions, junit: Path | None
) -> tuple[list[Finding], list[NotebookRun]]:
    from pcw_server_ext.site.check.findings import failed
    from pcw_server_ext.site.check.junit import as_junit
    from pcw_server_ext.site.check.notebooks import check_notebooks

    check = check_notebooks(source, how)
    if junit is not None:
        try:
            junit.parent.mkdir(parents=True, exist_ok=True)
            junit.write_text(as_junit(check.runs), encoding="utf-8")
        except OSError as error:
            text = f"{junit} cannot be written: {error.strerror}"
            check.findings.append(failed("report", text, "Name another file with --junit."))
    return check.findings, check.runs
