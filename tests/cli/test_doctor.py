"""The doctor on an installation that is well, and on broken ones: each fault is found, and its next step named."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pcw_server_ext.cli import main as cli
from pcw_server_ext.cli.doctor import spark as spark_checks
from pcw_server_ext.cli.doctor import versions
from pcw_server_ext.engines import sail
from pcw_server_ext.engines import spark as apache_spark
from pcw_server_ext.version import __version__
from pcw_server_ext.web import private_api
from tests.support.installation import Doctor, Installation
from tests.support.jupyter import JupyterProcess, free_port
from tests.support.paths import CLIENT, REPOSITORY
from tests.support.server import start
from tests.support.upstream import SyntheticUpstream

OWN = Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "pcw-server-ext"


def labextension(folder: Path, name: str, **changes: object) -> None:
    """Put an extension into a folder that JupyterLab looks into: ours with changes, or another one."""
    package = json.loads((OWN / "package.json").read_text()) if name == "pcw-server-ext" else {}
    package = {
        "name": name,
        "version": "1.2.3",
        "jupyterlab": {"_build": {"load": "x.js"}},
        **package,
        **changes,
    }
    target = folder / name
    target.mkdir(parents=True)
    (target / "package.json").write_text(json.dumps(package))


def java_that_says(version: str, home: Path) -> None:
    """A Java of that version, as far as `java -version` tells."""
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)


@pytest.fixture
def pyspark_with_jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed Apache Spark, as far as the choice of the engine looks."""
    monkeypatch.setattr(apache_spark, "spark_home", lambda: tmp_path / "pyspark")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterProcess]:
    """A JupyterLab with the extension."""
    process = start(tmp_path_factory.mktemp("lab"), app="lab")
    yield process
    process.stop()


# --- well -----------------------------------------------------------------------------------------------------


def test_installation_that_is_well(
    installation: Installation,
    doctor: Doctor,
    upstream: SyntheticUpstream,
    lab: JupyterProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = installation.configure(f'c.PcwExtension.endpoints = {{"cluster": "{upstream.address}"}}\n')
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(lab.state / "runtime"))
    report = doctor()
    assert report.failed == []
    assert str(path) in report["configuration"].text
    assert report["endpoint cluster (default)"].text.endswith(" answers")
    assert report["engine"].text == "none: queries go to the endpoint cluster"
    assert "compatible with JupyterLab" in report["labextension for this JupyterLab"].text
    assert report[f"version of server at {lab.url}"].text == __version__
    assert "credentialless" in report[f"isolation of server at {lab.url}"].text
    for name in (
        "python",
        "jupyterlab",
        "jupyter-server",
        "tornado",
        "protobuf",
        "browser runtime",
        "isolation",
        "packages folder",
        "packages source",
        "labextension",
        "labextension switched on",
        "conflicts",
    ):
        assert report[name].status != "failed"


def test_report_for_people_names_the_next_step_below_the_fault(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.main(["doctor", "--PcwExtension.isolation=off"])
    lines = capsys.readouterr().out.splitlines()
    fault = next(number for number, line in enumerate(lines) if line.startswith("NOT OK  isolation: "))
    assert lines[fault + 1].startswith("        -> Set PcwExtension.isolation = 'credentialless'")
    assert lines[-1] == "1 NOT OK: the lines with -> say what to do."
    assert status == 1


# --- the configuration ----------------------------------------------------------------------------------------


def test_wrong_endpoint(installation: Installation, doctor: Doctor) -> None:
    path = installation.configure('c.PcwExtension.endpoints = {"cluster": "http://wrong"}\n')
    report = doctor()
    fault = report["configuration"]
    assert fault.status == "failed"
    assert "PcwExtension.endpoints['cluster']" in fault.text
    assert str(path) in fault.fix


def test_default_endpoint_that_is_not_there(doctor: Doctor) -> None:
    fault = doctor("--PcwExtension.default_endpoint=cluster")["endpoints"]
    assert "default_endpoint is 'cluster', but the endpoints are default" in fault.text


def test_file_with_a_mistake(installation: Installation, doctor: Doctor) -> None:
    path = installation.configure("c.PcwExtension.endpoints = {\n")
    faults = [one for one in doctor().findings if one.status == "failed"]
    assert len(faults) == 1
    assert str(path) in faults[0].text
    assert "as if it were not there" in faults[0].fix


def test_extension_that_is_switched_off(
    installation: Installation, doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path / "nothing"))
    setting = {"ServerApp": {"jpserver_extensions": {"pcw_server_ext": False, "jupyterlab": True}}}
    installation.configure(json.dumps(setting), "jupyter_server_config.json")
    report = doctor()
    assert report.failed == ["server extension"]
    assert "jupyter server extension enable pcw_server_ext" in report["server extension"].fix


