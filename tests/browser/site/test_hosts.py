"""The demo on every kind of host: isolation, a query, files, a restarted kernel, a reloaded page."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.site.site_page import PATIENCE, BuildSite, OpenPage, ServeSite, SitePage
from tests.support.jupyter import JupyterProcess, free_port
from tests.support.nginx import nginx_command
from tests.support.paths import REPOSITORY
from tests.support.spark import SharedSpark

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

COLLECT = "rows = spark.range(1000).collect(); print(len(rows), sum(row.id for row in rows))"
COLLECTED = "1000 499500"

WRITE = """
import os
data = bytes(range(256)) * 40
with open("/drive/pcw-test.bin", "wb") as file: file.write(data)
print(open("/drive/pcw-test.bin", "rb").read() == data, "weather.csv" in os.listdir("/drive"))
"""
READ = 'print(open("/drive/pcw-test.bin", "rb").read() == bytes(range(256)) * 40)'


def exercise(site: SitePage, connect: Callable[[], None] | None = None) -> None:
    """What a person does with the demo; `connect` answers the question for Spark's address."""
    site.open_notebook()
    if connect is not None:
        connect()
    assert site.is_isolated()
    assert site.problem() == ""
    site.run("import js; assert js.crossOriginIsolated").expect_ok()
    assert COLLECTED in site.run(COLLECT).expect_ok().text
    assert site.run(WRITE).expect_ok().text.split() == ["True", "True"]
    site.restart_kernel()
    assert "NameError" in (site.run("data").error or "")
    assert site.run(READ).expect_ok().text.strip() == "True"
    assert COLLECTED in site.run(COLLECT).expect_ok().text
    site.reload()
    site.await_notebook()
    assert site.is_isolated()
    assert "pcw-test.bin" in site.sources(), "the saved notebook came back without its new cells"
    assert site.run(READ).expect_ok().text.strip() == "True"
    assert COLLECTED in site.run(COLLECT).expect_ok().text


@pytest.mark.parametrize(
    ("host", "serving"),
    [
        ("static", ()),
        ("netlify", ("--host", "netlify")),
        ("cloudflare", ("--host", "cloudflare")),
        ("github-pages", ("--host", "github-pages", "--base-path", "/repo/")),
    ],
)
def test_demo_runs_on_a_static_host_with_spark_elsewhere(
    host: str,
    serving: tuple[str, ...],
    build_site: BuildSite,
    serve_site: ServeSite,
    hub: JupyterProcess,
    scoped_token: str,
    open_page: OpenPage,
) -> None:
    site = build_site(host)
    with serve_site(site, *serving) as url:
        page = open_page(url)
        address = f"{hub.url}pcw/grpc/default"
        exercise(page, lambda: page.connect(address, scoped_token))
        assert page.foreign(hub.url) == []
    # Asked for, and therefore in none of the site's files.
    assert scoped_token not in "".join(path.read_text("utf-8", "replace") for path in site.glob("*.js*"))


@pytest.mark.parametrize("channel", [(), ("--channel", "xhr", "--isolation", "off")], ids=["sab", "xhr"])
def test_endpoint_that_does_not_allow_the_site_is_told_with_the_setting(
    channel: tuple[str, ...],
    build_site: BuildSite,
    serve_site: ServeSite,
    staging: JupyterProcess,
    open_page: OpenPage,
) -> None:
    # This server runs and knows the token, but no other origin: the browser says only that there was no answer.
    with serve_site(build_site("static", *channel)) as url:
        page = open_page(url).open_notebook()
        page.connect(f"{staging.url}pcw/grpc/default", staging.token)
        failed = page.run(COLLECT)
        origin = url.rstrip("/")
        assert "Most likely" in (failed.error or "")
        assert f"does not allow pages of {origin} (CORS)" in (failed.error or "")
        assert f"PcwExtension.allowed_origins={origin}" in (failed.error or "")
        assert staging.token not in (failed.error or "") + failed.text


