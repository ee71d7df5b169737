"""The whole report of the doctor."""

from __future__ import annotations

import argparse

from pcw_server_ext.cli.doctor import configuration, files, labextension, running, spark, versions
from pcw_server_ext.cli.options import read_configuration
from pcw_server_ext.errors import ConfigurationError
from pcw_server_ext.site.check.findings import Finding, failed


def findings(arguments: argparse.Namespace) -> list[Finding]:
    """The whole report.

    Args:
        arguments: `overrides` and `config` as `options.add_configuration` makes them, and `url`.
    """
    found = versions.check()
    try:
        server = read_configuration(arguments)
    except ConfigurationError as error:
        return [
            *found,
            failed("configuration", str(error), "Correct it: the server does not start like this."),
        ]
    settings, read = configuration.check(server)
    found += [*read, *labextension.check(server)]
    if settings is not None:
        found += [*files.check(settings), *spark.check(settings)]
        # Jupyter's own log is where endpoints warn of what they find in the configuration
        found += configuration.problems(server, already=found)
        found += running.check(settings, server, arguments.url)
    return found
