"""Which indexes pip asks on this machine: read as pip reads it, without starting pip.

https://pip.pypa.io/en/stable/topics/configuration/: global, user and site files, then the file that PIP_CONFIG_FILE
names, then the environment; in a file the section of the command before ``[global]``.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pcw_server_ext.errors import ConfigurationError

#: What pip asks where nothing is configured.
DEFAULT_INDEX: Final = "https://pypi.org/simple"
_SECTIONS: Final = ("global", "install")
_OPTIONS: Final = ("index-url", "extra-index-url", "no-index", "cert")
_TRUE: Final = ("1", "true", "yes", "y", "on", "t")


@dataclass(frozen=True)
class PipConfiguration:
    """What pip would ask.

    Attributes:
        indexes: addresses, with logins where they have some; in the order in which they are to be asked. Those that
            were added come before the main one: a company's index is added to the public one, and a package of it must
            not be taken from there.
        certificate: a file of certificate authorities; empty: those of Python.
    """

    indexes: tuple[str, ...]
    certificate: str = ""


def read(
    environment: Mapping[str, str] = os.environ, files: Iterable[Path] | None = None
) -> PipConfiguration:
    """The configuration.

    Args:
        environment: of the process.
        files: in the order of their weight, the weightiest last; default: those that pip reads.

    Raises:
        ConfigurationError: a file is there and cannot be read. The public index must not be asked in place of the one
            that it may name.
    """
    found: dict[str, str] = {}
    for path in files if files is not None else _files(environment):
        found |= _of_file(path)
    for option in _OPTIONS:
        value = environment.get(f"PIP_{option.upper().replace('-', '_')}", "")
        if value:
            found[option] = value
    if found.get("no-index", "").strip().lower() in _TRUE:
        return PipConfiguration(())
    indexes = [*found.get("extra-index-url", "").split(), found.get("index-url", "").strip() or DEFAULT_INDEX]
    return PipConfiguration(tuple(dict.fromkeys(indexes)), found.get("cert", "").strip())


def _of_file(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise ConfigurationError(
            f"pip's configuration in {path} cannot be read ({type(error).__name__}), and with it which index is meant."
            " Mend the file, or set PcwExtension.packages_index."
        ) from None
    found: dict[str, str] = {}
    for section in _SECTIONS:
        if parser.has_section(section):
            found |= {name.replace("_", "-"): value for name, value in parser.items(section)}
    return {name: value for name, value in found.items() if name in _OPTIONS}


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    named = environment.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        # pip's own way to say: no file at all
        return
    home = Path(environment.get("HOME") or Path.home())
    if sys.platform == "win32":
        name = "pip.ini"
        yield Path(environment.get("PROGRAMDATA", r"C:\ProgramData")) / "pip" / name
        yield home / "pip" / name
        yield Path(environment.get("APPDATA", str(home))) / "pip" / name
    else:
        name = "pip.conf"
        shared = environment.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        if sys.platform == "darwin":
            shared = "/Library/Application Support"
        for folder in reversed(shared.split(os.pathsep)):
            yield Path(folder) / "pip" / name
        yield Path("/etc") / name
        yield home / ".pip" / name
        own = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip"
        mac = home / "Library" / "Application Support" / "pip"
        yield (mac if sys.platform == "darwin" and mac.is_dir() else own) / name
    yield Path(sys.prefix) / name
    if named:
        yield Path(named)
