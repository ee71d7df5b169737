"""`jupyter pcw doctor`: what this installation will do, what is wrong with it, and the next step for each fault.

configuration   the settings, read as the server reads them: refused values, isolation, channel
versions        packages against the ranges that they must be in, and against what was tested
spark           endpoints, and whether they answer; the local engine
files           the browser runtime; where packages come from and are kept
labextension    the part in JupyterLab: there, compatible, switched on, not replaced by another extension
report          all of it, in order
running         a server that runs: the headers and the version that a browser gets from it
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from pcw_server_ext.cli.options import add_configuration

_MARKS = {"ok": "ok    ", "note": "note  ", "failed": "NOT OK"}


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `doctor` to the subcommands of `jupyter pcw`."""
    parser = subparsers.add_parser(
        "doctor",
        help="say what the server here will do, what is wrong and how to mend it",
        description="Read the server's configuration as the server does, and say what will really be used: versions,"
        " endpoints (each is asked whether it answers), engine, isolation, packages, JupyterLab's extensions, and the"
        " servers that run here. Starts nothing, changes nothing and prints no secret.",
        epilog="Exit code 0: nothing is wrong; 1: something is; 2: the command was wrong.",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--url",
        help="address under which browsers reach the server, such as https://hub.example.org/user/me/: says whether"
        " something on the way removes headers (a token for it is read from JUPYTER_TOKEN)",
    )
    add_configuration(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report; 0 when nothing is wrong, else 1."""
    # what is looked at takes a second to import
    from pcw_server_ext.cli.doctor.report import findings
    from pcw_server_ext.site.check.findings import passed

    report = findings(arguments)
    if arguments.json:
        json.dump({"ok": passed(report), "findings": [asdict(one) for one in report]}, sys.stdout, indent=1)
        print()
        return 0 if passed(report) else 1
    for one in report:
        print(f"{_MARKS[one.status]}  {one.name}: {one.text}")
        if one.fix:
            print(f"        -> {one.fix}")
    count = sum(one.status == "failed" for one in report)
    print("Nothing is wrong." if count == 0 else f"{count} NOT OK: the lines with -> say what to do.")
    return 0 if count == 0 else 1
