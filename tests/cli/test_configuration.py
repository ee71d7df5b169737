"""Commands read the configuration that the server reads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pcw_server_ext.cli.server_configuration import ServerConfiguration
from pcw_server_ext.errors import ConfigurationError
from tests.support.installation import Installation
from tests.support.server import start
from tests.support.web import Site

ENDPOINTS = {"a": "sc://127.0.0.1:1", "b": "sc://127.0.0.1:2"}


def test_settings_come_from_every_place_that_the_server_reads(installation: Installation) -> None:
    """A real JupyterLab is started with the same files and options; its page says what it has read."""
    folder = installation.config
    installation.configure(
        json.dumps({"PcwExtension": {"endpoints": ENDPOINTS, "isolation": "require-corp", "channel": "xhr"}}),
        "jupyter_server_config.json",
    )
    installation.configure('c.PcwExtension.channel = "sab"\nc.PcwExtension.isolation = "off"\n')
    installation.configure("c.PcwExtension.prefetch = False\n", "jupyter_lab_config.py")
    installation.configure('c.PcwExtension.default_endpoint = "b"\n', "jupyter_pcw_server_ext_config.py")
    overrides = ["--PcwExtension.isolation=require-corp"]

    process = start(
        folder.parent / "server", *overrides, app="lab", environment={"JUPYTER_CONFIG_DIR": str(folder)}
    )
    with process:
        page = Site(process).request("GET", "lab").body.decode()
    found = re.search(r'<script id="jupyter-config-data" type="application/json">(.*?)</script>', page, re.S)
    assert found is not None
    shown = json.loads(json.loads(found[1])["pcw"])

    configuration = ServerConfiguration(overrides)
    settings = configuration.extension()
    names = ("isolation", "channel", "prefetch")
    assert {name: getattr(settings, name) for name in names} == {name: shown[name] for name in names}
    assert settings.make_endpoints().default == shown["endpoint"] == "b"
    # not the defaults, by which the comparison would say nothing
    assert [shown[name] for name in names] == ["require-corp", "xhr", False]
    assert configuration.enabled
    assert {Path(path).name for path in configuration.files} == {
        "jupyter_server_config.json",
        "jupyter_server_config.py",
    }
    assert [one.file_left_out for one in configuration.problems] == [False]
    assert configuration.problems[0].text.startswith("Collisions detected in")


def test_folder_of_the_path_variable_and_its_drop_in_files_are_read(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    (shared / "jupyter_server_config.d").mkdir(parents=True)
    (shared / "jupyter_server_config.py").write_text('c.PcwExtension.engine = "sail"\n')
    drop_in = {"ServerApp": {"jpserver_extensions": {"pcw_server_ext": False}}}
    (shared / "jupyter_server_config.d" / "ours.json").write_text(json.dumps(drop_in))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(shared))
    configuration = ServerConfiguration()
    assert configuration.extension().engine == "sail"
    assert not configuration.enabled


def test_another_file_can_be_named(installation: Installation, tmp_path: Path) -> None:
    installation.configure('c.PcwExtension.engine = "sail"\n')
    other = tmp_path / "other.py"
    other.write_text('c.PcwExtension.engine = "spark"\n')
    assert ServerConfiguration().extension().engine == "sail"
    assert ServerConfiguration(config_file=str(other)).extension().engine == "spark"
    with pytest.raises(ConfigurationError, match=r"--config: there is no file .*absent\.py"):
        ServerConfiguration(config_file=str(tmp_path / "absent.py"))


def test_file_with_a_mistake_is_named_and_left_out_as_the_server_does(installation: Installation) -> None:
    path = installation.configure('c.PcwExtension.engine = "sail"\nc.PcwExtension.endpoints = {\n')
    configuration = ServerConfiguration()
    assert configuration.extension().engine == "auto"
    assert [one.file_left_out for one in configuration.problems] == [True]
    assert str(path) in configuration.problems[0].text
    assert "SyntaxError" in configuration.problems[0].text


@pytest.mark.parametrize("option", ["--PcwExtension.engine=flink", "--PcwExtension.stream_window=1"])
def test_refused_setting_is_named(option: str, installation: Installation) -> None:
    with pytest.raises(ConfigurationError, match=option.partition("=")[0].rpartition(".")[2]):
        ServerConfiguration([option]).extension()


def test_setting_with_which_jupyter_does_not_start_is_said(installation: Installation) -> None:
    with pytest.raises(ConfigurationError, match=r"would not start .*port"):
        ServerConfiguration(["--ServerApp.port=many"])


def test_reading_prints_nothing_and_changes_nothing(
    installation: Installation, capfd: pytest.CaptureFixture[str]
) -> None:
    before = sorted(installation.config.rglob("*"))
    ServerConfiguration().extension()
    assert capfd.readouterr() == ("", "")
    assert sorted(installation.config.rglob("*")) == before
