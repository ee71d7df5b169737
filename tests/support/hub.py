"""A real JupyterHub with its proxy, whose users' servers come from the environment under test."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.jupyter import free_port
from tests.support.lab_page import PATIENCE, LabPage
from tests.support.paths import REPOSITORY
from tests.support.processes import end_with_descendants

_CONFIGURATION = """
import json, os
c = get_config()
given = json.loads(os.environ.pop("PCW_TEST_HUB"))
c.JupyterHub.bind_url = given["url"]
c.JupyterHub.hub_bind_url = given["hub_url"]
c.JupyterHub.db_url = "sqlite://"
c.JupyterHub.allow_named_servers = True
c.JupyterHub.last_activity_interval = 5
c.JupyterHub.services = [{"name": "tests", "api_token": given["token"]}]
scopes = ["admin:users", "admin:servers", "access:servers"]
c.JupyterHub.load_roles = [{"name": "tests", "services": ["tests"], "scopes": scopes}]
c.ConfigurableHTTPProxy.command = [given["proxy"]]
c.ConfigurableHTTPProxy.api_url = given["proxy_url"]
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = given["homes"] + "/{username}"
c.Spawner.args = given["arguments"]
c.Spawner.http_timeout = 180
c.Spawner.start_timeout = 180
"""


class Hub:
    """`jupyterhub` of the environment `venv`, with everything it writes below `state`.

    Anybody may log in under any name. Each user has a folder of their own, and a server is started at the first visit,
    as the account that runs the tests.

    Args:
        venv: an environment that holds JupyterHub, JupyterLab and the extension.
        state: an empty folder.
        arguments: what `jupyter lab` of each user gets.
    """

    def __init__(self, venv: Path, state: Path, *arguments: str) -> None:
        self.venv, self.state = venv, state
        self.token = secrets.token_hex(16)
        self.log = state / "hub.log"
        self.homes = state / "homes"
        state.mkdir(parents=True, exist_ok=True)
        self.url = f"http://127.0.0.1:{free_port()}/"
        given = {
            "url": self.url,
            "hub_url": f"http://127.0.0.1:{free_port()}",
            "proxy_url": f"http://127.0.0.1:{free_port()}",
            "proxy": str(REPOSITORY / "build" / "hub" / "node_modules" / ".bin" / "configurable-http-proxy"),
            "token": self.token,
            "homes": str(self.homes),
            "arguments": [
                *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
                "--LabApp.expose_app_in_browser=True",
                "--LabApp.news_url=",
                "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
                *arguments,
            ],
        }
        configuration = state / "jupyterhub_config.py"
        configuration.write_text(_CONFIGURATION)
        environment = {
            k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "SPARK", "PYTHON"))
        }
        environment |= {
            "HOME": str(state),
            "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PCW_TEST_HUB": json.dumps(given),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(venv / "bin" / "jupyterhub"), "-f", str(configuration)],
                cwd=state,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._await_ready()

    def _await_ready(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError):
                self.api("GET", "")
                return
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"JupyterHub did not come up; it printed:\n{self.printed()}")

    def printed(self) -> str:
        """Return what the hub, its proxy and the users' servers have printed."""
        return self.log.read_text(errors="replace")

    def api(self, method: str, path: str, body: Mapping[str, object] | None = None) -> object:
        """Call the hub's REST API as an administrator and decode its answer; raises `urllib.error.HTTPError`."""
        request = urllib.request.Request(
            f"{self.url}hub/api/{path}",
            method=method,
            headers={"Authorization": f"token {self.token}"},
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read() or b"null")

    def server_of(self, name: str, server: str = "") -> dict[str, object] | None:
        """What the hub knows of a user's server, None when it does not run."""
        user = self.api("GET", f"users/{name}")
        assert isinstance(user, dict)
        found: dict[str, object] | None = user["servers"].get(server)
        return found

    def stop_server(self, name: str) -> None:
        """Stop a user's server, and wait until the hub says that it is gone."""
        self.api("DELETE", f"users/{name}/server")
        self._await(lambda: self.server_of(name) is None)

    def start_server(self, name: str) -> None:
        """Start a user's server, and wait until it is ready."""
        self.api("POST", f"users/{name}/server")
        self._await(lambda: bool((self.server_of(name) or {}).get("ready")))

    def _await(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > end:
                raise TimeoutError(f"the hub did not get there; it printed:\n{self.printed()}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the hub, its proxy and the users' servers, whose engines end by themselves or are ended."""
        end_with_descendants(self.process, 30)

    def __enter__(self) -> Hub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class HubPage(LabPage):
    """A person's JupyterLab on a hub, in a browser profile of its own."""

    def __init__(self, context: BrowserContext, hub: Hub, user: str) -> None:
        super().__init__(context, None)  # type: ignore[arg-type]  # there is no server yet
        self.hub, self.user = hub, user

    def log_in(self, page: Page | None = None) -> None:
        """Log in by the hub's form when it asks, and wait for JupyterLab: the hub starts the server for that."""
        page = page or self.page
        page.goto(self.hub.url)
        if not page.locator("#username_input").count():
            page.wait_for_url(f"**/user/{self.user}/lab**", timeout=PATIENCE * 1000)
            return
        page.fill("#username_input", self.user)
        page.fill("#password_input", "any")
        page.click("#login_submit")
        page.wait_for_url(f"**/user/{self.user}/lab**", timeout=PATIENCE * 1000)

    def enter(self) -> HubPage:
        """Log in and wait until JupyterLab shows its launcher."""
        self.log_in()
        # not what an earlier page of this person had open
        self.page.goto(f"{self.hub.url}user/{self.user}/lab?reset")
        self.await_app()
        return self


def hub_page(browser: Browser, hub: Hub, user: str) -> HubPage:
    """A fresh profile for a person; close it in the end."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE * 1000)
    return HubPage(context, hub, user)
