"""A Jupyter installation of the test's own, and the doctor that looks at it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pcw_server_ext.cli import main as cli
from pcw_server_ext.site.check.findings import Finding
from tests.support.installation import Doctor, Installation, Report
from tests.support.paths import REPOSITORY


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """The extension of this source tree, without anybody's own settings, and nothing that asks the internet."""
    for name in [name for name in os.environ if name.startswith(("JUPYTER", "SPARK"))]:
        monkeypatch.delenv(name)
    made = Installation(tmp_path / "config", tmp_path / "data", tmp_path / "runtime")
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(made.config))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(made.data))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(made.runtime))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(REPOSITORY / "jupyter-config"))
    made.configure('c.PcwExtension.packages_source = ""\n', "jupyter_pcw_server_ext_config.py")
    return made


@pytest.fixture
def doctor(installation: Installation, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Run `jupyter pcw doctor` on the installation; every fault that it finds must name the next step."""

    def run(*arguments: str) -> Report:
        status = cli.main(["doctor", "--json", *arguments])
        printed = capsys.readouterr().out
        report = json.loads(printed)
        findings = [Finding(**finding) for finding in report["findings"]]
        faults = [finding for finding in findings if finding.status == "failed"]
        assert all(finding.fix for finding in faults)
        assert report["ok"] is (not faults)
        assert status == (1 if faults else 0)
        return Report(status, findings, printed)

    return run
