"""The hosts' configurations, in the hosts' own programs."""

from __future__ import annotations

import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.site.recipes.deploy import DeploySettings, parse_address, write_configuration
from pcw_server_ext.site.recipes.envoy import ENDPOINT, SERVICE, EnvoySettings, envoy_config
from pcw_server_ext.site.recipes.nginx import nginx_config
from pcw_server_ext.site.settings import SiteSettings
from tests.support import certificates
from tests.support.hosts import ENVOY, ask, running
from tests.support.jupyter import free_port
from tests.support.nginx import nginx_command
from tests.support.upstream import SyntheticUpstream

COEP, COOP = "cross-origin-embedder-policy", "cross-origin-opener-policy"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    runtime = root / "pcw" / "runtime" / "0123456789abcdef"
    runtime.mkdir(parents=True)
    (root / "lab").mkdir()
    (root / "index.html").write_text("root page")
    (root / "lab" / "index.html").write_text("lab page " + "x" * 5000)
    (root / "x.mjs").write_text("export {}")
    (root / "_headers").write_text("/*\n  X: y\n")
    (runtime / "a.wasm").write_bytes(b"\0asm" + bytes(5000))
    (runtime / "manifest.json").write_text("{}")
    (tmp_path / "secret.txt").write_text("secret")
    return root


def serves_the_site(port: int) -> None:
    """What every host must do with a site."""
    for path in ("/", "/lab/", "/x.mjs", "/pcw/runtime/0123456789abcdef/a.wasm", "/absent"):
        status, headers, _ = ask(port, path)
        assert status == (404 if path == "/absent" else 200), path
        assert (headers[COOP], headers[COEP]) == ("same-origin", "credentialless"), path
    assert ask(port, "/x.mjs")[1]["content-type"].startswith("text/javascript")
    wasm = ask(port, "/pcw/runtime/0123456789abcdef/a.wasm")[1]
    assert wasm["content-type"] == "application/wasm"
    assert "immutable" in wasm["cache-control"]
    assert "immutable" not in ask(port, "/lab/")[1]["cache-control"]
    status, headers, _ = ask(port, "/lab?x=1")
    assert status == 301
    assert headers["location"].removeprefix(f"http://127.0.0.1:{port}").startswith("/lab/")
    assert ask(port, "/_headers")[0] == 404
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/lab/..%2f..%2fsecret.txt", "/..%2fsecret.txt"):
        status, _, body = ask(port, path)
        assert status in (400, 404), path
        assert b"secret" not in body


def test_envoy_serves_the_site_and_speaks_grpc_web(root: Path, tmp_path: Path) -> None:
    upstream = SyntheticUpstream()
    port = free_port()
    host, _, spark = upstream.address.removeprefix("sc://").partition(":")
    settings = EnvoySettings(
        root,
        spark=(host, int(spark.rstrip("/"))),
        listen=("127.0.0.1", port),
        origins=["https://site.example"],
    )
    config = tmp_path / "envoy.yaml"
    config.write_text(envoy_config(settings))
    validated = subprocess.run(
        [ENVOY, "--mode", "validate", "-c", config], capture_output=True, text=True, timeout=60, check=False
    )
    assert validated.returncode == 0, validated.stderr[:1500]
    try:
        with running([ENVOY, "-c", config, "--base-id", str(port)], port, tmp_path / "envoy.log"):
            serves_the_site(port)
            compressed = ask(port, "/lab/", headers={"Accept-Encoding": "gzip"})[1]
            assert compressed["content-encoding"] == "gzip"
            for prefix in (SERVICE, f"{ENDPOINT}{SERVICE[1:]}"):
                sent = {"Content-Type": "application/grpc-web+proto", "Origin": "https://site.example"}
                status, headers, body = ask(port, f"{prefix}Config", "POST", sent, b"\0\0\0\0\0")
                assert status == 200, prefix
                assert headers["content-type"].startswith("application/grpc-web")
                assert "grpc-status" in headers or b"grpc-status:" in body
                assert headers["access-control-allow-origin"] == "https://site.example"
                assert "grpc-status-details-bin" in headers["access-control-expose-headers"]
                assert headers["cross-origin-resource-policy"] == "cross-origin"
            asked = {"Access-Control-Request-Method": "POST", "Origin": "https://site.example"}
            allowed = ask(port, f"{SERVICE}ExecutePlan", "OPTIONS", asked)[1]
            assert "x-grpc-web" in allowed["access-control-allow-headers"]
            stranger = ask(
                port, f"{SERVICE}ExecutePlan", "OPTIONS", {**asked, "Origin": "https://evil.example"}
            )[1]
            assert "access-control-allow-origin" not in stranger
    finally:
        upstream.stop()


