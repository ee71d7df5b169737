"""`jupyter pcw`: the command line; each subcommand's parser sets `run`, which returns the exit status."""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from pcw_server_ext.cli.options import OVERRIDE
from pcw_server_ext.cli.terminal import plain_text
from pcw_server_ext.version import __version__

# Modules with ``add_parsers(subparsers)``; imported only when the command runs, not with the server extension.
COMMAND_MODULES: Final = (
    "pcw_server_ext.cli.doctor",
    "pcw_server_ext.cli.settings",
    "pcw_server_ext.cli.site",
    "pcw_server_ext.cli.runtime",
    "pcw_server_ext.cli.token",
)
PROGRAM: Final = "jupyter pcw"


class Parser(argparse.ArgumentParser):
    """Answers a wrong command in one line that says what is wrong and where to read on."""

    commands: tuple[str, ...] = ()

    def error(self, message: str) -> NoReturn:
        """Print the line and exit with 2."""
        self.exit(2, f"{self.prog}: {message.rstrip('.?')}. `{self.prog} --help` says what it takes.\n")


def parser(modules: Sequence[str] = COMMAND_MODULES) -> Parser:
    """The parser of everything that `jupyter pcw` understands."""
    top = Parser(prog=PROGRAM, description="PySpark in a browser kernel of JupyterLab.")
    top.add_argument("--version", action="version", version=__version__)
    below = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in modules:
        importlib.import_module(name).add_parsers(below)
    top.commands = tuple(below.choices)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `jupyter pcw` and `jupyter-pcw`; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    top = parser()
    if not given:
        top.error(f"choose a command: {', '.join(top.commands)}")
    if not given[0].startswith("-") and given[0] not in top.commands:
        near = difflib.get_close_matches(given[0], top.commands, 1)
        top.error(f"there is no command {given[0]!r}" + (f"; the nearest is {near[0]}" if near else ""))
    overrides = [one for one in given if OVERRIDE.match(one)]
    parsed = top.parse_args([one for one in given if one not in overrides])
    if overrides and not hasattr(parsed, "overrides"):
        top.error(
            f"{parsed.command} does not read the server's settings, so that {overrides[0]!r} has no effect"
        )
    parsed.overrides = overrides
    try:
        with plain_text():
            status: int = parsed.run(parsed)
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
