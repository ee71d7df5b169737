"""The options of `jupyter lite build` in a lite folder's own `jupyter_lite_config.json`, which our build obeys too."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from jupyterlite_core.app import LiteBuildApp  # type: ignore[import-untyped]
from traitlets.config import Config
from traitlets.config.loader import ConfigFileNotFound

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.site.settings import SiteSettings

#: Without its ending: JupyterLite reads .json and .py.
NAME = "jupyter_lite_config"

#: What JupyterLite merges into a site's configuration, in the lite folder and in those of applications.
_CONFIGURATION = ("jupyter-lite.json", "jupyter-lite.ipynb", "overrides.json")


def read_options(lite_dir: Path) -> Config:
    """Return what JupyterLite's own command would read for the folder, from the places where that command looks.

    Raises:
        SiteRefused: a file cannot be read; the text names it.
    """
    app = LiteBuildApp(lite_dir=lite_dir, log=logging.getLogger("pcw.build"))
    app.raise_config_file_errors = True
    try:
        app.load_config_file(suppress_errors=False)
    except ConfigFileNotFound:
        return Config()
    except SystemExit:
        # Its log has said which option is wrong, and why.
        raise SiteRefused(
            f"JupyterLite does not take its options for {lite_dir}, see above. Correct {NAME}.json."
        ) from None
    except Exception as error:  # noqa: BLE001 (a file may be Python, which raises what it likes)
        raise SiteRefused(
            f"The options of JupyterLite for {lite_dir} cannot be read: {error}. Correct {NAME}.json (or .py)."
        ) from None
    return Config(app.config)


def settings_from(options: Config, **given: str | None) -> SiteSettings:
    """Return the choices of a build: what was given, else what the options say of `PcwAddon`, else the defaults."""
    ours = options.get("PcwAddon", {})
    chosen = {field.name: ours[field.name] for field in fields(SiteSettings) if field.name in ours}
    return SiteSettings(**{**chosen, **{name: value for name, value in given.items() if value is not None}})


def configured(options: Config, name: str) -> Any:
    """Return what the options say of a trait of JupyterLite's build; None for nothing."""
    for section in ("LiteManager", "LiteBuildApp", "LiteBuildConfig"):
        if name in options.get(section, {}):
            return options[section][name]
    return None


def configuration_files(lite_dir: Path, output: Path) -> Iterator[Path]:
    """Yield the files of a lite folder that JupyterLite merges into the site's configuration, sorted."""
    for name in _CONFIGURATION:
        for path in sorted([lite_dir / name, *lite_dir.glob(f"*/{name}")]):
            if path.is_file() and output not in path.parents:
                yield path
