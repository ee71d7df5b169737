"""`jupyter pcw check`: what is wrong is found and named with its fix."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pcw_server_ext.site.builder.build import BuildRequest, build
from pcw_server_ext.site.check import report
from pcw_server_ext.site.check.findings import Finding
from pcw_server_ext.site.check.source import UrlSource, open_source
from pcw_server_ext.site.record import read
from pcw_server_ext.site.serving.folder import SiteFolder
from pcw_server_ext.site.settings import SiteSettings
from pcw_server_ext.site.staging.guest_headers import content_security_policy
from tests.site.serving import serving
from tests.support import certificates
from tests.support.jupyter import free_port
from tests.support.server import start
from tests.support.web import Site

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("check")
    contents = folder / "contents"
    contents.mkdir()
    (contents / "a.txt").write_text("a")
    (contents / "b.txt").write_text("b")
    settings = SiteSettings(host="netlify")
    build(BuildRequest(folder / "lite", folder / "site", settings, contents=[contents], apps=["repl"]))
    return folder / "site"


@pytest.fixture
def site(built: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage; the large files are links to the same."""
    copy = tmp_path / "site"
    shutil.copytree(built, copy, copy_function=lambda source, target: Path(target).hardlink_to(source))
    return copy


def rewrite(path: Path, text: str) -> None:
    # A link's other name must keep its content.
    path.unlink()
    path.write_text(text)


def check(target: str | Path, **options: object) -> dict[str, Finding]:
    host = options.pop("host", None)
    found = report.check(open_source(str(target), host=host), **options)  # type: ignore[arg-type]
    for finding in found:
        assert finding.status != "failed" or finding.fix, finding
    return {finding.name: finding for finding in found if finding.status == "failed"} or {
        finding.name: finding for finding in found
    }


def test_sound_site_passes_everywhere(site: Path) -> None:
    found = check(site)
    assert {finding.status for finding in found.values()} <= {"ok", "note"}, found
    assert "compared by hash" in found["browser runtime"].text
    with serving(site, "--host", "netlify", "--base-path", "/repo/") as (port, path):
        found = check(f"http://127.0.0.1:{port}{path}repl/index.html", everything=True)
        assert {finding.status for finding in found.values()} <= {"ok", "note"}, found


def test_missing_headers_are_found_on_every_kind_of_file(site: Path) -> None:
    (site / "_headers").unlink()
    finding = check(site)["isolation headers"]
    assert "Cross-Origin-Opener-Policy is missing" in finding.text
    assert "_headers" in finding.fix
    rewrite_headers = (
        "/*\n  Cross-Origin-Opener-Policy: same-origin\n  Cross-Origin-Embedder-Policy: unsafe-none\n"
    )
    (site / "_headers").write_text(rewrite_headers)
    assert "Cross-Origin-Embedder-Policy is unsafe-none" in check(site)["isolation headers"].text


def test_header_that_cloudflare_joins_is_found(site: Path) -> None:
    text = (site / "_headers").read_text()
    rewrite(site / "_headers", text + "\n/repl/*\n  Cross-Origin-Embedder-Policy: credentialless\n")
    assert "isolation headers" not in {
        name for name, finding in check(site, host="netlify").items() if finding.status == "failed"
    }
    assert "sent twice" in check(site, host="cloudflare")["isolation headers"].text


def test_changed_file_is_found_by_its_hash(site: Path) -> None:
    record = read(site)
    assert record is not None
    lock = site / "pcw" / "runtime" / record.runtime / "pyodide" / "pyodide-lock.json"
    rewrite(lock, lock.read_text() + " ")
    assert "pyodide-lock.json has other content" in check(site)["browser runtime"].text
    lock.unlink()
    assert "pyodide-lock.json answers 404" in check(site)["browser runtime"].text


