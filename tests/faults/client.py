"""The query program in a process of its own."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.paths import REPOSITORY


class Client:
    """The query program."""

    def __init__(self, remote: str, folder: Path) -> None:
        self.log = folder / "query.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.query", remote],
                cwd=REPOSITORY,
                env=os.environ | {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'client'}"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert "ready" in self.read(120)

    def read(self, seconds: float) -> dict[str, Any]:
        """The next line; AssertionError when none comes in time: the query hangs."""
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], seconds)[0], "no answer: the query hangs"
        line = self.process.stdout.readline()
        assert line, f"the query program ended: {self.log.read_text()[-2000:]}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, rows: int, tag: str = "none") -> None:
        """Start a query, whose ExecutePlan carries a tag by which it is known on its way."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{rows} {tag}\n")
        self.process.stdin.flush()

    def stop(self) -> None:
        """End the program."""
        self.process.kill()
        self.process.communicate()
