"""Tokens for one endpoint as they are kept: hashed, bound to a server, ended by time or by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pcw_server_ext.errors import TokenError
from pcw_server_ext.proxy.access.scoped_tokens import ScopedTokens, scoped_token

USER = {"cookie": '{"username": "ann"}'}


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(folder: Path, clock: Clock, base_url: str = "/user/ann/", max_ttl: int = 1000) -> ScopedTokens:
    return ScopedTokens(folder / "tokens", base_url, max_ttl=max_ttl, clock=clock)


def test_token_is_found_until_it_expires(tmp_path: Path, clock: Clock) -> None:
    tokens = make(tmp_path, clock)
    kept, token = tokens.mint("default", "ann", USER, ttl=100, note="for a talk")
    assert tokens.find(token) == kept
    assert (kept.endpoint, kept.username, kept.user, kept.note) == ("default", "ann", USER, "for a talk")
    clock.now += 99.9
    assert tokens.find(token) == kept
    clock.now += 0.1
    assert tokens.find(token) is None
    assert tokens.list() == []
    assert list((tmp_path / "tokens").iterdir()) == []


def test_only_a_hash_is_kept_and_others_cannot_read_it(tmp_path: Path, clock: Clock) -> None:
    kept, token = make(tmp_path, clock).mint("default", "ann", USER, ttl=100)
    secret = token.rpartition(kept.id + "_")[2]
    assert len(secret) == 43
    assert secret not in repr(kept)
    assert kept.hash not in repr(kept)
    (file,) = (tmp_path / "tokens").iterdir()
    assert secret not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0


def test_revoked_token_is_gone_at_once_for_every_server_of_the_folder(tmp_path: Path, clock: Clock) -> None:
    one, other = make(tmp_path, clock), make(tmp_path, clock)
    kept, token = one.mint("default", "ann", USER, ttl=100)
    assert other.find(token) is not None
    other.revoke(kept.id)
    assert one.find(token) is None
    one.revoke(kept.id)


def test_token_of_another_server_opens_nothing(tmp_path: Path, clock: Clock) -> None:
    _, token = make(tmp_path, clock).mint("default", "ann", USER, ttl=100)
    other = make(tmp_path, clock, "/user/ann/gpu/")
    assert other.find(token) is None
    assert other.list() == []


def test_changed_token_opens_nothing(tmp_path: Path, clock: Clock) -> None:
    tokens = make(tmp_path, clock)
    _, token = tokens.mint("default", "ann", USER, ttl=100)
    _, other = tokens.mint("default", "bob", USER, ttl=100)
    last = "A" if token[-1] != "A" else "B"
    for wrong in (
        token[:-1],
        token[:-1] + last,
        token + "A",
        token.upper(),
        token[:20] + other[20:],
        "pcw_" + "0" * 16 + token[20:],
        "pcw_../../../etc/x_" + "A" * 43,
        "",
    ):
        assert tokens.find(wrong) is None
    tokens.revoke("../tokens")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": 1}', '{"format": 2}'])
def test_damaged_file_opens_nothing(tmp_path: Path, clock: Clock, content: str) -> None:
    tokens = make(tmp_path, clock)
    kept, token = tokens.mint("default", "ann", USER, ttl=100)
    (tmp_path / "tokens" / f"{kept.id}.json").write_text(content)
    assert tokens.find(token) is None
    assert tokens.list() == []


def test_file_of_another_version_opens_nothing(tmp_path: Path, clock: Clock) -> None:
    tokens = make(tmp_path, clock)
    kept, token = tokens.mint("default", "ann", USER, ttl=100)
    file = tmp_path / "tokens" / f"{kept.id}.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 2}))
    assert tokens.find(token) is None


@pytest.mark.parametrize("ttl", [0, -1, 1001])
def test_lifetime_has_limits(tmp_path: Path, clock: Clock, ttl: int) -> None:
    with pytest.raises(TokenError, match="1 to 1000 seconds"):
        make(tmp_path, clock).mint("default", "ann", USER, ttl=ttl)


def test_switched_off_tokens_open_nothing(tmp_path: Path, clock: Clock) -> None:
    _, token = make(tmp_path, clock).mint("default", "ann", USER, ttl=100)
    off = make(tmp_path, clock, max_ttl=0)
    assert off.find(token) is None
    with pytest.raises(TokenError, match="switched off"):
        off.mint("default", "ann", USER, ttl=1)


def test_number_of_tokens_is_limited(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pcw_server_ext.proxy.access.scoped_tokens._MOST", 3)
    tokens = make(tmp_path, clock)
    for _ in range(3):
        tokens.mint("default", "ann", USER, ttl=100)
    with pytest.raises(TokenError, match="--list"):
        tokens.mint("default", "ann", USER, ttl=100)
    clock.now += 100
    tokens.mint("default", "ann", USER, ttl=100)


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer pcw_x", "pcw_x"),
        ("bearer   pcw_x ", "pcw_x"),
        ("token pcw_", "pcw_"),
        ("Bearer other", None),
        ("Basic pcw_x", None),
        ("pcw_x", None),
        ("Bearer pcw_x y", None),
        ("", None),
    ],
)
def test_header(header: str, token: str | None) -> None:
    assert scoped_token(header) == token
