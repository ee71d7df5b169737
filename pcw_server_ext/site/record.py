"""A site's own record, `pcw-site.json`: for which host it was built, with which choices, and hashes.

`jupyter pcw serve`, `stage` and `check` read it, so that nobody has to repeat the options of the build.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pcw_server_ext.site.errors import SiteError

NAME = "pcw-site.json"
FORMAT = 1


@dataclass(frozen=True)
class SiteRecord:
    """What was chosen when a site was built.

    Attributes:
        host: name of a `hosts.Host`.
        isolation: a mode of `hosts.ISOLATION_MODES`.
        channel: `sab`, or `xhr` where isolation is impossible.
        profile: `lean` or `full`.
        endpoint: grpc-web address built in, an empty string when the page asks or its own server answers.
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
    """Return the record of the site in `folder`, None when it has none; `SiteError` if it is unreadable."""
    path = folder / NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SiteError(f"{path} cannot be read: {error.strerror}. Check its permissions.") from error
    return loads(text, str(path))


def loads(text: str, origin: str) -> SiteRecord:
    """Read a record from JSON text; `origin` names it in errors."""
    try:
        data: Any = json.loads(text)
    except ValueError as error:
        raise SiteError(f"{origin} is no JSON: {error}. Build the site again.") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise SiteError(f"{origin} has an unknown format. Build the site again with this pcw-server-ext.")
    known = {name: data[name] for name in SiteRecord.__dataclass_fields__ if name in data}
    known["apps"] = tuple(known.get("apps", ()))
    return SiteRecord(**known)
