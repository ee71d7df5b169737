"""`jupyter pcw settings`: every setting of the server extension, with its help."""

from __future__ import annotations

import argparse


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``settings`` to the subcommands of ``jupyter pcw``."""
    parser = subparsers.add_parser(
        "settings",
        help="list every setting of the server extension, with its help",
        description="List every setting, as given on the command line of `jupyter lab` or in jupyter_server_config.py.",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print them; returns 0."""
    from pcw_server_ext.app import PcwExtension
    from pcw_server_ext.site.staging.service import SiteService

    for cls in (PcwExtension, SiteService):
        for _, trait in sorted(cls.class_own_traits(config=True).items()):
            print(cls.class_get_trait_help(trait))
            print()
    return 0
