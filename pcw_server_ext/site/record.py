"""A site's own record, `pcw-site.json`: for which host it was built, with which choices, and hashes.

`jupyter pcw serve`, `stage` and `check` read it, so that nobody has to repeat the options of the build.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pcw_server_ext.errors import SiteError, SiteRefused
from pcw_server_ext.site.hosts import HOSTS, ISOLATION_MODES
from pcw_server_ext.site.settings import ASK, CHANNELS, PROFILES, SAME_ORIGIN, check_endpoint

NAME = "pcw-site.json"
FORMAT = 1
#: Bytes; a site of 20,000 files that were all ours would have less.
MAX_SIZE = 4 << 20

_AGAIN = "Build the site again."
_CHOICES = {"host": tuple(HOSTS), "isolation": ISOLATION_MODES, "channel": CHANNELS, "profile": PROFILES}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WORD = re.compile(r"[A-Za-z0-9._+-]{0,64}")


@dataclass(frozen=True)
class SiteRecord:
    """What was chosen when a site was built.

    Attributes:
        host: name of a `hosts.Host`.
        isolation: a mode of `hosts.ISOLATION_MODES`.
        channel: `sab`, or `xhr` where isolation is impossible.
        profile: `lean` or `full`.
        endpoint: grpc-web address built in, `ask` or `same-origin`; an empty string in records that name none.
        runtime: hash of the browser runtime inside, an empty string without one.
        version: version of this package that built it.
        apps: application pages, relative to the root, such as `lab/index.html`.
        files: sha256 of the files this package wrote, by path.
    """

    host: str = "static"
    isolation: str = "credentialless"
    channel: str = "sab"
    profile: str = "lean"
    endpoint: str = ""
    runtime: str = ""
    version: str = ""
    apps: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)

    def dumps(self) -> str:
        """Return the record as JSON text, the same for the same record."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"


def read(folder: Path) -> SiteRecord | None:
    """Return the record of the site in `folder`, None when it has none.

    Raises:
        SiteRefused: it is no record, see `loads`.
        SiteError: the file cannot be read.
    """
    try:
        with (folder / NAME).open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SiteError(f"{NAME} cannot be read: {error.strerror}. Check its permissions.") from error
    return loads(data)


def loads(text: str | bytes) -> SiteRecord:
    """Read a record, which may be anybody's: every member is looked at before it is used.

    Raises:
        SiteRefused: it is no JSON object of this format, or a member has another type or value than a build gives it.
    """
    if len(text) > MAX_SIZE:
        raise SiteRefused(f"{NAME} is larger than {MAX_SIZE >> 20} MiB. {_AGAIN}")
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise SiteRefused(f"{NAME} is not JSON in UTF-8, or nested too deeply. {_AGAIN}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise SiteRefused(f"{NAME} has an unknown format. Build the site again with this pcw-server-ext.")
    known = {name: data[name] for name in SiteRecord.__dataclass_fields__ if name in data}
    for name, value in known.items():
        _check(name, value)
    known["apps"] = tuple(known.get("apps", ()))
    return SiteRecord(**known)


def _check(name: str, value: Any) -> None:
    """Raise `SiteRefused` unless `value` is one that a build writes for the member `name`."""
    if name == "files":
        sound = isinstance(value, dict) and all(
            is_site_path(path) and isinstance(digest, str) and _SHA256.fullmatch(digest)
            for path, digest in value.items()
        )
        expected = "paths with the sha256 of each"
    elif name == "apps":
        sound = isinstance(value, list) and all(
            isinstance(path, str) and is_site_path(path) for path in value
        )
        expected = "a list of paths inside the site"
    elif name == "endpoint":
        sound = isinstance(value, str) and (value in ("", ASK, SAME_ORIGIN) or _is_endpoint(value))
        expected = "an http(s) address, 'ask' or 'same-origin'"
    elif name in _CHOICES:
        sound = isinstance(value, str) and value in _CHOICES[name]
        expected = f"one of: {', '.join(_CHOICES[name])}"
    else:
        sound = isinstance(value, str) and _WORD.fullmatch(value) is not None
        expected = "letters, digits, '.', '+', '-' and '_'"
    if not sound:
        raise SiteRefused(f"{NAME}: {name} must be {expected}. {_AGAIN}")


def is_site_path(path: str) -> bool:
    """Whether `path` is relative, with `/` between its parts, and stays inside the site."""
    parts = path.split("/")
    return (
        0 < len(path) <= 1024 and path.isprintable() and not {"", ".", ".."} & set(parts) and "\\" not in path
    )


def _is_endpoint(value: str) -> bool:
    try:
        check_endpoint(value)
    except SiteRefused:
        return False
    return True
