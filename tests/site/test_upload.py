"""Finding the server to stage on."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcw_server_ext.site.errors import SiteError, SiteRefused
from pcw_server_ext.site.upload import TOKEN_VARIABLE, find_server, upload
from tests.support.jupyter import free_port


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
