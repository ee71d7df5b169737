"""The options that every command takes which reads the server's configuration."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pcw_server_ext.cli.server_configuration import ServerConfiguration

#: `--PcwExtension.engine=sail`: a setting, as the command line of `jupyter lab` takes it.
OVERRIDE: Final = re.compile(r"--[A-Z]\w*\.\w+=", re.ASCII)


def add_configuration(parser: argparse.ArgumentParser) -> None:
    """Let a command take the server's settings: `--config FILE` and `--Class.setting=value`."""
    group = parser.add_argument_group(
        "server configuration",
        "The command reads what `jupyter lab` reads here. Settings may be given as there: --PcwExtension.engine=sail",
    )
    group.add_argument(
        "--config", metavar="FILE", help="configuration file to read in place of jupyter_server_config"
    )
    parser.set_defaults(overrides=[])


def read_configuration(arguments: argparse.Namespace) -> ServerConfiguration:
    """Return the configuration for a command whose parser went through `add_configuration`.

    Raises:
        ConfigurationError: the server would not start with it.
    """
    # Jupyter's server takes a second to import
    from pcw_server_ext.cli.server_configuration import ServerConfiguration

    return ServerConfiguration(arguments.overrides, arguments.config)
