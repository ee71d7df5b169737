"""A second account of this machine, and what it tries."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ATTACKS = Path(__file__).with_name("stranger_attacks.py")


class Stranger:
    """An account without any rights; `try_to` runs one of `stranger_attacks.py` as it."""

    def __init__(self, name: str) -> None:
        account = pwd.getpwnam(name)
        self.name, self.uid, self.gid = name, account.pw_uid, account.pw_gid
        self._python = self._interpreter()

    def _interpreter(self) -> str:
        # this environment's Python may be below a home folder that is closed to others
        for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
            if shutil.which(candidate) and self._run([candidate, "-I", "-c", "print('yes')"]) == "yes\n":
                return candidate
        pytest.skip("the second account can run no Python: install one outside home folders")

    def _run(self, command: list[str]) -> str:
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
                cwd="/",
                env={"PATH": "/usr/bin:/bin"},
                user=self.uid,
                group=self.gid,
                extra_groups=[],
            )
        except PermissionError:
            return ""
        except subprocess.CalledProcessError as error:
            return f"{error.stdout}\n{error.stderr}"
        return done.stdout

    def try_to(self, attack: str, *arguments: object) -> Any:
        """What the attack of that name came to."""
        code = ATTACKS.read_text(encoding="utf-8")
        printed = self._run([self._python, "-I", "-c", code, attack, json.dumps(arguments)])
        found = json.loads(printed.splitlines()[-1])
        assert found["uid"] == self.uid
        return found["result"]


@contextmanager
def stranger() -> Iterator[Stranger]:
    """An account that exists as long as the test."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root can make a second account")
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin")
    if useradd is None:
        pytest.skip("there is no useradd here")
    name = f"pcwtest{secrets.token_hex(4)}"
    subprocess.run(
        [useradd, "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/sh", name],
        check=True,
        capture_output=True,
    )
    try:
        yield Stranger(name)
    finally:
        subprocess.run([Path(useradd).with_name("userdel"), name], check=True, capture_output=True)
