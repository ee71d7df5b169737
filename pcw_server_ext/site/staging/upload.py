"""`jupyter pcw stage`: send a built site to a running Jupyter server."""

from __future__ import annotations

import json
import os
import re
import tempfile
import zipfile
from pathlib import Path
from urllib.parse import quote, urlsplit

from pcw_server_ext.errors import SiteError, SiteRefused
from pcw_server_ext.site.check.source import Reply, fetch

TOKEN_VARIABLE = "JUPYTER_TOKEN"
#: Seconds that a server may take to unpack and check a site; a busy one needs minutes for some hundred megabytes.
STAGE_TIMEOUT = 600.0


def find_server(url: str | None) -> tuple[str, str]:
    """Return base URL (ending with `/`) and token of the server to stage on.

    Args:
        url: the server's address; None takes the one that runs on this machine for this user.

    Raises:
        SiteError: no server runs, or several do.
    """
    token = os.environ.get(TOKEN_VARIABLE, "")
    if url:
        split = urlsplit(url)
        if split.scheme not in ("http", "https") or not split.netloc:
            raise SiteRefused("--server is the server's address, such as http://localhost:8888/")
        if "token=" in split.query:
            raise SiteRefused(f"Give the token in the environment ({TOKEN_VARIABLE}), not in the address.")
        path = re.sub(r"(lab|tree)?/?$", "", split.path) if split.path else ""
        return f"{split.scheme}://{split.netloc}{path.rstrip('/')}/", token
    from jupyter_server.serverapp import list_running_servers

    found = list(list_running_servers())
    if not found:
        raise SiteError(
            "No Jupyter server of yours is running here. Start one (jupyter lab), or give --server URL."
        )
    if len(found) > 1:
        addresses = ", ".join(str(server["url"]) for server in found)
        raise SiteError(f"Several Jupyter servers are running: {addresses}. Choose one with --server URL.")
    return str(found[0]["url"]), token or str(found[0].get("token", ""))


def upload(folder: Path, name: str, server: str, token: str, *, trust: bool = False) -> str:
    """Stage the site in `folder` as `name` and return its URL; `trust`: and let it act with the caller's rights.

    Raises:
        SiteError: the server does not take it; the text is the server's reason.
    """
    if not (folder / "index.html").is_file():
        raise SiteError(f"{folder} holds no site. Build one first: jupyter pcw build --output-dir {folder}")
    sites = f"{server}pcw/api/sites"
    headers = {"Authorization": f"token {token}"} if token else {}
    # Asked first: a server that refuses an upload closes the connection while it is sent, and the reason is lost.
    _raise_refusal(fetch(sites, headers=headers))
    with tempfile.TemporaryFile() as packed:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(folder).as_posix())
        size = packed.tell()
        packed.seek(0)
        headers |= {"Content-Type": "application/zip", "Content-Length": str(size)}
        try:
            reply = fetch(
                f"{sites}/{quote(name, safe='')}{'?trust=true' if trust else ''}",
                method="PUT",
                headers=headers,
                body=packed,
                timeout=STAGE_TIMEOUT,
            )
        except SiteError as error:
            raise SiteError(
                f"Whether the site was staged is not known: {error}. Look at {server}pcw/sites/{quote(name)}/ and into "
                f"the server's log before you stage it again. The upload of {size / 1e6:.1f} MB may be more than "
                "SiteService.max_site_size, or a proxy before the server, allows."
            ) from None
    if reply.status == 201:
        described = json.loads(reply.body)
        split = urlsplit(server)
        return f"{split.scheme}://{split.netloc}{described['url']}"
    _raise_refusal(reply)
    try:
        reason = str(json.loads(reply.body)["message"])
    except (ValueError, KeyError, TypeError):
        reason = f"status {reply.status}"
    raise SiteError(f"The server did not take the site: {reason}")


def _raise_refusal(reply: Reply) -> None:
    """Raise `SiteError` when the staging area is not there or not for this caller."""
    if reply.status in (302, 401, 403):
        raise SiteError(
            f"The server refused ({reply.status}). Give its token: {TOKEN_VARIABLE}=... jupyter pcw stage"
        )
    if reply.status == 404:
        raise SiteError(
            "The server knows no staging area: install pcw-server-ext there and restart it, or "
            "switch it on (SiteService.enabled)."
        )
