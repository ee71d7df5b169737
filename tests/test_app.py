"""The extension in a server: on by itself, page configuration, traits and their remedies."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from traitlets import TraitError
from traitlets.config import Config

import pcw_server_ext
from pcw_server_ext.app import PcwExtension
from pcw_server_ext.runtime.bundle import Bundle
from pcw_server_ext.web import page_config
from tests.support.paths import REPOSITORY
from tests.support.server import StartServer
from tests.support.upstream import SyntheticUpstream, order
from tests.support.web import Site


def test_hooks_name_the_extension_and_the_labextension() -> None:
    point = pcw_server_ext._jupyter_server_extension_points()[0]
    assert point["app"] is PcwExtension
    assert pcw_server_ext._jupyter_labextension_paths() == [{"src": "labextension", "dest": "pcw-server-ext"}]


def test_extension_list_says_ok() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jupyter", "server", "extension", "list"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "JUPYTER_CONFIG_PATH": str(REPOSITORY / "jupyter-config")},
    )
    assert re.search(r"pcw_server_ext \S+ .*OK", done.stdout + done.stderr), done.stdout + done.stderr


def test_page_is_told_where_everything_is(any_site: Site) -> None:
    page = any_site.request("GET", "lab").body.decode()
    found = re.search(r'<script id="jupyter-config-data" type="application/json">(.*?)</script>', page, re.S)
    assert found is not None
    options = json.loads(found[1])
    base = any_site.base_url
    assert json.loads(options["pcw"]) == {
        "protocol": 1,
        "version": pcw_server_ext.__version__,
        "grpcUrl": f"{base}pcw/grpc/",
        "endpoint": "synthetic",
        "runtimeUrl": f"{base}pcw/runtime/0123abcd/",
        "isolation": "credentialless",
        "channel": "sab",
        "prefetch": True,
        "packages": False,
        "preinstalledUrl": "",
    }
    stock = options["litePluginSettings"][page_config.STOCK_KERNEL]
    assert stock["pyodideUrl"] == f"{base}pcw/runtime/0123abcd/pyodide/pyodide.mjs"
    assert stock["disablePyPIFallback"] is True
    assert stock["loadPyodideOptions"] == {
        "lockFileURL": f"{base}pcw/runtime/0123abcd/pyodide/pyodide-lock.json"
    }
    assert any_site.request("GET", stock["pyodideUrl"], authenticated=False).status == 200


def test_stock_kernel_settings_of_an_administrator_stay(small_bundle: Path) -> None:
    data: dict[str, object] = {
        "litePluginSettings": {page_config.STOCK_KERNEL: {"pyodideUrl": "/mine.mjs", "x": 1}}
    }
    config = page_config.pcw_config(
        base_url="/",
        bundle=Bundle.load(small_bundle),
        version="1",
        endpoint="default",
        isolation="off",
        channel="xhr",
        prefetch=False,
    )
    page_config.apply(data, config)
    settings = data["litePluginSettings"][page_config.STOCK_KERNEL]  # type: ignore[index]
    assert settings["pyodideUrl"] == "/mine.mjs"
    assert settings["x"] == 1
    assert settings["disablePyPIFallback"] is True


def test_without_a_bundle_the_stock_kernel_is_left_alone() -> None:
    data: dict[str, object] = {}
    config = page_config.pcw_config(
        base_url="/",
        bundle=None,
        version="1",
        endpoint="default",
        isolation="off",
        channel="xhr",
        prefetch=False,
    )
    page_config.apply(data, config)
    assert set(data) == {"pcw"}
    assert json.loads(str(data["pcw"]))["runtimeUrl"] == ""


@pytest.mark.parametrize("name", sorted(PcwExtension.class_own_traits(config=True)))
def test_every_setting_has_help_with_its_default(name: str) -> None:
    text = PcwExtension.class_own_traits()[name].help
    assert len(text) > 20
    assert "Default" in text


@pytest.mark.parametrize(
    ("setting", "value", "remedy"),
    [
        ("isolation", "maybe", "credentialless"),
        ("isolation_paths", ["lab"], "must start with /"),
        ("channel", "magic", "sab"),
        ("engine", "duck", "sail"),
        ("endpoints", {"a b": "sc://h"}, "letters, digits"),
        ("endpoints", {"a": "http://h"}, "start with sc://"),
        ("endpoints", {"a": 5}, "connection string"),
        ("endpoints", {"a": {"ca_file": "x"}}, "with url"),
        ("engine_start_timeout", 0, "above 0"),
        ("max_request_body", -1, "above 0"),
        ("max_request_message", 0, "above 0"),
        ("stream_window", 10, "1048576"),
        ("silence_limit", -1, r"0 \(never\)"),
        ("max_user_queries", -1, r"0 \(no limit\)"),
        ("max_user_sessions", -1, r"0 \(no limit\)"),
        ("max_result_bytes", -1, r"0 \(no limit\)"),
        ("max_result_rows", -1, r"0 \(no limit\)"),
        ("user_session_timeout", 0, "above 0"),
        ("upstream_keepalive", 1, "at least 10"),
    ],
)
def test_wrong_setting_is_refused_with_the_remedy(setting: str, value: object, remedy: str) -> None:
    with pytest.raises(TraitError, match=remedy):
        PcwExtension(config=Config(PcwExtension={setting: value}))


def test_refused_endpoint_does_not_repeat_its_secret() -> None:
    with pytest.raises(TraitError) as caught:
        PcwExtension(config=Config(PcwExtension={"endpoints": {"a": "sc://h:x/;token=SECRET"}}))
    assert "SECRET" not in str(caught.value)


def test_spark_remote_becomes_the_default_endpoint(
    start_server: StartServer, upstream: SyntheticUpstream
) -> None:
    site = start_server(environment={"SPARK_REMOTE": upstream.address + "/;x-secret=SECRET-METADATA"})
    assert site.request("GET", "pcw/api/endpoints").json() == {
        "endpoints": [{"name": "default", "kind": "remote", "state": "idle", "default": True}]
    }
    answer = site.grpc("AnalyzePlan", order(), endpoint="default")
    assert answer.status == 0
    assert site.request("GET", "pcw/api/endpoints").json()["endpoints"][0]["state"] == "running"
    assert "SECRET-METADATA" not in site.process.printed()


def test_default_endpoint_can_be_named(start_server: StartServer, upstream: SyntheticUpstream) -> None:
    site = start_server(
        f"--PcwExtension.endpoints={{'one': 'sc://127.0.0.1:1', 'two': '{upstream.address}'}}",
        "--PcwExtension.default_endpoint=two",
    )
    assert site.grpc("AnalyzePlan", order(), endpoint="default").status == 0
    assert site.grpc("AnalyzePlan", order(), endpoint="two").status == 0
    assert site.grpc("AnalyzePlan", order(), endpoint="one").status == 14


def test_wrong_setting_switches_the_extension_off_and_is_said_without_its_secret(
    start_server: StartServer,
) -> None:
    site = start_server("--PcwExtension.endpoints={'a': 'http://h/;token=SECRET-IN-URL'}")
    printed = site.process.printed()
    assert "start with sc://" in printed
    assert "off until its configuration is corrected" in printed
    assert "SECRET-IN-URL" not in printed
    assert site.request("GET", "pcw/api/endpoints").status == 404
    server = site.process.process
    server.terminate()
    assert server.wait(60) in (0, -signal.SIGTERM)
    assert "stop_extension" not in site.process.printed()


def test_spark_remote_that_is_no_address_runs_nothing_on_this_machine(start_server: StartServer) -> None:
    site = start_server(environment={"SPARK_REMOTE": "http://cluster.example/?token=SECRET-IN-URL"})
    printed = site.process.printed()
    assert "SPARK_REMOTE: write sc://host:port, or unset it" in printed
    assert "SECRET-IN-URL" not in printed
    assert site.request("GET", "pcw/api/endpoints").status == 404


OBSERVER = """
import gc, json, time
from tornado.web import RequestHandler

class Collected(RequestHandler):
    def get(self):
        began = time.perf_counter()
        gc.collect()
        self.write({"milliseconds": (time.perf_counter() - began) * 1e3, "frozen": gc.get_freeze_count()})

def _load_jupyter_server_extension(serverapp):
    serverapp.web_app.add_handlers(".*$", [(r"/collected", Collected)])
"""


def test_full_pass_of_the_garbage_collector_holds_no_call_up(
    start_server: StartServer, tmp_path: Path
) -> None:
    (tmp_path / "observer.py").write_text(OBSERVER)
    site = start_server(
        "--ServerApp.jpserver_extensions={'observer': True}",
        app="lab",
        environment={
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "client"), str(tmp_path)])
        },
    )
    found = site.request("GET", "/collected", authenticated=False).json()
    assert found["frozen"] > 50_000
    assert found["milliseconds"] < 20
