"""Where an endpoint's token comes from: read, renewed, and never shown when something fails."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from pcw_server_ext.errors import ConfigurationError, UpstreamError
from pcw_server_ext.proxy.upstream.configuration import gather, read_file, remote_endpoint
from pcw_server_ext.proxy.upstream.credentials import CommandCredential, FileCredential, parse_output
from pcw_server_ext.proxy.upstream.endpoints import RemoteEndpoint
from pcw_server_ext.proxy.upstream.http2 import Limits
from tests.support.server import StartServer
from tests.support.upstream import SyntheticUpstream, order

LOG = logging.getLogger("tests.credentials")
NOW = 1_800_000_000.0
ISO = datetime.fromtimestamp(NOW + 60, timezone.utc)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), 60)

    asyncio.run(limited())


def make_endpoint(config: Any) -> RemoteEndpoint:
    return remote_endpoint("x", config, LOG, limits=Limits(), keepalive=0, where="here")


# -- what commands print


@pytest.mark.parametrize(
    ("printed", "expires"),
    [
        ({"token": "T", "expires_at": NOW + 60}, NOW + 60),
        ({"token": "T", "expires_at": ISO.isoformat()}, NOW + 60),
        ({"token": "T", "expires_in": 60}, NOW + 60),
        ({"access_token": "T", "expiry": ISO.isoformat().replace("+00:00", ".123456789Z")}, NOW + 60.123456),
        ({"access_token": "T", "token_expiry": ISO.isoformat().replace("+00:00", "Z")}, NOW + 60),
        ({"access_token": "T", "expiry": ISO.isoformat().replace("+00:00", ".5Z")}, NOW + 60.5),
        ({"accessToken": "T", "expires_on": int(NOW) + 60, "expiresOn": "2027-01-15 09:01:00.0"}, NOW + 60),
        ({"accessToken": "T", "expires_on": str(int(NOW) + 60)}, NOW + 60),
        ({"status": {"token": "T", "expirationTimestamp": "2027-01-15T08:01:00Z"}}, NOW + 60),
    ],
)
def test_output_of_well_known_tools_is_read(printed: object, expires: float) -> None:
    assert parse_output(json.dumps(printed).encode(), NOW) == ("T", pytest.approx(expires))


@pytest.mark.parametrize(
    ("printed", "what"),
    [
        ("", "JSON"),
        ("SECRET", "JSON"),
        ('["SECRET"]', "JSON object"),
        ('{"token": 5, "expires_in": 60}', "no token"),
        ('{"secret": "SECRET", "expires_in": 60}', "no token"),
        ('{"token": "", "expires_in": 60}', "empty"),
        ('{"token": "SECRET\\nx-evil: 1", "expires_in": 60}', "header"),
        ('{"token": "SECRET\\u00e9", "expires_in": 60}', "header"),
        ('{"token": "SECRET"}', "no expiry"),
        ('{"token": "SECRET", "expires_at": "SECRET"}', "ISO 8601"),
        ('{"token": "SECRET", "expires_at": "2027-01-15T08:01:00"}', "time zone"),
    ],
)
def test_other_output_is_refused_without_repeating_it(printed: str, what: str) -> None:
    with pytest.raises(ValueError, match=what) as caught:
        parse_output(printed.encode(), NOW)
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


# -- commands


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def counting(folder: Path, life: float, *, then: str = ":") -> list[str]:
    """A command whose token tells how often it ran."""
    script = (
        f'echo x >> {folder}/runs; n=$(wc -l < {folder}/runs); {then}; echo "{{\\"token\\": \\"SECRET-$n\\",'
    )
    return ["sh", "-c", f'{script} \\"expires_in\\": {life}}}"']


def runs(folder: Path) -> int:
    file = folder / "runs"
    return len(file.read_text().split()) if file.exists() else 0


def command(words: list[str], clock: Clock, timeout: float = 30) -> CommandCredential:
    return CommandCredential(words, "cluster", LOG, timeout=timeout, clock=clock)


def test_command_runs_once_for_all_who_wait_and_again_before_the_end(tmp_path: Path) -> None:
    async def test() -> None:
        clock = Clock()
        credential = command(counting(tmp_path, 100, then="sleep 0.2"), clock)
        assert credential.ready() is None
        assert await asyncio.gather(*(credential.get() for _ in range(10))) == ["SECRET-1"] * 10
        clock.now += 79
        assert credential.ready() == "SECRET-1"
        assert credential._running is not None
        assert credential._running.done()
        clock.now += 2
        # a fifth of its life is left: renewed behind the calls, which go on with the old one
        assert [credential.ready() for _ in range(5)] == ["SECRET-1"] * 5
        await credential._running
        assert credential.ready() == "SECRET-2"
        clock.now += 1000
        assert credential.ready() is None
        assert await credential.get() == "SECRET-3"
        assert runs(tmp_path) == 3

    run(test)


def test_failure_is_remembered_for_a_while_and_the_old_token_used_until_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        clock = Clock()
        words = counting(tmp_path, 100, then='if [ $n -gt 1 ]; then echo "SECRET" >&2; exit 3; fi')
        credential = command(words, clock)
        assert await credential.get() == "SECRET-1"
        clock.now += 90
        assert credential.ready() == "SECRET-1"
        assert credential._running is not None
        await credential._running
        assert [credential.ready() for _ in range(5)] == ["SECRET-1"] * 5
        assert runs(tmp_path) == 2
        clock.now += 10
        for _ in range(3):
            with pytest.raises(UpstreamError, match="exit code 3") as caught:
                await credential.get()
            assert caught.value.code == 16
            assert "SECRET" not in caught.value.message
        assert runs(tmp_path) == 3
        clock.now += 10
        with pytest.raises(UpstreamError):
            await credential.get()
        assert runs(tmp_path) == 4

    with caplog.at_level(logging.DEBUG):
        run(test)
    assert "cluster" in caplog.text
    assert "exit code 3" in caplog.text
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["/none/at/all"], "cannot be started"),
        (["sh", "-c", "kill -9 $$"], "signal 9"),
        (["sh", "-c", "yes SECRET"], "more than 65536 bytes"),
        (["echo", '{"token": "SECRET", "expires_in": -1}'], "has expired"),
        (["cat"], "JSON"),
    ],
)
def test_command_that_fails_says_how(words: list[str], what: str) -> None:
    async def test() -> None:
        with pytest.raises(UpstreamError, match=what) as caught:
            await command(words, Clock()).get()
        assert "SECRET" not in caught.value.message
        assert "Run it by hand" in caught.value.message

    run(test)


def alive(folder: Path) -> bool:
    pid = int((folder / "pid").read_text())
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def until(condition: Callable[[], bool]) -> None:
    """Wait for another process, which announces nothing."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not happen within 10 s")