@pytest.mark.parametrize("served", [False, True], ids=["folder", "address"])
def test_snapshot_that_was_altered_is_found(site: Path, served: bool) -> None:
    record = read(site)
    assert record is not None
    (snapshot,) = (site / "pcw" / "runtime" / record.runtime / "kernel").glob("snapshot.bin*")
    content = bytearray(snapshot.read_bytes())
    content[len(content) // 2] ^= 1
    snapshot.unlink()
    snapshot.write_bytes(content)
    with contextlib.ExitStack() as stack:
        target: str | Path = site
        if served:
            port, path = stack.enter_context(serving(site, "--host", "netlify"))
            target = f"http://127.0.0.1:{port}{path}"
        assert f"kernel/{snapshot.name} has other content" in check(target)["browser runtime"].text


@pytest.mark.parametrize(
    ("lost", "said", "served"),
    [
        ("build", "all of build/ is missing (", True),
        ("api", "all of api/ is missing (", False),
        ("files", "all of files/ is missing (2 files)", False),
        ("extensions", "all of extensions/ is missing (", False),
        ("build/*.js", "answers 404", True),
        ("extensions/pcw-server-ext/**/kernel.worker.*.js", "answers 404", False),
        ("repl/index.html", "repl/index.html answers 404", False),
        ("files/b.txt", "files/b.txt answers 404", False),
    ],
)
def test_what_was_not_deployed_is_named(site: Path, lost: str, said: str, served: bool) -> None:
    victim = next(site.glob(lost))
    if victim.is_dir():
        shutil.rmtree(victim)
    else:
        victim.unlink()
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        target: str | Path = site
        if served:
            port, path = stack.enter_context(serving(site, "--host", "netlify"))
            target = f"http://127.0.0.1:{port}{path}"
        finding = check(target)["deployed files"]
    assert finding.status == "failed"
    assert said in finding.text
    if not said.startswith("all"):
        assert victim.relative_to(site).as_posix() in finding.text
    assert "git add --force" in finding.fix
    # a page that does not start was said after two minutes
    assert time.monotonic() - begun < 60


def test_file_of_the_contents_that_the_host_changed_is_found(site: Path) -> None:
    rewrite(site / "files" / "b.txt", "B")
    assert "files/b.txt has other content" in check(site)["deployed files"].text
    rewrite(site / "files" / "b.txt", "longer")
    with serving(site, "--host", "netlify") as (port, path):
        found = check(f"http://127.0.0.1:{port}{path}")["deployed files"]
        assert "files/b.txt has 6 bytes, not 1" in found.text


def test_site_of_an_older_build_is_checked_without_its_list(site: Path) -> None:
    (site / "pcw-files.json").unlink()
    assert check(site)["deployed files"].status == "note"
    (site / "pcw-files.json").write_text('{"format": 1, "files": {"a": 1}}')
    assert "not what a build writes" in check(site)["deployed files"].text


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("Content-Security-Policy: default-src 'self'", "default-src without 'unsafe-inline'"),
        (
            "Content-Security-Policy: script-src 'self' 'unsafe-inline'",
            "script-src without 'wasm-unsafe-eval'",
        ),
        ("Content-Security-Policy: sandbox allow-scripts", "sandbox without allow-same-origin"),
        ("Permissions-Policy: camera=(), cross-origin-isolated=()", "forbids cross-origin isolation"),
    ],
)
def test_policy_of_the_host_that_lets_nothing_start_is_found(site: Path, header: str, said: str) -> None:
    text = (site / "_headers").read_text()
    rewrite(site / "_headers", f"{text}\n/*\n  {header}\n")
    finding = check(site)["policies"]
    assert finding.status == "failed"
    assert said in finding.text
    assert "at the host" in finding.fix


def test_policy_of_a_staged_site_lets_it_start(site: Path) -> None:
    text = (site / "_headers").read_text()
    policy = content_security_policy(SiteFolder(site), "lab/index.html")
    rewrite(site / "_headers", f"{text}\n/*\n  Content-Security-Policy: {policy}\n")
    assert check(site)["policies"].status == "ok"


def test_script_that_somebody_replaced_is_found(site: Path) -> None:
    rewrite(site / "service-worker.js", "// JupyterLite's own file, copied over ours")
    found = check(site)
    assert "one scope has one owner" in found["service worker"].text
    assert "service-worker.js" in found["our scripts"].text


def test_page_without_our_scripts_is_found(site: Path) -> None:
    page = site / "repl" / "index.html"
    rewrite(page, page.read_text().replace("pcw_kernel_bridge.js", "other.js"))
    assert "repl/index.html" in check(site)["page scripts"].text


def test_third_party_in_the_configuration_is_found(site: Path) -> None:
    path = site / "jupyter-lite.json"
    config = json.loads(path.read_text())
    settings = config["jupyter-config-data"]["litePluginSettings"]
    settings["@jupyterlite/pyodide-kernel-extension:kernel"]["pyodideUrl"] = "https://cdn.example/pyodide.mjs"
    rewrite(path, json.dumps(config))
    finding = check(site)["same origin"]
    assert "https://cdn.example" in finding.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 200_000, "there is no jupyter-lite.json"),
        ("[]", "there is no jupyter-lite.json"),
        ('{"jupyter-config-data": []}', "is not as JupyterLite writes it"),
        ('{"jupyter-config-data": null}', "is not as JupyterLite writes it"),
        ('{"jupyter-config-data": {"federated_extensions": 5}}', "is not as JupyterLite writes it"),
        ('{"jupyter-config-data": {"federated_extensions": [5]}}', "is not as JupyterLite writes it"),
    ],
)
def test_configuration_that_no_build_writes_is_a_finding(site: Path, text: str, said: str) -> None:
    rewrite(site / "jupyter-lite.json", text)
    (found,) = report.check(open_source(str(site)))
    assert (found.status, found.name) == ("failed", "site")
    assert said in found.text
    assert found.fix


