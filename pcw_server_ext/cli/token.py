"""`jupyter pcw token`: a short-lived token for one endpoint, for pages that must not carry Jupyter's own."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from pcw_server_ext.cli.terminal import in_one_line
from pcw_server_ext.errors import PcwError

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text: str) -> int:
    """Seconds of ``90``, ``30m``, ``8h`` or ``2d``; the type of an option."""
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smhd]?)", text.strip())
    if found is None:
        raise argparse.ArgumentTypeError("write a duration as 90 (seconds), 30m, 8h or 2d")
    return int(found[1]) * _UNITS[found[2]]


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``token`` to the subcommands of ``jupyter pcw``."""
    parser = subparsers.add_parser(
        "token",
        help="make, list or revoke short-lived tokens for one endpoint",
        description="Make a token that opens one grpc-web endpoint of a running Jupyter server and nothing else, for"
        " a page on another origin. It is printed once, alone on stdout, and kept as a hash. The server's own token"
        " is read from JUPYTER_TOKEN, or from the server running here.",
    )
    add = parser.add_argument
    add("endpoint", nargs="?", default="default", help="the endpoint's name (default: default)")
    add("--ttl", type=duration, help="how long it is valid: 90, 30m, 8h, 2d (default: as the server is set)")
    add("--note", default="", help="what it is for, shown by --list")
    add("--server", help="address of the Jupyter server (default: the one running here)")
    add("--json", action="store_true", help="print JSON")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--list", action="store_true", help="list the tokens that are valid, without their secrets"
    )
    what.add_argument(
        "--revoke", metavar="ID", nargs="+", help="end these tokens at once ('all': all of --list)"
    )
    parser.set_defaults(run=run)


class _Api:
    """The REST resource of one server."""

    def __init__(self, address: str | None) -> None:
        from pcw_server_ext.site.staging.upload import find_server

        self.server, token = find_server(address)
        if not token and address is None:
            # inside a hub's single-user server, where the hub gave its own processes a token for it
            token = os.environ.get("JUPYTERHUB_API_TOKEN", "")
        self._headers = {"Authorization": f"token {token}"} if token else {}

    def ask(self, method: str, path: str = "", body: object = None) -> Any:
        """The answer's JSON. Raises PcwError with the server's reason."""
        from pcw_server_ext.site.check.source import fetch

        headers = {**self._headers, "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        reply = fetch(f"{self.server}pcw/api/tokens{path}", method=method, headers=headers, body=data)
        if reply.status in (200, 201):
            return json.loads(reply.body)
        if reply.status == 204:
            return None
        try:
            reason = str(json.loads(reply.body)["message"])
        except (ValueError, KeyError, TypeError):
            reason = "is pcw-server-ext installed and switched on there?"
        if reply.status in (302, 401, 403):
            reason = "give its token in JUPYTER_TOKEN"
        raise PcwError(f"The Jupyter server refused ({reply.status}): {reason}")


def run(arguments: argparse.Namespace) -> int:
    """Make, list or revoke; 0 when done, else 1 with the reason on stderr."""
    try:
        api = _Api(arguments.server)
        if arguments.list:
            _list(api, as_json=arguments.json)
        elif arguments.revoke:
            _revoke(api, arguments.revoke)
        else:
            _mint(api, arguments)
    except PcwError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _mint(api: _Api, arguments: argparse.Namespace) -> None:
    asked: dict[str, object] = {"endpoint": arguments.endpoint, "note": arguments.note}
    if arguments.ttl is not None:
        asked["ttl"] = arguments.ttl
    made = api.ask("POST", body=asked)
    split = urlsplit(api.server)
    address = f"{split.scheme}://{split.netloc}{split.path}pcw/grpc/{quote(made['endpoint'])}"
    if arguments.json:
        print(json.dumps({**made, "address": address}))
        return
    print(made["token"])
    print(
        f"{made['id']}: opens {address} until {made['expires']}; end it with: jupyter pcw token --revoke {made['id']}",
        file=sys.stderr,
    )
    print(_what_it_opens(made), file=sys.stderr)


def _what_it_opens(made: Mapping[str, Any]) -> str:
    """What somebody can do with a new token."""
    if made.get("kind") == "remote":
        return (
            f"Who has it can run any query and Python function on that Spark server as {made['user']}, and nothing else"
            " on the Jupyter server."
        )
    return (
        "Who has it can run code as the account of the Jupyter server and read its files, Jupyter's own token among"
        " them: the endpoint is a local engine. Give it to nobody who may not use the whole server."
    )


def _list(api: _Api, *, as_json: bool) -> None:
    found = api.ask("GET")
    if as_json:
        print(json.dumps(found))
        return
    for token in found["tokens"]:
        print("\t".join(in_one_line(token[name]) for name in ("id", "endpoint", "user", "expires", "note")))
    if not found["tokens"]:
        print("No token is valid.", file=sys.stderr)


def _revoke(api: _Api, wanted: list[str]) -> None:
    if wanted == ["all"]:
        wanted = [token["id"] for token in api.ask("GET")["tokens"]]
    for token_id in wanted:
        api.ask("DELETE", f"/{quote(token_id, safe='')}")
        print(f"Revoked: {token_id}", file=sys.stderr)
