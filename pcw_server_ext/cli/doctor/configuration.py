"""The settings: which files they come from, whether one is refused, and what they mean for the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pcw_server_ext.cli.server_configuration import ServerConfiguration
from pcw_server_ext.errors import ConfigurationError
from pcw_server_ext.site.check.findings import Finding, failed, note, ok
from pcw_server_ext.web.isolation import is_within, path_parts

if TYPE_CHECKING:
    from pcw_server_ext.app import PcwExtension

#: The page, and the scripts of its workers, which need the headers too.
_ISOLATED = ("/lab", "/static", "/lab/extensions", "/pcw/runtime")


def check(server: ServerConfiguration) -> tuple[PcwExtension | None, list[Finding]]:
    """Return the settings (None when the server refuses one) and what there is to say of them."""
    found = [_enabled(server)]
    try:
        settings = server.extension()
    except ConfigurationError as error:
        found += problems(server)
        found.append(
            failed(
                "configuration",
                f"{error} Jupyter starts, but without this extension.",
                f"Correct that setting ({_files(server)}; `jupyter pcw settings` lists all).",
            )
        )
        return None, found
    found += problems(server)
    found.append(ok("configuration", _files(server)))
    found.append(_isolation(settings))
    return settings, found


def problems(server: ServerConfiguration, already: Sequence[Finding] = ()) -> list[Finding]:
    """What the server would warn of while it reads its files, without what was reported `already`."""
    seen = {finding.text for finding in already}
    return [
        failed(
            "configuration",
            one.text,
            "Correct that file; until then the server goes on as if it were not there.",
        )
        if one.file_left_out
        else note("configuration", one.text)
        for one in server.problems
        if one.text not in seen
    ]


def _files(server: ServerConfiguration) -> str:
    if not server.files:
        return "no configuration file was found: everything is at its default or from the command line"
    return "read from " + ", ".join(server.files)


def _enabled(server: ServerConfiguration) -> Finding:
    if server.enabled:
        return ok("server extension", "the server loads it")
    return failed(
        "server extension",
        "the server does not load it: it is switched off, or its file in jupyter_server_config.d is missing",
        "Switch it on: jupyter server extension enable pcw_server_ext",
    )


def _isolation(settings: PcwExtension) -> Finding:
    if settings.channel == "xhr":
        return note(
            "isolation",
            f"channel is xhr: kernels work on any page, slower and without streaming (isolation: {settings.isolation})",
        )
    if settings.isolation == "off":
        return failed(
            "isolation",
            "isolation is off and channel is sab: pages are not cross-origin isolated, and no browser kernel can wait"
            " for an answer",
            "Set PcwExtension.isolation = 'credentialless', or PcwExtension.channel = 'xhr'.",
        )
    scopes = [path_parts(path) for path in settings.isolation_paths]
    bare = [path for path in _ISOLATED if scopes and not is_within(path, scopes)]
    if bare:
        return failed(
            "isolation",
            f"isolation_paths leaves out {', '.join(bare)}: JupyterLab's page or its workers are not isolated",
            "Add them to PcwExtension.isolation_paths, or leave it empty: every response is isolated then.",
        )
    return ok("isolation", f"{settings.isolation}, channel sab")
