"""The server that is attacked: users with different rights, a login cookie, secrets where attackers would look."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.jupyter import JupyterProcess
from tests.support.paths import CLIENT, REPOSITORY
from tests.support.recording_upstream import RecordingUpstream
from tests.support.server import make_bundle, start
from tests.support.web import Site

BASE = "/user/x/"
ANN, BOB = "SECRET-TOKEN-OF-ANN", "SECRET-TOKEN-OF-BOB"
READER, NOBODY = "SECRET-TOKEN-OF-READER", "SECRET-TOKEN-OF-NOBODY"
COOKIE = "SECRET-COOKIE"
XSRF = "2|aaaaaaaa|bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb|1700000000"
SPARK_TOKEN = "SECRET-TOKEN-OF-SPARK"
ALLOWED_ORIGIN = "https://pages.example"

USERS = f"""
from jupyter_server.auth import Authorizer, IdentityProvider, User

NAMES = {{"{ANN}": "ann", "{BOB}": "bob", "{READER}": "reader", "{NOBODY}": "nobody"}}

class People(IdentityProvider):
    async def get_user(self, handler):
        name = NAMES.get(self.get_token(handler))
        if name is not None:
            handler._token_authenticated = True
            return User(name, name)
        return User("ann", "ann") if handler.get_cookie("login") == "{COOKIE}" else None

class Rights(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        if user.username == "reader":
            return action == "read"
        return user.username in ("ann", "bob") and resource != "pcw_tokens"
"""


@dataclass
class Target:
    """The server, what is behind it, and what an answer must not hold."""

    site: Site
    recorder: RecordingUpstream
    folder: Path
    scoped: str
    """A token for the endpoint `svc`, made by ann."""
    revoked: str
    token_id: str
    """The id of the first."""
    secrets: tuple[bytes, ...]
    allowed_origin: str = ALLOWED_ORIGIN

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.site.process.port

    def state(self) -> object:
        """Which sites and tokens there are."""
        sites = self.site.request("GET", "pcw/api/sites", headers=bearer(ANN), authenticated=False).json()
        tokens = self.site.request("GET", "pcw/api/tokens", headers=bearer(ANN), authenticated=False).json()
        return sites, sorted(token["id"] for token in tokens["tokens"])

    def outside(self) -> set[str]:
        """Files that no upload may add to."""
        return {
            path.relative_to(self.folder).as_posix()
            for place in ("", "state", "root")
            for path in (self.folder / place).iterdir()
        }


def bearer(token: str) -> dict[str, str]:
    """The header of somebody with a token."""
    return {"Authorization": f"Bearer {token}"}


def archive(files: dict[str, bytes]) -> bytes:
    """A zip file with a site."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as written:
        for name, content in {"index.html": b"page", **files}.items():
            written.writestr(name, content)
    return made.getvalue()


def _mint(site: Site) -> tuple[str, str]:
    body = json.dumps({"endpoint": "svc"}).encode()
    made = site.request("POST", "pcw/api/tokens", headers=bearer(ANN), body=body, authenticated=False)
    assert made.status == 201, made
    return made.json()["id"], made.json()["token"]


def _prepare(process: JupyterProcess, recorder: RecordingUpstream, folder: Path) -> Target:
    site = Site(process)
    staged = archive({"data.txt": bytes(range(97, 123)), "lab/index.html": b"lab", ".secret": b"dots"})
    put = site.request("PUT", "pcw/api/sites/victim", headers=bearer(ANN), body=staged, authenticated=False)
    assert put.status == 201, put
    token_id, scoped = _mint(site)
    other_id, revoked = _mint(site)
    gone = site.request("DELETE", f"pcw/api/tokens/{other_id}", headers=bearer(ANN), authenticated=False)
    assert gone.status == 204, gone
    # `_mint` has seen the token; nobody else may
    secrets = (b"SECRET", scoped.encode(), b"root:x:", str(folder).encode())
    return Target(site, recorder, folder, scoped, revoked, token_id, secrets)


@contextlib.contextmanager
def opened(folder: Path, broken: str = "") -> Iterator[Target]:
    """The server, ready to be attacked.

    Args:
        folder: all of its files.
        broken: Python that the server runs at its start, to see that an attack on a broken rule gets through.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "people.py").write_text(USERS + broken)
    (folder / "spark-token").write_text(SPARK_TOKEN)
    root = folder / "root"
    root.mkdir()
    (root / ".netrc").write_text("SECRET-NETRC")
    (root / "notes.txt").write_text("SECRET-NOTES")
    (folder / "outside.txt").write_text("SECRET-OUTSIDE")
    recorder = RecordingUpstream()
    endpoint = {
        "url": recorder.address,
        "token_file": str(folder / "spark-token"),
        "services": {"my.Service": None, "my.Listed": ["Get"]},
    }
    endpoints = {"svc": endpoint, "other": recorder.address}
    try:
        with start(
            folder,
            f"--PcwExtension.endpoints={endpoints}",
            f"--PcwExtension.allowed_origins={ALLOWED_ORIGIN}",
            f"--PcwExtension.runtime_dir={make_bundle(folder / 'bundle')}",
            "--PcwExtension.identity=on",
            "--PcwExtension.max_request_body=1000000",
            f"--SiteService.sites_dir={folder / 'sites'}",
            "--SiteService.max_site_size=4000000",
            "--ServerApp.identity_provider_class=people.People",
            "--ServerApp.authorizer_class=people.Rights",
            "--ServerApp.log_level=DEBUG",
            base_url=BASE,
            token="t" * 20,
            environment={"PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY, CLIENT, folder)))},
        ) as process:
            yield _prepare(process, recorder, folder)
    finally:
        recorder.stop()