@pytest.mark.parametrize("how", ["timeout", "close"])
def test_command_that_hangs_is_ended_with_what_it_started(tmp_path: Path, how: str) -> None:
    words = [
        "sh",
        "-c",
        f"sleep 300 & echo $! > {tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; wait",
    ]

    async def test() -> None:
        credential = command(words, Clock(), timeout=1.0 if how == "timeout" else 300)
        waiting = asyncio.ensure_future(credential.get())
        await until(lambda: (tmp_path / "pid").exists() or waiting.done())
        if how == "timeout":
            with pytest.raises(UpstreamError, match="longer than 1 s"):
                await waiting
        else:
            assert alive(tmp_path)
            await credential.close()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await until(lambda: not alive(tmp_path))

    run(test)


# -- files


def test_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    clock = Clock()
    file = tmp_path / "token"
    file.write_text("one\n")
    credential = FileCredential(file, clock)
    assert credential.ready() == "one"
    (tmp_path / "new").write_text("two")
    (tmp_path / "new").rename(file)
    assert credential.ready() == "one"
    clock.now += 1
    assert credential.ready() == "two"
    file.unlink()
    clock.now += 1
    with pytest.raises(UpstreamError, match="token_file cannot be read") as caught:
        credential.ready()
    assert str(tmp_path) not in caught.value.message
    file.write_text("SECRET\nSECRET")
    with pytest.raises(UpstreamError, match="header") as caught:
        credential.ready()
    assert "SECRET" not in caught.value.message