def test_isolation_off(doctor: Doctor) -> None:
    report = doctor("--PcwExtension.isolation=off")
    assert report.failed == ["isolation"]
    assert "PcwExtension.channel = 'xhr'" in report["isolation"].fix
    assert doctor("--PcwExtension.isolation=off", "--PcwExtension.channel=xhr")["isolation"].status == "note"


def test_isolation_of_some_paths_only(doctor: Doctor) -> None:
    report = doctor("--PcwExtension.isolation_paths=/lab")
    assert report.failed == ["isolation"]
    assert "leaves out /static, /pcw/runtime" in report["isolation"].text


# --- where queries go -----------------------------------------------------------------------------------------


def test_endpoint_that_does_not_answer(
    installation: Installation, doctor: Doctor, upstream: SyntheticUpstream
) -> None:
    port = free_port()
    endpoints = {"up": upstream.address, "down": f"sc://127.0.0.1:{port}/;token=SECRET"}
    installation.configure(f"c.PcwExtension.endpoints = {endpoints}\n")
    report = doctor()
    assert report.failed == ["endpoint down"]
    assert f"127.0.0.1:{port}: Spark cannot be reached: connection refused" in report["endpoint down"].text
    assert "PcwExtension.endpoints['down']" in report["endpoint down"].fix
    assert report["endpoint up (default)"].status == "ok"
    assert "SECRET" not in report.text


