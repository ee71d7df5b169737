"""Builds a site in a process of its own, for a server: a build changes the working folder and standard output.

Reads `{"lite_dir", "output_dir", "contents": [...], "apps": [...], "settings": {...}}` from standard input and writes
`{"ok": true}` or `{"error": text}` to standard output.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pcw_server_ext.errors import PcwError
from pcw_server_ext.site.build import BuildRequest, build
from pcw_server_ext.site.settings import SiteSettings


def main() -> int:
    """Build what standard input describes; returns the exit code."""
    data = json.load(sys.stdin)
    request = BuildRequest(
        lite_dir=Path(data["lite_dir"]),
        output_dir=Path(data["output_dir"]),
        settings=SiteSettings(**data["settings"]),
        contents=[Path(path) for path in data["contents"]],
        apps=data["apps"],
    )
    try:
        build(request)
    except PcwError as error:
        print(json.dumps({"error": str(error)}))
        return 1
    print(json.dumps({"ok": True}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