def test_envoy_speaks_tls(root: Path, tmp_path: Path) -> None:
    pair = certificates.make(tmp_path, "site")
    port = free_port()
    settings = EnvoySettings(root, listen=("127.0.0.1", port), certificate=pair.certificate, key=pair.key)
    config = tmp_path / "envoy.yaml"
    config.write_text(envoy_config(settings))
    trusted = ssl.create_default_context(cafile=str(pair.certificate))
    with (
        running([ENVOY, "-c", config, "--base-id", str(port)], port, tmp_path / "envoy.log", trusted),
        urllib.request.urlopen(f"https://localhost:{port}/lab/", context=trusted, timeout=60) as page,
    ):
        assert page.headers[COEP] == "credentialless"
        assert page.read().startswith(b"lab page")


def test_envoy_fetches_the_files_from_another_server(root: Path, tmp_path: Path) -> None:
    port, behind = free_port(), free_port()
    settings = EnvoySettings(root, listen=("127.0.0.1", port), file_server=("127.0.0.1", behind))
    config = tmp_path / "envoy.yaml"
    config.write_text(envoy_config(settings))
    assert "file_server.v3" not in config.read_text()
    serve = [sys.executable, "-m", "http.server", str(behind), "--bind", "127.0.0.1", "--directory", root]
    with (
        running(serve, behind, tmp_path / "files.log"),
        running([ENVOY, "-c", config, "--base-id", str(port)], port, tmp_path / "envoy.log"),
    ):
        status, headers, body = ask(port, "/lab/")
        assert (status, headers[COOP], headers[COEP]) == (200, "same-origin", "credentialless")
        assert body.startswith(b"lab page")


@pytest.mark.parametrize(
    "settings",
    [{"origins": ["*"]}, {"certificate": Path("cert.pem")}, {"key": Path("key.pem")}],
)
def test_envoy_settings_that_cannot_be_meant_are_refused(root: Path, settings: dict[str, object]) -> None:
    with pytest.raises(SiteRefused):
        envoy_config(EnvoySettings(root, **settings))  # type: ignore[arg-type]


def test_nginx_serves_the_site(root: Path, tmp_path: Path) -> None:
    import gzip

    (root / "lab" / "index.html.gz").write_bytes(gzip.compress((root / "lab" / "index.html").read_bytes()))
    port = free_port()
    (tmp_path / "site.conf").write_text(
        nginx_config(root, isolation="credentialless", listen=f"127.0.0.1:{port}")
    )
    command = nginx_command(tmp_path, tmp_path / "site.conf")
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=240, check=False)
    assert checked.returncode == 0, checked.stderr
    with running(command, port, tmp_path / "nginx.log"):
        serves_the_site(port)
        assert ask(port, "/lab/", headers={"Accept-Encoding": "gzip"})[1]["content-encoding"] == "gzip"


def test_folder_that_nginx_cannot_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SiteRefused, match="Move the site"):
        nginx_config(tmp_path / 'a"; location / {}', isolation="credentialless")


def test_configuration_is_written_beside_the_site(root: Path) -> None:
    deploy = DeploySettings(listen="127.0.0.1:8080", spark="spark.example:15002")
    assert write_configuration(root, SiteSettings(host="netlify"), deploy) == []
    (path,) = write_configuration(root, SiteSettings(host="envoy"), deploy)
    assert path == root.with_name("site-deploy") / "envoy.yaml"
    assert "spark.example" in path.read_text()
    assert not list(root.rglob("envoy.yaml"))


@pytest.mark.parametrize("text", ["", "host", "host:", ":1", "host:0", "host:65536", "host:x"])
def test_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SiteRefused, match="--spark"):
        parse_address(text, "--spark")


@pytest.mark.parametrize(
    "options",
    [
        {"listen": "8080; } server { listen 127.0.0.1:1"},
        {"listen": "127.0.0.1 default_server:80"},
        {"listen": "127.0.0.1:\u0661"},
        {"listen": "unix:/tmp/x"},
        {"server_names": ["a.example; root /"]},
        {"server_names": ["~^(.*)$"]},
        {"server_names": ["a.example\nroot /;"]},
    ],
)
def test_option_does_not_become_a_directive_of_nginx(tmp_path: Path, options: dict[str, Any]) -> None:
    settings = SiteSettings(host="nginx").checked()
    with pytest.raises(SiteRefused, match=r"--(listen|server-name) is .*Write "):
        write_configuration(tmp_path / "site", settings, DeploySettings(**options))


def test_names_and_addresses_that_nginx_takes_are_written() -> None:
    for listen, host in (
        ("[::1]:80", "::1"),
        ("::1:80", "::1"),
        ("0.0.0.0:80", "0.0.0.0"),
        ("a-b.example:80", "a-b.example"),
    ):
        assert parse_address(listen, "--listen") == (host, 80)
    text = nginx_config(Path("/site"), isolation="off", server_names=("_", "a.example", "*.example.org"))
    assert "server_name _ a.example *.example.org;" in text
