"""A real nginx: the system's, or the one that `make test` unpacks into build/nginx."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

_UNPACKED = Path(__file__).parents[2] / "build" / "nginx" / "usr" / "sbin"
_PATH = f"{_UNPACKED}:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"


def nginx_command(folder: Path, site_config: Path) -> list[str | Path]:
    """The command that serves `site_config`, with everything nginx writes below `folder`."""
    program = shutil.which("nginx", path=_PATH)
    if program is None:
        pytest.skip("no nginx here: `make test` unpacks Debian's, elsewhere install nginx")
    kept = " ".join(
        f"{name}_temp_path {folder / name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # a worker of another user could not read the test's folders
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        f"{user} daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {kept} include {site_config}; }}\n"
    )
    return [program, "-e", folder / "error.log", "-c", config]