@pytest.fixture(scope="module")
def staging(venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterProcess]:
    """A Jupyter server with the staging area."""
    folder = tmp_path_factory.mktemp("staging")
    (folder / "root").mkdir()
    with JupyterProcess(
        venv,
        folder / "root",
        folder / "state",
        app="server",
        base_url="/user/y/",
        arguments=("--PcwExtension.engine=sail", f"--SiteService.sites_dir={folder / 'sites'}"),
    ) as server:
        yield server


@pytest.mark.parametrize("name", ["demo", "lite"])
def test_demo_runs_on_the_jupyter_server_that_stages_it(
    name: str,
    build_site: BuildSite,
    pcw: Callable[..., str],
    staging: JupyterProcess,
    open_page: OpenPage,
) -> None:
    environment = {"JUPYTER_TOKEN": staging.token}
    printed = pcw(
        "stage",
        build_site("jupyter"),
        "--trust",
        "--server",
        staging.url,
        "--name",
        name,
        environment=environment,
    )
    assert f"{staging.url}pcw/sites/{name}/" in printed
    (staging.root / "note.txt").write_text("from the server")
    where = "pcw/lite/" if name == "lite" else f"pcw/sites/{name}/"
    page = open_page(f"{staging.url}{where}", staging.token)
    exercise(page)
    # The server's own files are a second drive, in the kernel and in the file browser.
    assert page.run("print(open('/server/note.txt').read())").expect_ok().text.strip() == "from the server"
    page.run("open('/server/made.bin', 'wb').write(bytes(range(256)))").expect_ok()
    assert (staging.root / "made.bin").read_bytes() == bytes(range(256))
    page.page.evaluate("() => window.jupyterapp.shell.activateById('pcw-server-files')")
    page.page.locator("#pcw-server-files .jp-DirListing-item", has_text="note.txt").wait_for()
    assert page.foreign() == []


def test_demo_notebook_of_a_staged_site_runs_whole(
    build_site: BuildSite, pcw: Callable[..., str], staging: JupyterProcess, open_page: OpenPage
) -> None:
    pcw(
        *("stage", build_site("jupyter"), "--trust", "--server", staging.url, "--name", "whole"),
        environment={"JUPYTER_TOKEN": staging.token},
    )
    # Spark reads where it runs: below the server's root.
    shutil.copy(REPOSITORY / "demo" / "weather.csv", staging.root)
    page = open_page(f"{staging.url}pcw/sites/whole/", staging.token).open_notebook()
    cells = page.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.widgets"
        ".flatMap((cell, index) => cell.model.type === 'code' ? [index] : [])"
    )
    page.page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    results = [page.result(index, PATIENCE).expect_ok() for index in cells]
    assert [result.count for result in results] == list(range(1, len(results) + 1))
    assert "temp_maks" in "\n".join(result.text for result in results)
    assert results[-1].text.strip().isdigit()


