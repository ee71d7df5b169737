"""The configuration of the Jupyter server, read as the server itself reads it, for commands that do not start one.

The files (`jupyter_config`, `jupyter_server_config` as .py and .json, `jupyter_server_config.d`), the folders of
`JUPYTER_CONFIG_DIR` and `JUPYTER_CONFIG_PATH`, the options of the command line and what other extensions add all go
through Jupyter's own application class, in the order in which the server takes them.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jupyter_core.application import JupyterApp
from jupyter_server import serverapp
from jupyter_server.extension.manager import ExtensionManager
from traitlets import TraitError

from pcw_server_ext.errors import ConfigurationError

if TYPE_CHECKING:
    from pcw_server_ext.app import PcwExtension

EXTENSION: Final = "pcw_server_ext"


@dataclass(frozen=True)
class Problem:
    """What the server would warn of while it reads.

    Attributes:
        text: in Jupyter's words, with the reason.
        file_left_out: whether the server goes on without a file that it cannot read.
    """

    text: str
    file_left_out: bool = False


class _Problems(logging.Handler):
    """Collects what Jupyter would print."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[Problem] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            text = f"{text.rstrip('.: ')}: {type(error).__name__}: {error}"
        self.found.append(Problem(text, error is not None and "config file" in text))


class ServerApp(serverapp.ServerApp):
    """A server that reads its configuration and stops there; of that name, by which options and errors call it."""

    def migrate_config(self) -> None:
        """Do not move files of old versions: a command that reads changes nothing."""

    def read(self, arguments: Sequence[str]) -> None:
        """Do the first part of `ServerApp.initialize`, up to where extensions are linked."""
        JupyterApp.initialize(self, list(arguments))
        self.find_server_extensions()
        # Jupyter's own class has no types
        manager: Any = ExtensionManager(log=self.log, serverapp=self)
        self.extension_manager = manager
        manager.from_jpserver_extensions(self.jpserver_extensions)
        for name in manager.sorted_extensions:
            # ours is linked last, by hand: the manager would swallow what it refuses
            if name != EXTENSION:
                manager.link_extension(name)


class ServerConfiguration:
    """What the server here would use.

    Attributes:
        server: the server's own settings (`base_url`, `root_dir`, `runtime_dir`, ...).
        files: the configuration files that were read, later ones count more.
        enabled: whether the server would load the extension.
    """

    def __init__(self, overrides: Sequence[str] = (), config_file: str | None = None) -> None:
        """Read everything.

        Args:
            overrides: settings as on the command line, `--PcwExtension.engine=sail`.
            config_file: read in place of `jupyter_server_config`, as `jupyter lab --config` does.

        Raises:
            ConfigurationError: the server would not start with it.
        """
        if config_file is not None and not Path(config_file).is_file():
            raise ConfigurationError(f"--config: there is no file {config_file}.")
        heard = _Problems()
        log = logging.getLogger("pcw_server_ext.cli.configuration")
        log.propagate = False
        log.handlers = [heard]
        self.server: Any = ServerApp(log=log)
        arguments = [*overrides, *([f"--config={config_file}"] if config_file else [])]
        try:
            with warnings.catch_warnings():
                # other extensions' own
                warnings.simplefilter("ignore")
                self.server.read(arguments)
        except TraitError as error:
            raise ConfigurationError(f"The server would not start with this configuration: {error}") from None
        except SystemExit:
            # Jupyter has logged the reason and wants to leave
            raise ConfigurationError(
                f"The server would not start with this configuration: {' '.join(one.text for one in heard.found)}"
            ) from None
        self.files: list[str] = [str(path) for path in self.server.loaded_config_files]
        self.enabled = bool(self.server.jpserver_extensions.get(EXTENSION))
        self._log = log
        self._problems = heard

    @property
    def problems(self) -> list[Problem]:
        """What the server would warn of, up to now: a setting may be looked at only when it is used."""
        return list(dict.fromkeys(self._problems.found))

    def extension(self) -> PcwExtension:
        """Return the settings of `PcwExtension`, linked to the server but not started.

        Raises:
            ConfigurationError: a value that is refused; the text names the setting and the remedy.
        """
        # not at the top: the extension imports rooms that import this one
        from pcw_server_ext.app import PcwExtension

        extension = PcwExtension(log=self._log)
        try:
            extension._link_jupyter_server_extension(self.server)
        except (TraitError, SystemExit) as error:
            raise ConfigurationError(str(error) or "The server's command line cannot be read.") from None
        return extension

    def app(self, name: str) -> Any | None:
        """Return another extension's application, such as `jupyterlab`'s; None when it is not there."""
        apps = self.server.extension_manager.extension_apps
        return next((app for found in apps.values() for app in found if app.name == name), None)