def test_addresses_of_every_form_are_looked_at(site: Path) -> None:
    path = site / "jupyter-lite.json"
    document = json.loads(path.read_text())
    nested: Any = "https://third.example/deep"
    for _ in range(300):
        nested = [{"aUrl": nested}]
    document["jupyter-config-data"] |= {
        "oneUrl": "//third.example/x",
        "badUrl": "http://[::1",
        "deep": nested,
    }
    rewrite(path, json.dumps(document))
    (found,) = [one for one in report.check(open_source(str(site))) if one.name == "same origin"]
    assert found.status == "failed"
    assert "oneUrl = //third.example/x" in found.text
    assert "https://third.example/deep" in found.text
    assert "badUrl" not in found.text


def test_file_over_the_hosts_limit_is_found(site: Path) -> None:
    with (site / "big.bin").open("wb") as file:
        file.truncate(30 << 20)
    assert "Cloudflare Pages takes" in check(site, host="cloudflare")["host limits"].text
    assert "host limits" not in check(site, host="netlify")


def test_site_larger_than_github_pages_takes_is_found(site: Path) -> None:
    for number in range(12):
        # Nothing is stored: each is a hole of 95 MiB.
        with (site / f"part{number}.bin").open("wb") as file:
            file.truncate(95 << 20)
    finding = check(site, host="github-pages")["host limits"]
    assert "the site has 1" in finding.text
    assert "GitHub Pages takes 1000 MB" in finding.text
    assert "host limits" not in check(site, host="netlify")


def test_host_that_answers_everything_with_a_page_is_found(site: Path) -> None:
    assert check(site, host="cloudflare")["absent files"].status == "ok"
    (site / "404.html").unlink()
    finding = check(site, host="cloudflare")["absent files"]
    assert finding.status == "failed"
    assert "a page and status 200" in finding.text
    assert "Deploy the 404.html that the build wrote" in finding.fix
    assert "absent files" not in check(site, host="netlify")


def test_site_for_cloudflare_keeps_its_limits(site: Path) -> None:
    found = check(site, host="cloudflare")
    assert all(finding.status != "failed" for finding in found.values()), found


def test_folder_that_is_no_site_says_what_to_give(tmp_path: Path) -> None:
    assert "jupyter pcw build" in check(tmp_path)["site"].fix
    (tmp_path / "jupyter-lite.json").write_text("{}")
    assert "without the browser kernel" in check(tmp_path)["site"].text


def test_host_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert "cannot be reached" in check(f"http://127.0.0.1:{free_port()}/")["site"].text


def test_wrong_media_type_and_header_less_host_are_found(site: Path) -> None:
    class Plain(BaseHTTPRequestHandler):
        """A host that knows no types and sends no headers."""

        def do_GET(self) -> None:
            path = site / self.path.partition("?")[0].lstrip("/")
            path = path / "index.html" if path.is_dir() else path
            self.send_response(200 if path.is_file() else 404)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            if path.is_file() and self.command == "GET":
                self.wfile.write(path.read_bytes())

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    with listening(Plain) as url:
        found = check(url)
    assert "not text/javascript" in found["media types"].text
    assert "Cross-Origin-Opener-Policy is missing" in found["isolation headers"].text


@contextlib.contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with start(
        tmp_path_factory.mktemp("hub"),
        "--PcwExtension.engine=sail",
        "--PcwExtension.allowed_origins=https://pages.example",
        base_url="/user/x/",
    ) as process:
        yield Site(process)


def test_endpoint_is_asked_as_the_page_will_ask_it(site: Path, hub: Site) -> None:
    address = f"{hub.process.url}pcw/grpc/default"
    found = check(site, endpoint=address, origin="https://pages.example")
    assert "demands a token" in found["endpoint"].text
    assert "may use the endpoint" in found["CORS"].text
    found = check(site, endpoint=address, origin="https://pages.example", token=hub.token)
    assert "speaks grpc-web" in found["endpoint"].text
    wrong = check(site, endpoint=address, origin="https://pages.example", token="x" * 20)
    assert "refuses it" in wrong["token"].text
    foreign = check(site, endpoint=address, origin="https://other.example")
    assert "allowed_origins=https://other.example" in foreign["CORS"].fix
    absent = check(
        site, endpoint=f"{hub.process.url}api/absent", origin="https://pages.example", token=hub.token
    )
    assert "no grpc-web endpoint at this path" in absent["endpoint"].text


