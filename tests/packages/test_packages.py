"""Packages that the runtime does not hold: their URLs, and `jupyter pcw runtime`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pcw_server_ext.cli import main as cli
from pcw_server_ext.runtime.bundle import Bundle
from pcw_server_ext.web import page_config
from tests.support.package_source import (
    ALPHA,
    BETA,
    BUNDLED,
    FILES,
    PackageServer,
    make_distribution,
    package_server,
)
from tests.support.server import start
from tests.support.web import Site

ROOT = "pcw/runtime/0123abcd/pyodide/"


@pytest.fixture(scope="module")
def source() -> Iterator[PackageServer]:
    with package_server() as server:
        yield server


@pytest.fixture(scope="module")
def running(source: PackageServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("packages")
    with start(
        folder,
        f"--PcwExtension.runtime_dir={make_distribution(folder / 'bundle')}",
        f"--PcwExtension.packages_source={source.url}",
        base_url="/user/x/",
    ) as process:
        yield Site(process)


@pytest.fixture
def kept(running: Site) -> Path:
    return running.process.state / "data" / "pcw" / "packages"


@pytest.fixture
def site(running: Site, source: PackageServer, kept: Path) -> Site:
    source.reset()
    for path in kept.rglob("*.whl"):
        path.unlink()
    return running


def test_package_is_fetched_once_and_served_as_the_runtime_is(site: Site, source: PackageServer) -> None:
    first = site.request("GET", ROOT + ALPHA)
    assert (first.status, first.body) == (200, FILES[ALPHA])
    assert first.headers["content-type"] == "application/zip"
    assert first.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert first.headers["cross-origin-resource-policy"] == "same-origin"
    assert first.headers["x-content-type-options"] == "nosniff"
    again = site.request("GET", ROOT + ALPHA, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert site.request("GET", ROOT + BETA.replace("+", "%2B")).body == FILES[BETA]
    assert source.paths == [f"/{ALPHA}", f"/{BETA.replace('+', '%2B')}"]


def test_concurrent_requests_fetch_once(site: Site, source: PackageServer) -> None:
    source.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(site.request, "GET", ROOT + ALPHA) for _ in range(8)]
        assert source.asked.wait(20)
        source.gate.set()
        assert {answer.result().body for answer in answers} == {FILES[ALPHA]}
    assert len(source.seen) == 1


def test_stranger_gets_what_is_kept_and_makes_the_server_fetch_nothing(
    site: Site, source: PackageServer
) -> None:
    refused = site.request("GET", ROOT + ALPHA, authenticated=False)
    assert (refused.status, refused.json()["reason"]) == (403, "login")
    assert site.request("HEAD", ROOT + ALPHA, authenticated=False).status == 404
    assert not source.seen
    site.request("GET", ROOT + ALPHA)
    served = site.request("GET", ROOT + ALPHA, authenticated=False)
    assert (served.status, served.body) == (200, FILES[ALPHA])
    head = site.request("HEAD", ROOT + ALPHA, authenticated=False)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(FILES[ALPHA]))


def test_kept_file_that_was_damaged_is_not_served_and_only_users_cause_a_new_fetch(
    site: Site, source: PackageServer, kept: Path
) -> None:
    site.request("GET", ROOT + ALPHA)
    (file,) = kept.rglob(ALPHA)
    file.write_bytes(FILES[ALPHA][:-1])
    refused = site.request("GET", ROOT + ALPHA, authenticated=False)
    assert (refused.status, refused.json()["reason"]) == (403, "login")
    assert len(source.seen) == 1
    file.write_bytes(bytes(len(FILES[ALPHA])))
    assert site.request("HEAD", ROOT + ALPHA, authenticated=False).status == 404
    assert site.request("GET", ROOT + ALPHA).body == FILES[ALPHA]
    assert len(source.seen) == 2


def test_cookie_alone_does_not_make_the_server_fetch(site: Site, source: PackageServer) -> None:
    cookie, _ = site.login()

    def get(**headers: str) -> int:
        sent = {"Cookie": cookie, **headers}
        return site.request("GET", ROOT + ALPHA, headers=sent, authenticated=False).status

    here = f"http://127.0.0.1:{site.process.port}"
    for headers in (
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site", "Origin": here},
        {"Referer": "http://evil.example/"},
        {"Origin": f"{here}.evil.example"},
        {"Origin": "null"},
    ):
        assert get(**headers) == 403, headers
    assert not source.seen
    assert get(**{"Sec-Fetch-Site": "same-origin"}) == 200


def test_page_of_a_browser_without_fetch_metadata_is_known_by_its_referer(
    site: Site, source: PackageServer
) -> None:
    cookie, _ = site.login()
    page = f"http://127.0.0.1:{site.process.port}/user/x/lab"
    sent = {"Cookie": cookie, "Referer": page}
    assert site.request("GET", ROOT + ALPHA, headers=sent, authenticated=False).status == 200


@pytest.mark.parametrize("fault", ["other", "cut", "absent"])
def test_failed_fetch_is_an_error_with_the_command_and_is_not_kept(
    site: Site, source: PackageServer, kept: Path, fault: str
) -> None:
    source.fault = fault
    answer = site.request("GET", ROOT + ALPHA)
    assert answer.status == 503
    assert answer.headers["cache-control"] == "no-store"
    assert "jupyter pcw runtime fetch alpha" in answer.json()["message"]
    assert answer.json()["reason"] in ("corrupt", "unreachable")
    # It may be internal, and the answer goes to every page.
    assert source.url.rstrip("/").encode() not in answer.body
    assert not [path for path in kept.rglob("*") if path.is_file()]
    source.fault = None
    assert site.request("GET", ROOT + ALPHA).status == 200


@pytest.mark.parametrize("name", ["gamma-1.0-py3-none-any.whl", "../alpha.whl", f"{ALPHA}/x", f"x{ALPHA}"])
def test_only_files_that_the_lock_names_exist(site: Site, source: PackageServer, name: str) -> None:
    assert site.request("GET", ROOT + name).status == 404
    assert not source.seen


def test_another_runtime_hash_says_reload(site: Site, source: PackageServer) -> None:
    answer = site.request("GET", f"pcw/runtime/ffffffff/pyodide/{ALPHA}")
    assert answer.status == 404
    assert "reload the page" in answer.json()["message"]
    assert not source.seen


def test_bundled_packages_stay_public_files(site: Site, source: PackageServer) -> None:
    answer = site.request("GET", ROOT + BUNDLED, authenticated=False)
    assert answer.status == 200
    assert answer.headers["cache-control"].startswith("public")
    assert not source.seen


def test_listing_says_what_is_here(site: Site, source: PackageServer) -> None:
    assert site.request("GET", "pcw/api/packages", authenticated=False).status in (401, 403)
    site.request("GET", ROOT + ALPHA)
    answer = site.request("GET", "pcw/api/packages")
    assert answer.json() == {
        "fetches": True,
        "packages": {
            "alpha": {"version": "1.0", "file": ALPHA, "state": "cached"},
            "beta": {"version": "2.0+x", "file": BETA, "state": "fetchable"},
            "some-package": {"version": "1.0", "file": BUNDLED, "state": "bundled"},
        },
    }
    assert source.url.rstrip("/") not in answer.body.decode()


@pytest.mark.parametrize(
    ("packages", "lock"), [(True, "pyodide-lock.full.json"), (False, "pyodide-lock.json")]
)
def test_page_is_told_and_the_stock_kernel_gets_the_whole_lock(
    tmp_path: Path, packages: bool, lock: str
) -> None:
    data: dict[str, Any] = {}
    config = page_config.pcw_config(
        base_url="/user/x/",
        bundle=Bundle.load(make_distribution(tmp_path)),
        version="1",
        endpoint="default",
        isolation="credentialless",
        channel="sab",
        prefetch=True,
        packages=packages,
    )
    page_config.apply(data, config)
    assert json.loads(data["pcw"])["packages"] is packages
    options = data["litePluginSettings"][page_config.STOCK_KERNEL]["loadPyodideOptions"]
    assert options["lockFileURL"] == f"/user/x/{ROOT}{lock}"


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: PackageServer) -> Path:
    """A server's configuration as the commands find it; the folder of packages is Jupyter's data folder."""
    source.reset()
    config = tmp_path / "config"
    config.mkdir()
    (config / "jupyter_server_config.py").write_text(
        f"c.PcwExtension.runtime_dir = {str(make_distribution(tmp_path / 'bundle'))!r}\n"
        f"c.PcwExtension.packages_source = {source.url!r}\n"
    )
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(config))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(config))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data" / "pcw" / "packages"


def test_command_fetches_a_package_and_what_it_needs(
    configured: Path, source: PackageServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["runtime", "list"]) == 0
    assert "No packages in" in capsys.readouterr().out
    assert cli.main(["runtime", "fetch", "alpha"]) == 0
    assert "alpha 1.0 fetched: 0.5 MB" in capsys.readouterr().out
    assert sorted(path.name for path in configured.rglob("*.whl")) == [ALPHA, BETA]
    assert cli.main(["runtime", "fetch", "Alpha"]) == 0
    assert "beta 2.0+x is kept already" in capsys.readouterr().out
    assert len(source.seen) == 2
    assert cli.main(["runtime", "fetch", "some-package"]) == 0
    assert "nothing to fetch" in capsys.readouterr().out
    assert cli.main(["runtime", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [package["name"] for package in listed["packages"]] == ["alpha", "beta"]
    assert cli.main(["runtime", "list", "--all"]) == 0
    assert "some-package" in capsys.readouterr().out


def test_command_takes_a_folder_as_source_and_another_as_target(
    configured: Path, source: PackageServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    target = tmp_path / "target"
    assert cli.main(["runtime", "fetch", "alpha", "--source", str(tmp_path), "--folder", str(target)]) == 0
    assert not source.seen
    assert not configured.exists()
    assert sorted(path.name for path in target.rglob("*.whl")) == [ALPHA, BETA]


def test_command_says_what_is_missing_and_fails(
    configured: Path, source: PackageServer, capsys: pytest.CaptureFixture[str]
) -> None:
    source.fault = "other"
    assert cli.main(["runtime", "fetch", "alpha"]) == 1
    assert "another file" in capsys.readouterr().err
    assert cli.main(["runtime", "fetch", "gamma"]) == 1
    assert "no package 'gamma'" in capsys.readouterr().err
    assert cli.main(["runtime", "fetch", "alpha", "--source", "ftp://x/"]) == 1
    assert "http(s) URL" in capsys.readouterr().err


def test_server_without_a_source_serves_what_the_command_has_fetched(
    configured: Path, tmp_path: Path, source: PackageServer
) -> None:
    assert cli.main(["runtime", "fetch", "beta"]) == 0
    with start(
        tmp_path / "server",
        f"--PcwExtension.runtime_dir={tmp_path / 'bundle'}",
        "--PcwExtension.packages_source=",
        f"--PcwExtension.packages_dir={configured}",
    ) as process:
        site = Site(process)
        assert site.request("GET", ROOT + BETA).body == FILES[BETA]
        absent = site.request("GET", ROOT + ALPHA)
        assert (absent.status, absent.json()["reason"]) == (503, "no-source")
        assert "jupyter pcw runtime fetch alpha" in absent.json()["message"]
        states = site.request("GET", "pcw/api/packages").json()
    assert states["fetches"] is False
    assert [package["state"] for package in states["packages"].values()] == ["absent", "cached", "bundled"]
