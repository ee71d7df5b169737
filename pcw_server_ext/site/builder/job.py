"""Builds a site in a process of its own, for a server: a build changes the working folder and standard output.

Reads `{"lite_dir", "output_dir", "contents": [...], "apps": [...], "settings": {...}, "allow_secrets"}` from standard
input and writes to standard output `{"ok": true, "left_out": [...]}`, or `{"error", "refused"}`: a text, and whether
what was asked for is the reason.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from pcw_server_ext.errors import PcwError, SiteRefused
from pcw_server_ext.site.builder.build import BuildRequest, build
from pcw_server_ext.site.settings import SiteSettings


def main() -> int:
    """Build what standard input describes; returns the exit code."""
    # A site on a server is for the server's account alone.
    os.umask(0o077)
    data = json.load(sys.stdin)
    request = BuildRequest(
        lite_dir=Path(data["lite_dir"]),
        output_dir=Path(data["output_dir"]),
        settings=SiteSettings(**data["settings"]),
        contents=[Path(path) for path in data["contents"]],
        apps=data["apps"],
        allow_secrets=data["allow_secrets"],
    )
    left_out: list[str] = []
    try:
        build(request, tell=left_out.extend)
    except PcwError as error:
        print(json.dumps({"error": str(error), "refused": isinstance(error, SiteRefused)}))
        return 1
    print(json.dumps({"ok": True, "left_out": left_out}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