def test_port_of_spark_remote_that_is_dead(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_REMOTE", f"sc://127.0.0.1:{free_port()}/;token=SECRET")
    report = doctor()
    assert report.failed == ["endpoint default (default)"]
    assert "SPARK_REMOTE" in report["endpoint default (default)"].fix
    assert "SECRET" not in report.text


def test_spark_remote_that_cannot_be_read_shows_no_secret(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_REMOTE", "sc://cluster/x;token=SECRET")
    report = doctor()
    assert report.failed == ["endpoints"]
    assert "SPARK_REMOTE" in report["endpoints"].text
    assert "SECRET" not in report.text


def test_endpoint_that_accepts_and_stays_silent(
    installation: Installation, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is accepted by the kernel; nobody ever reads it."""
    monkeypatch.setattr(spark_checks.check, "__defaults__", (0.5,))
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as silent:
        installation.configure(f'c.PcwExtension.endpoints = {{"x": "sc://127.0.0.1:{silent.server_port}"}}\n')
        report = doctor()
    assert "no answer within 0.5 s" in report["endpoint x (default)"].text


def test_engine_that_is_missing(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apache_spark, "spark_home", lambda: None)
    report = doctor("--PcwExtension.engine=spark")
    assert report.failed == ["engine"]
    assert "pip install 'pcw-server-ext[spark]'" in report["engine"].text
    assert "PcwExtension.engine = 'auto'" in report["engine"].fix
    monkeypatch.setattr(sail, "available", lambda: "the package pysail is not installed (pip install pysail)")
    fault = doctor()["engine"]
    assert "pip install pysail" in fault.text
    assert "PcwExtension.endpoints" in fault.fix


def test_java_that_is_too_old(
    doctor: Doctor, pyspark_with_jars: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java_that_says("11.0.2", tmp_path / "java")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java"))
    report = doctor("--PcwExtension.engine=spark")
    assert report.failed == ["engine"]
    assert (
        f"Java 11 at {tmp_path}/java/bin/java is too old: Spark needs Java 17 or later"
        in report["engine"].text
    )
    # embedded Sail serves, which is not what somebody who installed Apache Spark expects
    found = doctor()["engine"]
    assert found.status == "note"
    assert found.text.startswith("sail, because PcwExtension.engine = 'auto'")
    assert "Java 11" in found.text
    assert "restart the server" in found.fix


def test_engine_that_is_set_but_not_used(
    installation: Installation, doctor: Doctor, upstream: SyntheticUpstream
) -> None:
    installation.configure(f'c.PcwExtension.endpoints = {{"x": "{upstream.address}"}}\n')
    found = doctor("--PcwExtension.engine=sail")["engine"]
    assert found.status == "note"
    assert "'sail' is not used: queries go to the endpoint x" in found.text


# --- files and packages ---------------------------------------------------------------------------------------


def test_packages_folder_that_cannot_be_written_to(doctor: Doctor, tmp_path: Path) -> None:
    # below a file: even root cannot make a folder there
    (tmp_path / "file").touch()
    report = doctor(f"--PcwExtension.packages_dir={tmp_path / 'file' / 'packages'}")
    assert report.failed == ["packages folder"]
    assert "Not a directory" in report["packages folder"].text
    assert "PcwExtension.packages_dir" in report["packages folder"].fix


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into every folder")
def test_packages_folder_without_permission(doctor: Doctor, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert doctor(f"--PcwExtension.packages_dir={tmp_path / 'packages'}").failed == ["packages folder"]


def test_packages_folder_is_not_made_by_looking(doctor: Doctor, tmp_path: Path) -> None:
    target = tmp_path / "a" / "b"
    assert doctor(f"--PcwExtension.packages_dir={target}")["packages folder"].status == "ok"
    assert not (tmp_path / "a").exists()


def test_packages_source(doctor: Doctor, tmp_path: Path) -> None:
    assert (
        "is not a folder"
        in doctor(f"--PcwExtension.packages_source={tmp_path / 'none'}")["packages source"].text
    )
    assert doctor(f"--PcwExtension.packages_source={tmp_path}")["packages source"].status == "ok"
    found = doctor(f"--PcwExtension.packages_source=http://user:SECRET@127.0.0.1:{free_port()}/")
    assert found["packages source"].status == "note"
    assert "jupyter pcw runtime fetch" in found["packages source"].fix
    assert "SECRET" not in found.text


def test_runtime_that_is_missing(doctor: Doctor, tmp_path: Path) -> None:
    report = doctor(f"--PcwExtension.runtime_dir={tmp_path}")
    assert report.failed == ["browser runtime"]
    assert "make build" in report["browser runtime"].fix


def test_versions_outside_of_their_range_and_missing() -> None:
    def version_of(package: str) -> str | None:
        changed = {"tornado": "6.1", "hpack": None, "protobuf": "999.0"}
        return changed[package] if package in changed else versions.installed(package)

    found = {finding.name: finding for finding in versions.check(version_of)}
    assert found["tornado"].status == "failed"
    assert found["tornado"].text.startswith("6.1 is outside of")
    assert found["tornado"].fix.startswith("pip install 'tornado")
    assert found["hpack"].text.startswith("not installed")
    assert found["hpack"].fix.startswith("pip install 'hpack")
    assert found["pcw-server-ext"].status == "ok"


def test_package_without_something_that_the_server_uses_of_its_inside() -> None:
    use = replace(private_api.PRIVATE_USES[0], target="tornado.web:RequestHandler.gone")
    [fault] = [
        finding
        for finding in versions.check(uses=[use])
        if (finding.name, finding.status) == (use.package, "failed")
    ]
    assert f"does not have RequestHandler.gone, which pcw-server-ext needs to {use.why}" in fault.text
    assert fault.fix == f"pip install '{use.package}{private_api.TESTED[use.package]}'"


def test_pyspark_and_its_client_side_by_side() -> None:
    found = versions.check(
        lambda package: "4.3.0" if package.startswith("pyspark") else versions.installed(package)
    )
    fault = next(finding for finding in found if finding.name == "pyspark")
    assert fault.status == "failed"
    assert "pip uninstall pyspark pyspark-client" in fault.fix


# --- JupyterLab -----------------------------------------------------------------------------------------------


def test_labextension_that_jupyterlab_refuses(
    installation: Installation, doctor: Doctor, tmp_path: Path
) -> None:
    needs = {"@jupyterlab/application": "~4.4.0", "@jupyterlab/notebook": "~4.4.0"}
    labextension(tmp_path / "labextensions", "pcw-server-ext", dependencies=needs)
    report = doctor(f"--LabApp.labextensions_path={tmp_path / 'labextensions'}")
    assert report.failed == ["labextension for this JupyterLab"]
    fault = report["labextension for this JupyterLab"]
    assert "refuses it: it was built for @jupyterlab/application ~4.4.0 (here ~4." in fault.text
    assert "pip install --upgrade" in fault.fix


def test_labextension_that_is_missing_or_of_another_version(doctor: Doctor, tmp_path: Path) -> None:
    folder = tmp_path / "labextensions"
    option = f"--LabApp.labextensions_path={folder}"
    assert doctor(option).failed == ["labextension"]
    labextension(folder, "pcw-server-ext", version="0.0.9")
    report = doctor(option)
    assert report.failed == ["labextension"]
    assert (
        f"version 0.0.9 in {folder}/pcw-server-ext, the server has {__version__}"
        in report["labextension"].text
    )


@pytest.mark.parametrize("entry", ["pcw-server-ext", "pcw-server-ext:kernel-manager"])
def test_labextension_that_is_switched_off(entry: str, installation: Installation, doctor: Doctor) -> None:
    folder = installation.config / "labconfig"
    folder.mkdir(parents=True)
    (folder / "page_config.json").write_text(json.dumps({"disabledExtensions": {entry: True}}))
    report = doctor()
    assert report.failed == ["labextension switched on"]
    assert f"jupyter labextension enable {entry}" in report["labextension switched on"].fix


@pytest.mark.parametrize(
    ("disabled", "said"),
    [
        (
            ["@jupyterlab/notebook-extension:cell-executor"],
            "cells that are run while a browser kernel starts are lost",
        ),
        (["@jupyterlab/services-extension:session-manager"], "notebooks cannot keep a browser kernel"),
        (["@jupyterlab/services-extension"], "browser kernels cannot be started"),
        (["pcw-server-ext:cell-executor"], "pcw-server-ext:cell-executor: this extension"),
    ],
)
def test_another_extension_that_replaces_the_cell_executor(
    disabled: list[str], said: str, doctor: Doctor, tmp_path: Path
) -> None:
    labextension(
        tmp_path / "more",
        "other-executor",
        jupyterlab={"_build": {"load": "x.js"}, "disabledExtensions": disabled},
    )
    report = doctor(f"--LabApp.extra_labextensions_path={tmp_path / 'more'}")
    fault = report["conflict with other-executor"]
    assert fault.status == "failed"
    assert "other-executor 1.2.3" in fault.text
    assert said in fault.text
    assert fault.fix == "Use one of the two: jupyter labextension disable other-executor"


def test_another_extension_that_is_itself_switched_off(
    installation: Installation, doctor: Doctor, tmp_path: Path
) -> None:
    labextension(
        tmp_path / "more",
        "other-executor",
        jupyterlab={
            "_build": {"load": "x.js"},
            "disabledExtensions": ["@jupyterlab/notebook-extension:cell-executor"],
        },
    )
    folder = installation.config / "labconfig"
    folder.mkdir(parents=True)
    (folder / "page_config.json").write_text(json.dumps({"disabledExtensions": {"other-executor": True}}))
    assert doctor(f"--LabApp.extra_labextensions_path={tmp_path / 'more'}").failed == []


# --- running servers ------------------------------------------------------------------------------------------


@pytest.fixture
def stripping_proxy(lab: JupyterProcess) -> Iterator[str]:
    """The address of a proxy before the server that passes on everything but the isolation headers."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=30)
            connection.request("GET", self.path, headers=dict(self.headers.items()))
            answer = connection.getresponse()
            body = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if not name.startswith("Cross-Origin-") and name != "Transfer-Encoding":
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            connection.close()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{proxy.server_port}/"
        proxy.shutdown()
        thread.join()


def test_proxy_that_strips_headers(
    doctor: Doctor, lab: JupyterProcess, stripping_proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_TOKEN", lab.token)
    report = doctor("--url", stripping_proxy)
    name = f"isolation of server at {stripping_proxy}"
    assert report.failed == [name]
    assert "Cross-Origin-Opener-Policy: missing, Cross-Origin-Embedder-Policy: missing" in report[name].text
    assert "Let the proxy pass Cross-Origin-Opener-Policy" in report[name].fix
    assert report[f"version of server at {stripping_proxy}"].text == __version__
    assert lab.token not in report.text
    # the same server without the proxy
    assert doctor("--url", lab.url).failed == []


def test_address_without_a_token_or_a_server(doctor: Doctor, lab: JupyterProcess) -> None:
    # headers are there on the way to the login page as well
    report = doctor("--url", lab.url)
    assert report[f"isolation of server at {lab.url}"].status == "ok"
    assert report[f"version of server at {lab.url}"].fix == "Give its token in JUPYTER_TOKEN."
    nobody = f"http://127.0.0.1:{free_port()}/"
    assert doctor("--url", nobody).failed == [f"server at {nobody}"]
    assert doctor("--url", "ftp://host/").failed == ["--url"]


def test_server_that_runs_another_version_than_is_installed(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was started before the package was updated."""
    old = tmp_path / "old"
    old.mkdir()
    (old / "sitecustomize.py").write_text(
        'import pcw_server_ext.version as module\nmodule.__version__ = "0.0.9"\n'
    )
    paths = os.pathsep.join(map(str, (old, REPOSITORY, CLIENT)))
    with start(tmp_path / "server", app="lab", environment={"PYTHONPATH": paths}) as process:
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(process.state / "runtime"))
        report = doctor()
        name = f"version of server at {process.url}"
        assert report.failed == [name]
        assert report[name].text.startswith(f"0.0.9 runs, {__version__} is installed")
        assert report[name].fix.startswith("Restart the server")
        # under the browsers' address, where nothing is installed to compare with: what the page would load
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "empty"))
        monkeypatch.setenv("JUPYTER_TOKEN", process.token)
        assert f"serves the labextension {__version__}" in doctor("--url", process.url)[name].text


def test_server_that_is_gone_is_not_reported(
    installation: Installation, doctor: Doctor, lab: JupyterProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.runtime.mkdir()
    for path in (lab.state / "runtime").glob("jpserver-*.json"):
        shutil.copy(path, installation.runtime / "jpserver-0.json")
    file = installation.runtime / "jpserver-0.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "pid": 2**22 + 1}))
    assert doctor()["running server"].status == "ok"