# -- configuration


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({"url": "sc://h", "token_command": []}, "list of words"),
        ({"url": "sc://h", "token_command": "a 'b"}, "list of words"),
        ({"url": "sc://h", "token_command": ["a", 5]}, "list of words"),
        ({"url": "sc://h", "token_command": "a", "token_command_timeout": 0}, "600 seconds"),
        ({"url": "sc://h", "token_command": "a", "token_file": "b"}, "one place"),
        ({"url": "sc://h/;token=SECRET", "token_command": "a"}, "one place"),
    ],
)
def test_wrong_credential_is_refused_with_its_place(config: Any, what: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^here: .*{what}") as caught:
        make_endpoint(config)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("kind", ["url", "token_env", "token_file", "token_command"])
def test_credential_goes_over_tls_but_to_this_machine(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PCW_TEST_TOKEN", "T")
    (tmp_path / "token").write_text("T")
    more = {
        "url": {},
        "token_env": {"token_env": "PCW_TEST_TOKEN"},
        "token_file": {"token_file": str(tmp_path / "token")},
        "token_command": {"token_command": "true"},
    }[kind]

    async def test() -> None:
        for host, encrypted in (("spark.example", True), ("localhost", False)):
            url = f"sc://{host}/;token=T" if kind == "url" else f"sc://{host}"
            endpoint = make_endpoint({"url": url, **more})
            assert (endpoint.upstream.address.tls is not None) is encrypted

    run(test)


def test_file_of_endpoints_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "endpoints.json"
    file.write_text('{"a": "sc://h/;token=SECRET", "b": {"url": "sc://i"}}')
    file.chmod(0o644)
    found = gather({"c": "sc://j"}, str(file), "sc://remote", LOG)
    assert list(found) == ["c", "a", "b"]
    assert "chmod 600" in caplog.text
    assert "SECRET" not in caplog.text
    with pytest.raises(ConfigurationError, match="has that name too"):
        gather({"a": "sc://j"}, str(file), "", LOG)
    assert gather({}, "", "sc://remote", LOG) == {"default": ("SPARK_REMOTE", "sc://remote")}


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "cannot be read"),
        ("{", "not JSON"),
        ("[]", "JSON object"),
        ('{"a b": "sc://h"}', "letters"),
        ('{"a": "http://h/;token=SECRET"}', "start with sc://"),
        ('{"a": {"url": "sc://h", "password": "SECRET"}}', "'password' is not known"),
    ],
)
def test_wrong_file_of_endpoints_is_refused(tmp_path: Path, content: str | None, what: str) -> None:
    file = tmp_path / "endpoints.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigurationError, match=what) as caught:
        read_file(file, LOG)
    assert "endpoints_file" in str(caught.value)
    assert "SECRET" not in str(caught.value)


# -- in a server


def test_server_sends_each_endpoints_own_credential_and_shows_none(
    start_server: StartServer, upstream: SyntheticUpstream, tmp_path: Path
) -> None:
    good = counting(tmp_path, 3600)
    file = tmp_path / "endpoints.json"
    file.write_text(
        json.dumps(
            {
                "command": {"url": upstream.address, "token_command": good},
                "broken": {"url": upstream.address, "token_command": ["sh", "-c", "echo SECRET-OUT; exit 7"]},
                "nobody": {"url": "sc://127.0.0.1:1/;token=SECRET-URL"},
            }
        )
    )
    file.chmod(0o600)
    site = start_server(
        f"--PcwExtension.endpoints={{'env': {{'url': '{upstream.address}', 'token_env': 'PCW_TEST_TOKEN'}}}}",
        f"--PcwExtension.endpoints_file={file}",
        "--PcwExtension.default_endpoint=command",
        environment={"PCW_TEST_TOKEN": "SECRET-ENV"},
    )
    for name, token in (("env", "SECRET-ENV"), ("command", "SECRET-1"), ("default", "SECRET-1")):
        answer = site.grpc("AnalyzePlan", order(), endpoint=name)
        assert answer.status == 0, answer.trailers
        assert json.loads(answer.messages[0])["metadata"]["authorization"] == f"Bearer {token}"
    broken = site.grpc("AnalyzePlan", order(), endpoint="broken")
    assert broken.status == 16
    assert "exit code 7" in broken.message
    assert "SECRET" not in broken.message
    health = {
        name: site.request("GET", f"pcw/api/endpoints/{name}").json()
        for name in ("env", "command", "broken", "nobody")
    }
    assert {name: (found["healthy"], found["state"]) for name, found in health.items()} == {
        "env": (True, "running"),
        "command": (True, "running"),
        "broken": (False, "failed"),
        "nobody": (False, "failed"),
    }
    assert set(health["env"]) == {"name", "kind", "state", "default", "healthy", "message"}
    assert site.request("GET", "pcw/api/endpoints/absent").status == 404
    assert site.request("GET", "pcw/api/endpoints/env", authenticated=False).status == 403
    listed = site.request("GET", "pcw/api/endpoints")
    assert [found["name"] for found in listed.json()["endpoints"]] == ["env", "command", "broken", "nobody"]
    for shown in (listed.body.decode(), json.dumps(health), site.process.printed()):
        assert "SECRET" not in shown
