"""``jupyter pcw``: the command line; each subcommand's parser sets ``run``, which returns the exit status."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Final

from . import __version__

# Modules with ``add_parsers(subparsers)``; imported only when the command runs, not with the server extension.
COMMAND_MODULES: Final = (
    "pcw_server_ext.doctor",
    "pcw_server_ext.settings_command",
    "pcw_server_ext.site.commands",
    "pcw_server_ext.runtime.commands",
    "pcw_server_ext.token_command",
)


def parser(modules: Sequence[str] = COMMAND_MODULES) -> argparse.ArgumentParser:
    """The parser of everything that ``jupyter pcw`` understands."""
    top = argparse.ArgumentParser(
        prog="jupyter pcw", description="PySpark in a browser kernel of JupyterLab."
    )
    top.add_argument("--version", action="version", version=__version__)
    below = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in modules:
        importlib.import_module(name).add_parsers(below)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``jupyter pcw`` and ``jupyter-pcw``; returns the exit status."""
    parsed = parser().parse_args(arguments)
    status: int = parsed.run(parsed)
    return status


if __name__ == "__main__":
    sys.exit(main())
