"""Finding the server to stage on, and sending a site to it."""

from __future__ import annotations

import http.server
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pcw_server_ext.errors import SiteError, SiteRefused
from pcw_server_ext.site.staging import upload as module
from pcw_server_ext.site.staging.upload import TOKEN_VARIABLE, find_server, upload
from tests.support.jupyter import JupyterProcess, free_port
from tests.support.server import start
from tests.support.web import Site

MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("http://host:8888", "http://host:8888/"),
        ("http://host:8888/user/x/lab", "http://host:8888/user/x/"),
        ("https://host/user/x/", "https://host/user/x/"),
        ("https://host/user/x/tree", "https://host/user/x/"),
    ],
)
def test_address_as_copied_from_a_browser_is_understood(
    given: str, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "secret")
    assert find_server(given) == (base, "secret")


@pytest.mark.parametrize("given", ["host:8888", "ftp://host/", "http://host/?token=SECRET"])
def test_address_that_cannot_be_used_is_refused(given: str) -> None:
    with pytest.raises(SiteRefused) as raised:
        find_server(given)
    assert "SECRET" not in str(raised.value)


def test_no_running_server_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(SiteError, match="--server URL"):
        find_server(None)


def test_server_that_is_not_there_and_folder_that_is_no_site_are_said(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="holds no site"):
        upload(tmp_path, "x", "http://127.0.0.1:1/", "")
    (tmp_path / "index.html").write_text("x")
    with pytest.raises(SiteError, match="cannot be reached"):
        upload(tmp_path, "x", f"http://127.0.0.1:{free_port()}/", "SECRET")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A site of four megabytes that do not compress: more than a connection buffers."""
    made = tmp_path / "site"
    made.mkdir()
    (made / "index.html").write_text("root page")
    (made / "data.bin").write_bytes(random.Random(1).randbytes(4 * MEGABYTE))
    return made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterProcess]:
    """A Jupyter server that takes small sites only."""
    limit = f"--SiteService.max_site_size={5 * MEGABYTE}"
    with start(tmp_path_factory.mktemp("server"), limit, base_url="/user/x/") as process:
        yield process


def test_site_is_sent_and_sent_again(server: JupyterProcess, folder: Path) -> None:
    for text in ("first", "second"):
        (folder / "index.html").write_text(text)
        assert upload(folder, "mine", server.url, server.token) == f"{server.url}pcw/sites/mine/"
        assert Site(server).request("GET", "pcw/sites/mine/").body == text.encode()


def test_refusals_say_what_to_give_and_what_to_raise(server: JupyterProcess, folder: Path) -> None:
    for token in ("", "WRONG"):
        with pytest.raises(SiteError, match=TOKEN_VARIABLE) as raised:
            upload(folder, "mine", server.url, token)
        assert "WRONG" not in str(raised.value)
    with pytest.raises(SiteError, match="no staging area"):
        upload(folder, "mine", f"{server.url}nothing/", server.token)
    (folder / "more.bin").write_bytes(bytes(20 * MEGABYTE))
    with pytest.raises(SiteError, match="max_site_size"):
        upload(folder, "large", server.url, server.token)
    (folder / "more.bin").write_bytes(random.Random(2).randbytes(8 * MEGABYTE))
    # Refused by its length: the connection is closed while it is being sent.
    with pytest.raises(SiteError, match="max_site_size"):
        upload(folder, "large", server.url, server.token)


class _Peer(http.server.BaseHTTPRequestHandler):
    """Says that there is a staging area, and then does not do its part of an upload."""

    answers = threading.Event()
    reads = True

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_PUT(self) -> None:
        if self.reads:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answers.wait(20)
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.mark.parametrize(
    ("reads", "words"), [(True, "did not answer within 0.5 s"), (False, "closed the connection before")]
)
def test_server_that_falls_silent_or_hangs_up_is_told_in_plain_words(
    reads: bool, words: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STAGE_TIMEOUT", 0.5)
    monkeypatch.setattr(_Peer, "reads", reads)
    monkeypatch.setattr(_Peer, "answers", threading.Event())
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Peer) as peer:
        thread = threading.Thread(target=peer.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            with pytest.raises(SiteError) as raised:
                upload(folder, "mine", f"http://127.0.0.1:{peer.server_address[1]}/", "SECRET")
        finally:
            _Peer.answers.set()
            peer.shutdown()
            thread.join()
    assert words in str(raised.value)
    assert "before you stage it again" in str(raised.value)
    assert "SECRET" not in str(raised.value)
