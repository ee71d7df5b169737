"""The real Envoy as the peer: grpc-web in front of one gRPC upstream, its windows tuned for large results."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.support.jupyter import free_port

_TYPE = "type.googleapis.com/envoy.extensions"


def _config(port: int, upstream: int) -> dict[str, object]:
    """Envoy's bootstrap; JSON is YAML.

    With default windows stuck readers block their neighbours for seconds, so a
    fair peer has 1 MiB a stream and 1 GiB a connection.
    """
    filters = [
        ("envoy.filters.http.grpc_web", "filters.http.grpc_web.v3.GrpcWeb"),
        ("envoy.filters.http.cors", "filters.http.cors.v3.Cors"),
        ("envoy.filters.http.router", "filters.http.router.v3.Router"),
    ]
    manager = {
        "@type": f"{_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "grpc_web",
        "codec_type": "AUTO",
        "stream_idle_timeout": "0s",
        "route_config": {
            "name": "routes",
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        {
                            "match": {"prefix": "/"},
                            "route": {
                                "cluster": "upstream",
                                "timeout": "0s",
                                "max_stream_duration": {"grpc_timeout_header_max": "0s"},
                            },
                        }
                    ],
                }
            ],
        },
        "http_filters": [
            {"name": name, "typed_config": {"@type": f"{_TYPE}.{kind}"}} for name, kind in filters
        ],
    }
    return {
        "static_resources": {
            "listeners": [
                {
                    "name": "browser",
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
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
                    "name": "upstream",
                    "type": "STATIC",
                    "connect_timeout": "2s",
                    "typed_extension_protocol_options": {
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                            "@type": f"{_TYPE}.upstreams.http.v3.HttpProtocolOptions",
                            "explicit_http_config": {
                                "http2_protocol_options": {
                                    "initial_stream_window_size": 1 << 20,
                                    "initial_connection_window_size": 1 << 30,
                                }
                            },
                        }
                    },
                    "load_assignment": {
                        "cluster_name": "upstream",
                        "endpoints": [
                            {
                                "lb_endpoints": [
                                    {
                                        "endpoint": {
                                            "address": {
                                                "socket_address": {
                                                    "address": "127.0.0.1",
                                                    "port_value": upstream,
                                                }
                                            }
                                        }
                                    }
                                ]
                            }
                        ],
                    },
                }
            ],
        }
    }


class Envoy:
    """One Envoy process in front of the gRPC server on loopback port `upstream`.

    `concurrency` is the number of worker threads; None leaves Envoy's default, one a core.
    """

    def __init__(
        self, upstream: int, state: Path, concurrency: int | None = None, timeout: float = 20.0
    ) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.prefix = ""
        self.headers: list[str] = []
        config = state / "envoy.json"
        config.write_text(json.dumps(_config(self.port, upstream)))
        command = [
            str(Path(sys.executable).parent / "envoy"),
            "--config-path",
            str(config),
            "--use-dynamic-base-id",
            "--log-level",
            "error",
            *(["--concurrency", str(concurrency)] if concurrency else []),
        ]
        self.log = state / "envoy.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"Envoy did not come up; it printed:\n{self.log.read_text(errors='replace')}")

    def stop(self) -> None:
        """End the process."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
