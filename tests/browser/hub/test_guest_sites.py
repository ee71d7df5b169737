"""A site that a visitor of a hub does not trust: on the origin that the administrator gives it, with a kernel."""

from __future__ import annotations

import io
import json
import subprocess
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.site.site_page import SitePage
from tests.support.engines import wait_for_port
from tests.support.hub import Hub, HubPage
from tests.support.jupyter import free_port
from tests.support.nginx import nginx_command

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

VISITOR = "eve"


@dataclass(frozen=True)
class Guests:
    """Where the visitor's server shows sites that are not trusted: behind a proxy, as on a hub of several machines."""

    origin: str


@pytest.fixture(scope="module")
def guests(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guests]:
    folder = tmp_path_factory.mktemp("nginx")
    port, behind = free_port(), free_port()
    origin = f"http://sites.localhost:{port}"
    site = folder / "site.conf"
    site.write_text(
        f"server {{ listen 127.0.0.1:{port}; server_name sites.localhost; location / {{\n"
        f"  proxy_pass http://127.0.0.1:{behind}; proxy_set_header Host $http_host; }} }}\n"
    )
    settings = hub.homes / VISITOR / ".jupyter"
    settings.mkdir(parents=True)
    (settings / "jupyter_server_config.json").write_text(
        json.dumps(
            {
                "SiteService": {"origin": origin, "guest_port": behind},
                "PcwExtension": {"allowed_origins": [origin]},
            }
        )
    )
    process = subprocess.Popen(nginx_command(folder, site), text=True)
    try:
        wait_for_port(port, process)
        yield Guests(origin)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def site_of_somebody(hub_venv: Path, hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A built site, as a zip file, whose notebooks ask the visitor's endpoint."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "lite").mkdir()
    (folder / "lite" / "jupyter-lite.json").write_text(
        json.dumps({"jupyter-lite-schema-version": 0, "jupyter-config-data": {"exposeAppInBrowser": True}})
    )
    endpoint = f"{hub.url}user/{VISITOR}/pcw/grpc/default"
    options = ("--lite-dir", "lite", "--output-dir", "site", "--apps", "lab", "--endpoint", endpoint)
    subprocess.run(
        [hub_venv / "bin" / "jupyter-pcw", "build", "--host", "jupyter", *options],
        cwd=folder,
        check=True,
        timeout=300,
        capture_output=True,
    )
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((folder / "site").rglob("*")):
            archive.write(path, path.relative_to(folder / "site"))
    return made.getvalue()


def test_kernel_of_a_site_apart_reaches_spark_with_a_token_and_the_server_not_at_all(
    browser: Browser, hub: Hub, guests: Guests, site_of_somebody: bytes, person: Callable[[str], HubPage]
) -> None:
    eve = person(VISITOR)
    staged = urllib.request.Request(
        f"{hub.url}user/{VISITOR}/pcw/api/sites/lesson",
        method="PUT",
        data=site_of_somebody,
        headers={"Authorization": f"token {hub.token}"},
    )
    with urllib.request.urlopen(staged, timeout=120) as answer:
        assert json.loads(answer.read())["trusted"] is False
    token = eve.page.evaluate(
        """async base => {
          const xsrf = document.cookie.split('; ').find(part => part.startsWith('_xsrf=')).slice(6);
          const body = JSON.stringify({endpoint: 'default', ttl: 600});
          const headers = {'X-XSRFToken': xsrf};
          const answer = await fetch(`${base}pcw/api/tokens`, {method: 'POST', body, headers});
          return (await answer.json()).token;
        }""",
        f"{hub.url}user/{VISITOR}/",
    )
    page = eve.context.new_page()
    page.goto(f"{hub.url}user/{VISITOR}/pcw/sites/lesson/")
    page.get_by_role("link", name="Open it apart").click()
    page.wait_for_url(f"{guests.origin}/**")
    assert "ticket" not in page.url
    apart = SitePage(eve.context, page.url[: page.url.index("/", len(guests.origin) + 1) + 1])
    apart.open()
    assert apart.is_isolated()
    apart.new_notebook()
    apart.connect(f"{hub.url}user/{VISITOR}/pcw/grpc/default", token)
    assert apart.run("print(1 + 1, spark.range(5).count())").expect_ok().text == "2 5\n"
    reached = apart.run(
        "import js\n"
        f"try:\n    answer = await js.fetch('{hub.url}user/{VISITOR}/api/contents', credentials='include')\n"
        "    print('reached', answer.status)\n"
        "except Exception as error:\n    print('refused')"
    )
    assert reached.expect_ok().text == "refused\n"
