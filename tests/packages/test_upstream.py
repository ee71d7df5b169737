"""Another index behind the server's own: what it is asked, and what comes of its faults."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from traitlets import TraitError

from pcw_server_ext.app import PcwExtension
from pcw_server_ext.errors import ConfigurationError, PackageError
from pcw_server_ext.packages.index import pages, pip_configuration
from pcw_server_ext.packages.index.upstream import HttpIndex, Indexes, make_upstream
from pcw_server_ext.packages.index.wheel_files import WheelFile
from tests.support.package_source import PackageServer, make_distribution, package_server
from tests.support.server import start
from tests.support.web import Answer, Site
from tests.support.wheels import wheel

LOG = logging.getLogger("test")
LARGEST = 1 << 20
LOGIN = "someone:SECRETPASSWORD"
LIB = wheel("lib", "1.0", "answer = 1", "Requires-Dist: other>1")
JSON = {"Accept": pages.JSON}


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def publish(server: PackageServer, name: str, content: bytes, *, file: str = "", sha256: str = "") -> str:
    """Put a file and its project's page (JSON) into an index; returns the file's name."""
    file = file or f"{name}-1.0-py3-none-any.whl"
    entry = {
        "filename": file,
        "url": f"../../files/{file}",
        "hashes": {"sha256": sha256 or sha(content)},
    }
    page = {"meta": {"api-version": "1.1"}, "name": name, "files": [entry]}
    server.pages[f"/simple/{name}/"] = (pages.JSON, json.dumps(page).encode())
    server.pages[f"/files/{file}"] = ("application/zip", content)
    return file


@pytest.fixture(scope="module")
def one_index() -> Iterator[PackageServer]:
    with package_server() as server:
        yield server


@pytest.fixture
def index(one_index: PackageServer) -> PackageServer:
    one_index.reset()
    return one_index


def http_index(server: PackageServer, login: str = "") -> HttpIndex:
    address = f"{server.url}simple/".replace("://", f"://{login}@" if login else "://")
    return HttpIndex(address, largest=LARGEST, log=LOG, silence=5)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, one_index: PackageServer) -> Iterator[Site]:
    """A server that is told of the index as a company does it: in pip's configuration."""
    folder = tmp_path_factory.mktemp("upstream")
    configuration = folder / "pip.conf"
    configuration.write_text(
        f"[global]\nindex-url = {one_index.url.replace('://', f'://{LOGIN}@')}simple\n", encoding="utf-8"
    )
    named = folder / "named"
    named.mkdir()
    (named / "mine-1.0-py3-none-any.whl").write_bytes(wheel("mine", "1.0", ""))
    with start(
        folder,
        f"--PcwExtension.runtime_dir={make_distribution(folder / 'bundle')}",
        f"--PcwExtension.wheels_dir={named}",
        f"--PcwExtension.packages_largest={LARGEST}",
        "--PcwExtension.packages_deny=secret-*",
        environment={"PIP_NO_INDEX": "0", "PIP_CONFIG_FILE": str(configuration)},
    ) as process:
        yield Site(process)


def project(site: Site, name: str) -> Answer:
    return site.request("GET", f"pcw/pypi/simple/{name}/", headers=JSON)


def file_of(site: Site, page: Answer) -> Answer:
    return site.request("GET", "pcw/pypi/" + page.json()["files"][0]["url"].removeprefix("../../"))