def test_new_files_of_a_staged_site_are_the_sites_own_unless_the_servers_are_shown(
    build_site: BuildSite, pcw: Callable[..., str], staging: JupyterProcess, open_page: OpenPage
) -> None:
    pcw(
        *("stage", build_site("jupyter"), "--trust", "--server", staging.url, "--name", "new"),
        environment={"JUPYTER_TOKEN": staging.token},
    )
    before = set(staging.root.rglob("*"))
    page = open_page(f"{staging.url}pcw/sites/new/", staging.token).open()

    def made_by(action: Callable[[], None]) -> str:
        """The path of the notebook that the action opens."""
        shown = page.page.evaluate("() => window.jupyterapp.shell.currentWidget.id")
        action()
        page.page.wait_for_function(
            "shown => { const now = window.jupyterapp.shell.currentWidget;"
            " return now && now.id !== shown && Boolean(now.context?.path) }",
            arg=shown,
        )
        return str(page.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.path"))

    def click_card() -> None:
        page.page.locator(".jp-LauncherCard[data-category=Notebook]", has_text="PySpark").first.click()

    def use_menu() -> None:
        page.page.evaluate(
            "() => window.jupyterapp.commands.execute('notebook:create-new', {kernelName: 'pyspark_browser'})"
        )

    def show(panel: str) -> None:
        page.page.evaluate("id => window.jupyterapp.shell.activateById(id)", panel)
        page.page.locator(f"#{panel} .jp-DirListing-content").wait_for()

    assert made_by(click_card) == "Untitled.ipynb"
    page.page.locator("#filebrowser .jp-DirListing-item", has_text="Untitled.ipynb").wait_for()
    page.run("open('made.txt', 'w').write('here')").expect_ok()
    assert "made.txt" in page.run("import os; print(os.listdir('/drive'))").expect_ok().text
    assert set(staging.root.rglob("*")) == before
    show("pcw-server-files")
    assert made_by(use_menu) == "server:Untitled.ipynb"
    assert (staging.root / "Untitled.ipynb").exists()
    show("filebrowser")
    assert made_by(use_menu) == "Untitled1.ipynb"
    assert not (staging.root / "Untitled1.ipynb").exists()


def test_site_staged_for_a_host_without_headers_behaves_as_there(
    build_site: BuildSite,
    pcw: Callable[..., str],
    staging: JupyterProcess,
    open_page: OpenPage,
) -> None:
    pcw(
        *("stage", build_site("github-pages"), "--trust", "--server", staging.url, "--name", "pages"),
        environment={"JUPYTER_TOKEN": staging.token},
    )
    page = open_page(f"{staging.url}pcw/sites/pages/", staging.token).open()
    assert page.is_isolated()
    # Isolated by its service worker, although the server isolates everything else by headers.
    assert len(page.loads) == 2


@contextlib.contextmanager
def running(command: list[str | Path], url: str, log: Path) -> Iterator[None]:
    """Run a server until it answers at `url`, and end it."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 120
            while True:
                assert process.poll() is None, log.read_text(errors="replace")
                assert time.monotonic() < deadline, log.read_text(errors="replace")
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(url, timeout=30).close()
                    break
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(60)


@pytest.mark.spark
def test_demo_runs_on_envoy_with_its_own_grpc_web_filter(
    venv: Path,
    build_site: BuildSite,
    run_spark: SharedSpark,
    open_page: OpenPage,
    tmp_path: Path,
) -> None:
    port = free_port()
    listen = ("--listen", f"127.0.0.1:{port}", "--spark", f"127.0.0.1:{run_spark.port}")
    site = build_site("envoy", *listen)
    config = site.with_name("site-deploy") / "envoy.yaml"
    envoy = venv / "bin" / "envoy"
    if not envoy.exists():
        envoy = Path(shutil.which("envoy") or Path(__file__).parents[3] / ".venv" / "bin" / "envoy")
    checked = subprocess.run(
        [envoy, "--mode", "validate", "-c", config], capture_output=True, text=True, timeout=60, check=False
    )
    assert checked.returncode == 0, checked.stderr
    url = f"http://127.0.0.1:{port}/"
    with running([envoy, "-c", config, "--base-id", str(port)], url, tmp_path / "envoy.log"):
        page = open_page(url)
        exercise(page)
        assert page.foreign() == []


def test_demo_runs_on_nginx(
    build_site: BuildSite, hub: JupyterProcess, scoped_token: str, open_page: OpenPage, tmp_path: Path
) -> None:
    port = free_port()
    site = build_site("nginx", "--listen", f"127.0.0.1:{port}")
    command = nginx_command(tmp_path, site.with_name("site-deploy") / "nginx.conf")
    url = f"http://127.0.0.1:{port}/"
    with running(command, url, tmp_path / "nginx.log"):
        page = open_page(url)
        exercise(page, lambda: page.connect(f"{hub.url}pcw/grpc/default", scoped_token))
