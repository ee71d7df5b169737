"""The part in JupyterLab: there, of this version, compatible, switched on, and not replaced by another extension."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jupyterlab.commands import AppOptions, get_app_info
from jupyterlab_server.config import get_federated_extensions, get_page_config

from pcw_server_ext.cli.server_configuration import ServerConfiguration
from pcw_server_ext.site.check.findings import Finding, failed, ok
from pcw_server_ext.version import __version__

try:
    import jupyter_builder.jupyterlab_semver as semver
except ImportError:
    # JupyterLab before 4.6, which the doctor must be able to look at too
    import jupyterlab.semver as semver

NAME: Final = "pcw-server-ext"
#: JupyterLab's plugins in whose place ours stand, and what stops to work when another extension takes that place.
REPLACED: Final[Mapping[str, str]] = {
    "@jupyterlab/notebook-extension:cell-executor": "cells that are run while a browser kernel starts are lost",
    "@jupyterlab/services-extension:kernel-manager": "browser kernels cannot be started",
    "@jupyterlab/services-extension:kernel-spec-manager": "browser kernels are not offered in the launcher",
    "@jupyterlab/services-extension:session-manager": "notebooks cannot keep a browser kernel",
}


def check(server: ServerConfiguration) -> list[Finding]:
    """What there is to say of our extension and of those beside it."""
    lab = server.app("lab")
    if lab is None:
        return [
            failed(
                "labextension",
                "the server does not load JupyterLab, so that no page has this extension",
                "Switch it on: jupyter server extension enable jupyterlab",
            )
        ]
    folders = [*lab.extra_labextensions_path, *lab.labextensions_path]
    extensions = get_federated_extensions(folders)
    own = extensions.get(NAME)
    if own is None:
        return [
            failed(
                "labextension",
                f"JupyterLab has no extension {NAME} (looked in {', '.join(folders)})",
                "Install the package again: pip install --force-reinstall --no-deps pcw-server-ext",
            )
        ]
    disabled = get_page_config(folders, str(Path(lab.app_dir) / "settings")).get("disabledExtensions", [])
    found = [
        _version(own),
        _compatible(own, get_app_info(AppOptions(app_dir=lab.app_dir, logger=lab.log))["core_data"]),
        _enabled(disabled),
    ]
    return [*found, *conflicts(extensions, disabled)]


def _version(own: Mapping[str, Any]) -> Finding:
    if own["version"] == __version__:
        return ok("labextension", f"{own['version']} in {own['ext_path']}")
    return failed(
        "labextension",
        f"JupyterLab has version {own['version']} in {own['ext_path']}, the server has {__version__}",
        "Remove that folder when it is left over from another installation, or install again:"
        " pip install --force-reinstall --no-deps pcw-server-ext",
    )


def _compatible(own: Mapping[str, Any], core: Mapping[str, Any]) -> Finding:
    """Compare what the extension was built for with what this JupyterLab holds, as JupyterLab itself does."""
    lab = core["jupyterlab"]["version"]
    bad = []
    for package in core["jupyterlab"]["singletonPackages"]:
        wanted, there = own["dependencies"].get(package), core["resolutions"].get(package)
        if wanted is None or there is None:
            continue
        if not _overlap(there, wanted):
            bad.append(f"{package} {wanted} (here {there})")
    if not bad:
        return ok("labextension for this JupyterLab", f"compatible with JupyterLab {lab}")
    return failed(
        "labextension for this JupyterLab",
        f"JupyterLab {lab} refuses it: it was built for {', '.join(bad[:3])}"
        + (f" and {len(bad) - 3} more packages" if len(bad) > 3 else ""),
        "Install the JupyterLab that it was built for: pip install --upgrade pcw-server-ext jupyterlab",
    )


def _overlap(there: str, wanted: str) -> bool:
    """Whether two npm ranges share a version; a pre-release here counts as the release that it precedes."""
    lowest = re.sub(r"^\D*|-.*$", "", there)
    released = re.sub(r"-.*$", "", there)
    return bool(
        semver.satisfies(lowest, wanted, True)
        or semver.satisfies(re.sub(r"^\D*|-.*$", "", wanted), released, True)
    )


def _enabled(disabled: list[str]) -> Finding:
    """As JupyterLab reads it: names of extensions and plugins, or patterns that match at their start."""
    off = [entry for entry in disabled if _disables(entry, NAME) or entry.startswith(f"{NAME}:")]
    if not off:
        return ok("labextension switched on", "all of its plugins")
    return failed(
        "labextension switched on",
        f"switched off in JupyterLab: {', '.join(off)}",
        " and ".join(f"jupyter labextension enable {entry}" for entry in off)
        + " (if it stays off, another extension's package.json switches it off)",
    )


def _disables(entry: str, name: str) -> bool:
    try:
        return entry == name or re.match(entry, name) is not None
    except re.error:
        return False


def conflicts(extensions: Mapping[str, Mapping[str, Any]], disabled: list[str]) -> list[Finding]:
    """Other extensions that switch the same plugins of JupyterLab off, to take their place, or ours."""
    found = []
    for name, data in sorted(extensions.items()):
        if name == NAME or any(_disables(entry, name) for entry in disabled):
            continue
        switched_off = data["jupyterlab"].get("disabledExtensions", [])
        entries = (
            switched_off
            if isinstance(switched_off, list)
            else [key for key, on in switched_off.items() if on]
        )
        harm = [
            f"{plugin}: {effect}"
            for plugin, effect in REPLACED.items()
            if any(_disables(entry, plugin) for entry in entries)
        ]
        harm += [
            f"{entry}: this extension" for entry in entries if entry == NAME or entry.startswith(f"{NAME}:")
        ]
        if harm:
            found.append(
                failed(
                    f"conflict with {name}",
                    f"the extension {name} {data['version']} takes the place of the same parts of JupyterLab ("
                    + "; ".join(harm)
                    + ")",
                    f"Use one of the two: jupyter labextension disable {name}",
                )
            )
    return found or [ok("conflicts", "no other extension replaces the cell executor or the kernel managers")]