def test_wheel_of_pips_index_is_fetched_once_and_kept_for_this_account(
    running: Site, index: PackageServer
) -> None:
    publish(index, "lib", LIB)
    index.gate.clear()
    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(project, running, "Lib") for _ in range(4)]
        assert index.asked.wait(20)
        index.gate.set()
        page, *_ = [answer.result() for answer in answers]
    assert (page.status, page.json()["_own"]) == (200, False)
    assert index.paths == ["/simple/lib/"]
    # the login is the index's
    assert index.seen[0][1]["Authorization"] == f"Basic {base64.b64encode(LOGIN.encode()).decode()}"
    for _ in range(2):
        assert file_of(running, page).body == LIB
    assert index.paths == ["/simple/lib/", "/files/lib-1.0-py3-none-any.whl"]
    [kept] = running.process.state.rglob("lib-1.0-py3-none-any.whl")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    for folder in (kept.parent, kept.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder


def test_html_page_is_read_and_the_browser_never_sees_the_other_address(
    running: Site, index: PackageServer
) -> None:
    content = wheel("html_lib", "1.0", "")
    file = "html_lib-1.0-py3-none-any.whl"
    page = f'<!DOCTYPE html><a href="/files/{file}#sha256={sha(content)}">{file}</a>'
    index.pages["/simple/html-lib/"] = ("text/html", page.encode())
    index.pages[f"/files/{file}"] = ("application/zip", content)
    answer = project(running, "html_lib")
    assert answer.json()["files"][0]["url"] == f"../../files/{sha(content)}/{file}"
    assert file_of(running, answer).body == content
    metadata = running.request("GET", f"pcw/pypi/files/{sha(content)}/{file}.metadata")
    assert b"Name: html_lib" in metadata.body


@pytest.mark.parametrize(
    ("name", "content", "sha256", "reason", "said"),
    [
        ("liar", wheel("liar", "1.0", ""), "0" * 64, "corrupt", "came with another hash"),
        ("nozip", b"not a zip archive", "", "corrupt", "is no zip archive"),
        ("renamed", wheel("other", "1.0", ""), "", "corrupt", "another project"),
        ("huge", bytes(LARGEST + 1), "", "too-large", "1 MiB, the limit of this server"),
    ],
)
def test_bad_wheel_is_an_error_and_nothing_of_it_is_kept(
    running: Site, index: PackageServer, name: str, content: bytes, sha256: str, reason: str, said: str
) -> None:
    publish(index, name, content, sha256=sha256)
    answer = file_of(running, project(running, name))
    assert (answer.status, answer.json()["reason"]) == (503, reason)
    assert said in answer.json()["message"]
    assert list(running.process.state.rglob(f"{name}-*")) == []
    assert list(running.process.state.rglob(".part-*")) == []


def test_package_without_a_usable_wheel_says_which_tags_there_are(
    running: Site, index: PackageServer
) -> None:
    publish(index, "native", b"", file="native-1.0-cp314-cp314-manylinux_2_28_x86_64.whl")
    page = project(running, "native").json()
    assert page["files"] == []
    assert page["_unusable"] == ["there is cp314-cp314-manylinux_2_28_x86_64"]


def test_names_that_are_denied_unknown_or_the_administrators_are_not_asked_for(
    running: Site, index: PackageServer
) -> None:
    refused = project(running, "Secret_Thing")
    assert (refused.status, refused.json()["reason"]) == (403, "forbidden")
    assert (
        "may not fetch secret-thing from an index (PcwExtension.packages_deny)" in refused.json()["message"]
    )
    assert project(running, "mine").json()["_own"] is True
    for path in ("..%2f..%2fetc", "http:%2f%2f127.0.0.1%2fx"):
        assert running.request("GET", f"pcw/pypi/simple/{path}/", headers=JSON).status == 404
    assert index.paths == []
    unknown = project(running, "nobody-has-it")
    assert (unknown.status, unknown.json()["reason"]) == (404, "unknown")
    assert (
        "Neither this server nor the index that it asks has a package nobody-has-it"
        in unknown.json()["message"]
    )


def test_stranger_makes_the_server_ask_nobody(running: Site, index: PackageServer) -> None:
    publish(index, "strange", LIB)
    cookie, _ = running.login()
    path = "pcw/pypi/simple/strange/"
    assert running.request("GET", path, authenticated=False).status == 403
    foreign = {"Cookie": cookie, "Sec-Fetch-Site": "cross-site"}
    assert running.request("GET", path, headers=foreign, authenticated=False).status == 403
    assert index.paths == []


def test_broken_index_is_said_without_its_address_or_login(running: Site, index: PackageServer) -> None:
    index.fault = "redirect ftp://elsewhere.example/SECRETPATH"
    answer = project(running, "redirected")
    assert (answer.status, answer.json()["reason"]) == (503, "unreachable")
    assert "The index that this server asks did not give the page of redirected" in answer.json()["message"]
    index.fault = None
    index.pages["/simple/garbled/"] = ("text/html", b"{")
    assert "is no JSON of a wheel index" in project(running, "garbled").json()["message"]
    shown = answer.body.decode() + running.process.printed()
    for secret in ("SECRETPASSWORD", "SECRETPATH", base64.b64encode(LOGIN.encode()).decode()):
        assert secret not in shown
    assert "127.0.0.1" not in answer.body.decode()


def test_index_that_is_not_there_is_unreachable() -> None:
    with package_server() as server:
        gone = http_index(server)
    with pytest.raises(PackageError, match="did not give the page of lib") as raised:
        gone.files("lib")
    assert raised.value.reason == "unreachable"


@pytest.mark.parametrize(
    ("answer", "followed"),
    [("http://127.0.0.1:{port}/simple/lib/", True), ("http://localhost:{port}/simple/lib/", False)],
)
def test_redirection_leads_to_the_same_host_or_nowhere(
    index: PackageServer, answer: str, followed: bool
) -> None:
    publish(index, "lib", LIB)
    with package_server() as first:
        first.fault = "redirect " + answer.format(port=index.url.rpartition(":")[2].rstrip("/"))
        asked = http_index(first, LOGIN)
        if followed:
            assert [one.file for one in asked.files("lib")] == ["lib-1.0-py3-none-any.whl"]
            # another port is another origin: the login stays behind
            assert "Authorization" not in index.seen[0][1]
        else:
            with pytest.raises(PackageError, match="not followed"):
                asked.files("lib")
            assert index.paths == []


def test_files_of_another_host_over_http_are_left_out(index: PackageServer) -> None:
    file = {
        "filename": "lib-1.0-py3-none-any.whl",
        "url": "http://other.example/x",
        "hashes": {"sha256": "0" * 64},
    }
    index.pages["/simple/lib/"] = (pages.JSON, json.dumps({"files": [file]}).encode())
    asked = http_index(index)
    assert asked.files("lib") == []
    wanted = WheelFile("lib-1.0-py3-none-any.whl", "0" * 64, url="file:///etc/passwd")
    with pytest.raises(PackageError, match="not followed"):
        list(asked.read(wanted))


def test_answer_that_is_cut_is_an_error(index: PackageServer) -> None:
    file = publish(index, "lib", LIB)
    asked = http_index(index)
    [found] = asked.files("lib")
    index.fault = "cut"
    with pytest.raises(PackageError, match=f"{file} broke off"):
        list(asked.read(found))


def test_metadata_with_another_hash_are_refused(index: PackageServer) -> None:
    index.pages["/files/lib.whl.metadata"] = ("text/plain", b"Name: lib")
    found = WheelFile(
        "lib-1.0-py3-none-any.whl", "0" * 64, url=f"{index.url}files/lib.whl", metadata=sha(b"Name: lib")
    )
    assert http_index(index).read_metadata(found) == b"Name: lib"
    index.pages["/files/lib.whl.metadata"] = ("text/plain", b"Name: lib\nRequires-Dist: evil")
    with pytest.raises(PackageError, match="have another hash than it names"):
        http_index(index).read_metadata(found)


def test_first_index_that_has_a_project_is_the_only_one_asked_for_it(index: PackageServer) -> None:
    publish(index, "lib", LIB)
    with package_server() as company:
        publish(company, "lib", LIB)
        publish(company, "other", LIB)
        both = Indexes([http_index(company), http_index(index)])
        [found] = both.files("lib")
        assert b"".join(both.read(found)) == LIB
        assert index.paths == []
        publish(index, "public", LIB)
        assert both.files("public")
        assert both.files("nobody") == []


def test_configuration_of_pip_is_read_as_pip_reads_it(tmp_path: Path) -> None:
    weak, strong = tmp_path / "weak.conf", tmp_path / "strong.conf"
    weak.write_text("[global]\nindex-url = https://one/simple\ncert = /ca.pem\n")
    strong.write_text(
        "[install]\nindex_url = https://two/simple\n[global]\nindex-url = https://three/simple\n"
    )
    files = [weak, strong, tmp_path / "absent"]
    assert pip_configuration.read({}, files) == pip_configuration.PipConfiguration(
        ("https://two/simple",), "/ca.pem"
    )
    environment = {"PIP_INDEX_URL": "https://four/", "PIP_EXTRA_INDEX_URL": "https://a/ https://b/"}
    assert pip_configuration.read(environment, files).indexes == ("https://a/", "https://b/", "https://four/")
    assert pip_configuration.read({"PIP_NO_INDEX": "1"}, files).indexes == ()
    assert pip_configuration.read({}, []).indexes == (pip_configuration.DEFAULT_INDEX,)
    (tmp_path / "bad.conf").write_text("no section = 1")
    missing = [tmp_path / "missing.conf", tmp_path]
    assert pip_configuration.read({}, missing).indexes == (pip_configuration.DEFAULT_INDEX,)
    with pytest.raises(
        ConfigurationError, match=r"bad\.conf cannot be read .* set PcwExtension\.packages_index"
    ):
        pip_configuration.read({}, [tmp_path / "bad.conf"])


def test_files_of_pip_are_those_of_home_and_the_named_one(tmp_path: Path) -> None:
    named = tmp_path / "named.conf"
    named.write_text("[global]\nextra-index-url =\n    https://a/\n    https://b/\n")
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    (tmp_path / ".config" / "pip" / "pip.conf").write_text("[global]\nindex-url = https://one/\n")
    environment = {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / ".config"),
        "PIP_CONFIG_FILE": str(named),
    }
    assert pip_configuration.read(environment).indexes == ("https://a/", "https://b/", "https://one/")


@pytest.mark.parametrize("value", ["ftp://host/", "host/simple", "http://:SECRET@/", "file:///srv"])
def test_setting_that_is_no_index_is_refused_without_being_repeated(value: str) -> None:
    with pytest.raises(TraitError, match=r"must be pip, an http\(s\) address") as raised:
        PcwExtension(packages_index=value)
    assert "SECRET" not in str(raised.value)


def test_settings_make_an_index_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert make_upstream("pip", largest=1, log=LOG) is None
    assert make_upstream("", largest=1, log=LOG) is None
    made = make_upstream("https://u:SECRET@host/TOKEN/simple", largest=1, log=LOG)
    assert made is not None
    assert made.name == "host"
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "nonsense SECRET")
    with pytest.raises(ConfigurationError, match="index-url") as raised:
        make_upstream("pip", largest=1, log=LOG)
    assert "SECRET" not in str(raised.value)


def test_missing_certificates_of_pip_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "absent.pem"))
    with pytest.raises(ConfigurationError, match=r"certificate file \(cert\)"):
        make_upstream("pip", largest=1, log=LOG)
