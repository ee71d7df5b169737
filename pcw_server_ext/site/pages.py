"""The scripts in the head of a site's pages, in the one order that works."""

from __future__ import annotations

import html
import re
from pathlib import Path

from pcw_server_ext.site.hosts import Host

BEGIN, END = "<!-- pcw: begin -->", "<!-- pcw: end -->"

_BLOCK = re.compile(rf"\n?[ \t]*{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
_HEAD = re.compile(r"<head(\s[^>]*)?>", re.IGNORECASE)
_ROOT = re.compile(r'id="jupyter-config-data"[^>]*\bdata-jupyter-lite-root="([^"]*)"')


def lite_root(text: str) -> str | None:
    """Return the relative path from a JupyterLite page to its site's root; None for any other page."""
    found = _ROOT.search(text)
    return found.group(1) if found else None


def find_pages(folder: Path) -> list[Path]:
    """Return the JupyterLite pages of the site in `folder`: its root page and one or more for each application."""
    candidates = sorted({folder / "index.html", *folder.glob("*/index.html"), *folder.glob("*/*/index.html")})
    return [path for path in candidates if path.is_file() and lite_root(_read(path)) is not None]


def with_scripts(text: str, host: Host, *, channel: str, version: str) -> str:
    """Return a page's text with our scripts first in its head; applying it again changes nothing.

    The scripts are classic and therefore run before anything else is even parsed: first the isolation, which may
    reload the page, then what settles the configuration, then the bridge that wraps `Worker`, all before
    JupyterLite's own loader.

    Args:
        text: a page for which `lite_root` is not None.
        host: where the site will be hosted.
        channel: `sab` or `xhr`.
        version: JupyterLite's version, under which its service worker manager knows the worker.
    """
    root = html.escape(lite_root(text) or ".")
    lines = []
    if host.worker_isolates and channel == "sab":
        lines.append(
            f'<script src="{root}/coi-serviceworker.js" data-root="{root}" '
            f'data-version="{html.escape(version)}"></script>'
        )
    lines.append(f'<script src="{root}/pcw-site.js" data-root="{root}" data-channel="{channel}"></script>')
    lines.append(f'<script src="{root}/pcw_kernel_bridge.js"></script>')
    block = "".join(f"\n    {line}" for line in [BEGIN, *lines, END])
    plain = _BLOCK.sub("", text)
    return _HEAD.sub(lambda found: found.group() + block, plain, count=1)


def scripts_of(text: str) -> list[str]:
    """Return the `src` of the scripts this package put into a page, in order."""
    block = _BLOCK.search(text)
    return re.findall(r'src="([^"]+)"', block.group()) if block else []


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
