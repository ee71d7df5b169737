"""The grpc-web endpoint against the real Envoy, in one run: same upstream, same client, rounds interleaved.

    python -m bench proxy --json [--quick] [--rounds 5]

Every byte that a proxy delivers is verified. A figure is the median of the rounds, a ratio is ours divided by
Envoy's: for throughput more is better, for latency less.

    cases           [{bytes, streams, ratio, relay_mb_s, envoy_mb_s, relay_cpu_ms_mb, envoy_cpu_ms_mb, ...}]
    unary_*         latency of an echo on a warm connection, in microseconds, and the ratios
    stuck           [{readers, bytes, rss_mib, unrelated_call_ms, unrelated_p50_ms, envoy_*}]: memory that
                    readers cost which never read, the slowest and the median of the calls made beside them
    stuck_rss_mib   the same for 8 readers of 64 KiB messages; stuck_100_rss_mib for 100
    unrelated_call_ms  the slowest unrelated call of all stuck cases
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol

import psutil

from bench._envoy import Envoy
from bench._go import build
from bench._relay import Relay

MIB = 1 << 20
SIZES = (1024, 64 * 1024, MIB, 4 * MIB)
STREAMS = (1, 8, 32)
STUCK = ((8, 64 * 1024), (4, 128 * MIB), (100, 64 * 1024))


class Peer(Protocol):
    """A proxy under measurement."""

    process: subprocess.Popen[bytes]
    port: int
    prefix: str
    headers: list[str]

    def stop(self) -> None:
        """End the process."""


@dataclass
class Bench:
    """The programs of a run; ``peers`` maps ``relay`` and ``envoy`` to what starts them."""

    load: Path
    rounds: int
    seconds: float
    peers: dict[str, Callable[[], Peer]]

    def arguments(self, mode: str, peer: Peer, *more: object) -> list[str]:
        """The load client's command line."""
        words = [str(self.load), mode, "-address", f"127.0.0.1:{peer.port}", "-prefix", peer.prefix]
        for header in peer.headers:
            words += ["-header", header]
        return [*words, *map(str, more)]

    def run(self, mode: str, peer: Peer, *more: object) -> dict[str, float]:
        """Run the load client to its end; adds the proxy's CPU seconds. Raises RuntimeError with its message."""
        process = psutil.Process(peer.process.pid)
        before = process.cpu_times()
        done = subprocess.run(
            self.arguments(mode, peer, *more), capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode:
            raise RuntimeError(f"the load client failed against {type(peer).__name__}: {done.stderr.strip()}")
        after = process.cpu_times()
        result: dict[str, float] = json.loads(done.stdout)
        result["cpu"] = after.user + after.system - before.user - before.system
        return result


@contextlib.contextmanager
def running(bench: Bench) -> Iterator[dict[str, Peer]]:
    """Start both proxies fresh, and end them."""
    with contextlib.ExitStack() as stack:
        peers = {}
        for name, start in bench.peers.items():
            peers[name] = start()
            stack.callback(peers[name].stop)
        yield peers


def interleaved(
    bench: Bench, peers: dict[str, Peer], mode: str, *more: object
) -> dict[str, list[dict[str, float]]]:
    """All rounds, one proxy after the other, the order turned round after each."""
    results: dict[str, list[dict[str, float]]] = {name: [] for name in peers}
    names = list(peers)
    for number in range(bench.rounds):
        for name in names if number % 2 == 0 else reversed(names):
            results[name].append(bench.run(mode, peers[name], *more))
    return results


def middle(results: list[dict[str, float]], value: Callable[[dict[str, float]], float]) -> float:
    """The median of ``value`` over the rounds."""
    return statistics.median(value(result) for result in results)


def throughput(bench: Bench, peers: dict[str, Peer], size: int, streams: int) -> dict[str, Any]:
    """One case of the table."""
    probe = max(1, 32 * MIB // size // streams)
    warm = {
        name: bench.run("stream", peer, "-size", size, "-streams", streams, "-count", probe)
        for name, peer in peers.items()
    }
    fastest = max(result["bytes"] / result["seconds"] for result in warm.values())
    count = max(2, round(fastest * bench.seconds / size / streams))
    results = interleaved(bench, peers, "stream", "-size", size, "-streams", streams, "-count", count)
    case: dict[str, Any] = {"bytes": size, "streams": streams}
    rates = {name: middle(found, lambda r: r["bytes"] / r["seconds"]) for name, found in results.items()}
    case["ratio"] = round(rates["relay"] / rates["envoy"], 3)
    for name, found in results.items():
        case[f"{name}_mb_s"] = round(rates[name] / 1e6, 1)
        case[f"{name}_cpu_ms_mb"] = round(middle(found, lambda r: r["cpu"] * 1e9 / r["bytes"]), 3)
    print("  " + json.dumps(case), flush=True)
    return case


def latency(bench: Bench, peers: dict[str, Peer], calls: int) -> dict[str, float]:
    """Unary calls, one after another on one connection."""
    for peer in peers.values():
        bench.run("unary", peer, "-calls", calls // 2)
    results = interleaved(bench, peers, "unary", "-calls", calls)
    figures: dict[str, float] = {}
    for quantile in ("p50", "p99"):
        values = {name: middle(found, itemgetter(f"{quantile}_us")) for name, found in results.items()}
        figures[f"unary_{quantile}_ratio"] = round(values["relay"] / values["envoy"], 3)
        for name, value in values.items():
            figures[f"{name}_unary_{quantile}_us"] = round(value, 1)
    print("  " + json.dumps(figures), flush=True)
    return figures


def stuck(bench: Bench, peer: Peer, readers: int, size: int) -> dict[str, float]:
    """Growth of the proxy's memory (MiB) while ``readers`` never read; slowest and median unrelated call (ms)."""
    process = psutil.Process(peer.process.pid)
    # the same number of calls as are stuck later, but read to their end: what stays is the allocator's
    bench.run("stream", peer, "-size", min(size, MIB), "-streams", readers, "-count", 4)
    before = process.memory_info().rss
    holder = subprocess.Popen(
        bench.arguments("stuck", peer, "-streams", readers, "-size", size),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stderr is not None
        if not holder.stdout.readline():
            raise RuntimeError(
                f"the load client failed against {type(peer).__name__}: {holder.stderr.read()}"
            )
        peak = before
        slowest = 0.0
        usual = []
        deadline = time.monotonic() + bench.seconds * 4
        while time.monotonic() < deadline:
            peak = max(peak, process.memory_info().rss)
            calls = bench.run("unary", peer, "-calls", 4, "-timeout", "30s")
            slowest = max(slowest, calls["max_us"])
            usual.append(calls["p50_us"])
        peak = max(peak, process.memory_info().rss)
    finally:
        holder.communicate(input="", timeout=30)
    return {
        "rss_mib": round((peak - before) / MIB, 1),
        "unrelated_call_ms": round(slowest / 1e3, 2),
        "unrelated_p50_ms": round(statistics.median(usual) / 1e3, 2),
    }


def all_stuck(bench: Bench) -> dict[str, Any]:
    """Every stuck case on fresh processes, so that no earlier load has grown the heap."""
    found = []
    for readers, size in STUCK:
        with running(bench) as peers:
            case: dict[str, Any] = {"readers": readers, "bytes": size}
            case |= stuck(bench, peers["relay"], readers, size)
            case |= {
                f"envoy_{key}": value for key, value in stuck(bench, peers["envoy"], readers, size).items()
            }
        print("  " + json.dumps(case), flush=True)
        found.append(case)
    return {
        "stuck": found,
        "stuck_rss_mib": found[0]["rss_mib"],
        "stuck_100_rss_mib": found[2]["rss_mib"],
        "unrelated_call_ms": max(case["unrelated_call_ms"] for case in found),
    }


def main(argv: list[str]) -> dict[str, Any]:
    """Run the bench; see the module's text for the keys of the result."""
    parser = argparse.ArgumentParser(prog="python -m bench proxy", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="few rounds and cases: a smoke test, not a figure"
    )
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each figure (default 5)")
    parser.add_argument("--only", choices=("unary", "cases", "stuck"), help="one part alone")
    parser.add_argument(
        "--concurrency", type=int, help="Envoy's worker threads (default: Envoy's own, one a core)"
    )
    options = parser.parse_args(argv)
    server, load = build()
    upstream = subprocess.Popen([str(server)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    began = time.monotonic()
    result: dict[str, Any] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="pcw-bench-") as folder:
            assert upstream.stdout is not None
            port = int(upstream.stdout.readline())
            number = iter(range(1000))
            bench = Bench(
                load,
                2 if options.quick else options.rounds,
                0.15 if options.quick else 0.6,
                {
                    "relay": lambda: Relay(port, Path(folder) / f"relay{next(number)}"),
                    "envoy": lambda: Envoy(port, Path(folder) / f"envoy{next(number)}", options.concurrency),
                },
            )
            with running(bench) as peers:
                if options.only in (None, "unary"):
                    result |= latency(bench, peers, 200 if options.quick else 1000)
                if options.only in (None, "cases"):
                    cases = [(size, streams) for size in SIZES for streams in STREAMS]
                    if options.quick:
                        cases = [(64 * 1024, 1), (1024, 8)]
                    result["cases"] = [throughput(bench, peers, size, streams) for size, streams in cases]
            if options.only in (None, "stuck"):
                result |= all_stuck(bench)
    finally:
        upstream.communicate(timeout=10)
    versions = {"python": sys.version.split()[0], "cores": os.cpu_count(), "envoy": "1.40"}
    return result | versions | {"rounds": bench.rounds, "seconds": round(time.monotonic() - began, 1)}
