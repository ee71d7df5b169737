"""``jupyter pcw``: dispatch and the doctor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pcw_server_ext import __version__, cli, doctor
from tests.server.conftest import make_bundle


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["no-such-command"]])
def test_wrong_command_is_an_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: jupyter pcw" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["doctor", "build", "serve"])
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([name, "--help"])
    assert caught.value.code == 0
    assert f"usage: jupyter pcw {name}" in capsys.readouterr().out


def test_doctor_reports_versions_runtime_and_engine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPARK_REMOTE", raising=False)
    status = cli.main(["doctor", "--json"])
    found = {f["name"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert {"python", "jupyterlab", "pysail", "browser runtime", "engine"} <= set(found)
    assert found["engine"]["ok"]
    assert status == (0 if all(f["ok"] for f in found.values()) else 1)


def test_doctor_names_the_remedy_for_a_missing_runtime(tmp_path: Path) -> None:
    finding = doctor.runtime(tmp_path)
    assert not finding.ok
    assert "make build" in finding.text


def test_doctor_reads_a_runtime(tmp_path: Path) -> None:
    finding = doctor.runtime(make_bundle(tmp_path))
    assert finding.ok
    assert "hash 0123abcd" in finding.text


def test_doctor_shows_no_secret_of_spark_remote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_REMOTE", "sc://cluster:443/;token=SECRET")
    finding = doctor.engine()
    assert finding.ok
    assert "cluster:443" in finding.text
    assert "SECRET" not in finding.text
    monkeypatch.setenv("SPARK_REMOTE", "sc://cluster/x;token=SECRET")
    assert not doctor.engine().ok
    assert "SECRET" not in doctor.engine().text