def test_tokens_go_to_the_sites_own_server_and_to_a_named_endpoint_alone(site: Path) -> None:
    seen: list[tuple[str, str]] = []
    read_with: list[str] = []

    class Pages(BaseHTTPRequestHandler):
        """A site, and an endpoint that remembers what it was given."""

        def do_GET(self) -> None:
            read_with.append(self.headers.get("Authorization", ""))
            path = site / self.path.partition("?")[0].removeprefix("/pcw/sites/x").lstrip("/")
            self.send_response(200 if path.is_file() else 404)
            self.end_headers()
            if path.is_file() and self.command == "GET":
                self.wfile.write(path.read_bytes())

        do_HEAD = do_GET

        def do_POST(self) -> None:
            seen.append((self.headers["Host"], self.headers.get("Authorization", "")))
            self.send_response(404)
            self.end_headers()

        do_OPTIONS = do_POST

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    record = read(site)
    assert record is not None
    with listening(Pages) as url, listening(Pages) as other:
        for named, sent in (
            (other, False),
            (f"{url}deeper/x", True),
            (url.replace("127.0.0.1", "localhost"), False),
        ):
            rewrite(site / "pcw-site.json", replace(record, endpoint=named.rstrip("/")).dumps())
            seen.clear()
            found = report.check(UrlSource(f"{url}pcw/sites/x/", "JUPYTERSECRET"), token="PCWSECRET")
            assert seen
            assert set(read_with) == {"token JUPYTERSECRET"}
            assert ("JUPYTERSECRET" in str(seen)) is sent
            assert "PCWSECRET" not in str(seen)
            assert any("--endpoint" in finding.fix for finding in found if finding.name == "token")
        report.check(UrlSource(f"{url}pcw/sites/x/", "JUPYTERSECRET"), endpoint=other, token="PCWSECRET")
        assert "PCWSECRET" in str(seen)
        assert "JUPYTERSECRET" not in str(seen[-1])
        # a site that is on no Jupyter server, checked where the variable happens to be set
        seen.clear()
        read_with.clear()
        rewrite(site / "pcw-site.json", replace(record, endpoint=f"{url}deeper/x").dumps())
        report.check(open_source(url, token="JUPYTERSECRET"))
        assert seen
        assert "JUPYTERSECRET" not in str(seen)
        assert set(read_with) == {""}


def test_plain_http_endpoint_for_an_https_site_is_found(site: Path) -> None:
    found = check(site, endpoint=f"http://spark.invalid:{free_port()}/", origin="https://pages.example")
    assert "browsers let it call no plain http" in found["endpoint TLS"].text


def test_untrusted_certificate_is_named(site: Path, tmp_path: Path) -> None:
    import ssl

    pair = certificates.make(tmp_path, "untrusted")

    class Nothing(BaseHTTPRequestHandler):
        """Never gets as far as a request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Nothing)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        found = check(
            site, endpoint=f"https://localhost:{server.server_port}/", origin="https://pages.example"
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert "is not trusted" in found["endpoint"].text


def test_staged_site_and_its_endpoint_are_checked_with_the_servers_token(site: Path, hub: Site) -> None:
    from pcw_server_ext.site.staging.upload import upload

    record = read(site)
    assert record is not None
    rewrite(site / "pcw-site.json", replace(record, endpoint="same-origin").dumps())
    url = upload(site, "checked", hub.process.url, hub.token)
    assert "JUPYTER_TOKEN" in check(url)["site"].fix
    found = {finding.name: finding for finding in report.check(UrlSource(url, hub.token))}
    assert all(finding.status != "failed" for finding in found.values()), found
    assert "speaks grpc-web" in found["endpoint"].text


def test_command_reports_for_programs_and_exits_with_the_result(site: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pcw_server_ext.cli.main", "check", str(site), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)

    good = run("--json")
    assert good.returncode == 0
    assert json.loads(good.stdout)["ok"] is True
    (site / "_headers").unlink()
    bad = run("--json")
    assert bad.returncode == 1
    failed = [entry for entry in json.loads(bad.stdout)["findings"] if entry["status"] == "failed"]
    assert failed
    assert all(entry["fix"] for entry in failed)
    assert "->" in run().stdout
