"""Real peers for the client's tests: embedded Sail, and Envoy as a grpc-web server in front of any engine."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pcw_server_ext.engines import sail
from tests.support.jupyter import free_port


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Ends the process afterwards, whatever happens."""
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def running_sail(folder: Path) -> Iterator[int]:
    """Sail in a process of its own; yields its port."""
    launch = sail.launch()
    process = subprocess.Popen(
        launch.command,
        env=dict(launch.environment),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        with ended(process):
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith(sail.ANNOUNCEMENT), line
            yield int(line.rsplit(":", 1)[1])
    finally:
        launch.clean()


@contextlib.contextmanager
def running_envoy(upstream: int, folder: Path) -> Iterator[str]:
    """Envoy's grpc-web filter in front of a gRPC server on loopback; yields its URL."""
    port = free_port()
    (folder / "envoy.json").write_text(json.dumps(_envoy_config(port, upstream)), encoding="utf-8")
    envoy = Path(sys.executable).with_name("envoy")
    process = subprocess.Popen(
        [str(envoy), "-c", "envoy.json", "--disable-hot-restart", "-l", "critical", "--concurrency", "1"],
        cwd=folder,
        text=True,
        stderr=subprocess.DEVNULL,
    )
    with ended(process):
        wait_for_port(port, process)
        yield f"http://127.0.0.1:{port}"


def wait_for_port(port: int, process: subprocess.Popen[str], seconds: float = 20) -> None:
    """Return when the port accepts connections."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


def _envoy_config(port: int, upstream: int) -> dict[str, object]:
    def address(number: int) -> dict[str, object]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    def filter_of(name: str, kind: str) -> dict[str, object]:
        return {"name": name, "typed_config": {"@type": f"type.googleapis.com/{kind}"}}

    route = {"match": {"prefix": "/"}, "route": {"cluster": "spark", "timeout": "0s"}}
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
        ".HttpConnectionManager",
        "stat_prefix": "web",
        "stream_idle_timeout": "0s",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            filter_of("envoy.filters.http.grpc_web", "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"),
            filter_of("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router"),
        ],
    }
    http2 = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {"initial_stream_window_size": 1 << 20}},
    }
    return {
        "static_resources": {
            "listeners": [
                {
                    "address": address(port),
                    "filter_chains": [
                        {
                            "filters": [
                                {
                                    "name": "envoy.filters.network.http_connection_manager",
                                    "typed_config": manager,
                                }
                            ]
                        }
                    ],
                }
            ],
            "clusters": [
                {
                    "name": "spark",
                    "type": "STATIC",
                    "connect_timeout": "2s",
                    "typed_extension_protocol_options": {
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2
                    },
                    "load_assignment": {
                        "cluster_name": "spark",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(upstream)}}]}],
                    },
                }
            ],
        }
    }
