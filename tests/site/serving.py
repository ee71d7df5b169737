"""`jupyter pcw serve` in a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

COMMAND = (
    "import argparse, sys; from pcw_server_ext.cli.site import add_parsers; "
    "p = argparse.ArgumentParser(); add_parsers(p.add_subparsers()); o = p.parse_args(); sys.exit(o.run(o))"
)


@contextlib.contextmanager
def serving(root: Path, *arguments: str) -> Iterator[tuple[int, str]]:
    """Run `serve` on a free port; yield port and URL path."""
    command = [sys.executable, "-c", COMMAND, "serve", str(root), "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        url = next(word for word in process.stdout.readline().split() if word.startswith("http://"))
        authority, _, path = url.removeprefix("http://").partition("/")
        yield int(authority.rpartition(":")[2]), f"/{path}"
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
