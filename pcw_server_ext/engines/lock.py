"""Who can reach a local engine: the lock it has, and whether there is anybody to lock out."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pcw_server_ext.engines import sail_guard

_LOGIN_DEFS: Final = Path("/etc/login.defs")
_FIRST_PERSON: Final = 501 if sys.platform == "darwin" else 1000
_NO_LOGIN: Final = ("nologin", "false", "sync", "halt", "shutdown")
# systemd's dynamic users of services, and nobody
_OF_SERVICES: Final = range(61_184, 65_535)


@dataclass(frozen=True)
class Lock:
    """Whether other accounts of the machine are kept out, and by what or why not, as a sentence for people."""

    closed: bool
    text: str


def other_people(
    accounts: list[tuple[str, int, str]] | None = None, running: list[int] | None = None
) -> list[str]:
    """Other people who can be on this machine: accounts to log in to, and users with processes.

    Directories such as LDAP need not list their accounts, which is why processes are looked at too. The arguments
    replace what is found: accounts as name, number, shell; numbers of the users of processes.
    """
    names: dict[int, str] = {}
    for name, number, shell in _accounts() if accounts is None else accounts:
        if Path(shell).name not in _NO_LOGIN:
            names[number] = name
    for number in _owners() if running is None else running:
        names.setdefault(number, f"user {number}")
    first = _first_person()
    return [
        name
        for number, name in sorted(names.items())
        if number >= first and number not in _OF_SERVICES and number != _own()
    ]


def is_of_this_account(theirs: tuple[str, int], ours: tuple[str, int]) -> bool:
    """Whether the other end of a loopback connection is a process of this account; yes where that cannot be told.

    An engine's port is free once it has ended, for any account to listen on.
    """
    if sail_guard.impossible() is not None:
        return True
    try:
        return sail_guard.owner_of(theirs, ours) == _own()
    except (OSError, ValueError):
        return False


def _own() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else -1


def _accounts() -> list[tuple[str, int, str]]:
    try:
        import pwd
    except ImportError:
        # Windows: nothing is known
        return []
    return [(entry.pw_name, entry.pw_uid, entry.pw_shell) for entry in pwd.getpwall()]


def _owners() -> Iterator[int]:
    """User numbers of running processes, where the system shows them as files."""
    if not sys.platform.startswith("linux"):
        return
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                yield entry.stat().st_uid
            except OSError:
                # it has ended
                continue


def _first_person() -> int:
    """The lowest user number of a person (UID_MIN of login.defs(5))."""
    try:
        found = re.search(r"^\s*UID_MIN\s+(\d+)", _LOGIN_DEFS.read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        found = None
    return int(found[1]) if found else _FIRST_PERSON
