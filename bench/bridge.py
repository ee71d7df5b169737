"""The bridge in Chromium: server to Python `bytes` in a kernel, against `fetch` in a worker of the same page.

Result (times in milliseconds, rates in MB/s, sizes in MiB; medians of interleaved rounds):

    ratio               our rate / that of an async fetch loop in JavaScript, median over pairs of streams
    one_buffer_ratio    our rate / that of a loop that reads into one buffer, as our own network worker does: what the
                        way from the network worker into Python costs
    idle_p50_ms ...     round trip of a small POST from Python, page idle
    busy_ui_p99_ms      the same while the UI thread is 75 % busy
    fetch_*             the same round trip by an async fetch in that worker
    ui_thread_*         the same for a blocked worker whose request the UI thread fetches
    ahead_mib           what the server sent beyond what a sleeping reader took; fetch_ahead_mib: same for fetch.
                        Most of both are socket buffers, which the system sizes anew for each connection
    upload_ratio        time to send 64 MiB from Python bytes / time of fetch with a Blob of that size
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import time
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser.bridge.kernel import KernelPage
from tests.browser.bridge.server import JS, BridgeServer, Stream
from tests.support.lab_page import launch_chromium

MB = 1_000_000
MIB = 1 << 20

READ = """
def read_all(total):
    began, count = time.perf_counter(), 0
    call = post(f"/stream?bytes={total}")
    while piece := call.read():
        count += len(piece)
    assert count == total
    return time.perf_counter() - began

def round_trips(count):
    times = []
    for _ in range(count):
        began = time.perf_counter()
        body_of(post("/echo", [b"x" * 200]))
        times.append((time.perf_counter() - began) * 1000)
    return times

def upload(data):
    began = time.perf_counter()
    body_of(post("/echo", [data]))
    return time.perf_counter() - began
"""


def main(arguments: list[str]) -> dict[str, Any]:
    """Run every part; returns the figures of the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m bench bridge")
    parser.add_argument("--megabytes", type=int, default=256, help="size of one streamed response")
    parser.add_argument("--rounds", type=int, default=7, help="pairs of streams")
    parser.add_argument("--calls", type=int, default=400, help="small calls per measurement")
    chosen = parser.parse_args(arguments)
    subprocess.run(["node", "build.mjs"], cwd=JS, check=True, timeout=60)
    server = BridgeServer()
    try:
        with sync_playwright() as playwright:
            browser = launch_chromium(playwright)
            kernel = KernelPage.open(browser.new_context(), f"{server.url}/pages/own.html")
            kernel.start()
            kernel.run(READ)
            result = {
                **throughput(kernel, chosen.megabytes * MB, chosen.rounds),
                **latency(kernel, chosen.calls),
                **uploads(kernel),
                **read_ahead(kernel, server),
                "chromium": browser.version,
            }
            browser.close()
    finally:
        server.close()
    return result


def throughput(kernel: KernelPage, total: int, rounds: int) -> dict[str, float]:
    """Stream into Python and into both fetch loops, in turns, after one round that is not counted."""
    url = f"/stream?bytes={total}"
    ways = {
        "kernel": lambda: kernel.run(f"read_all({total})"),
        "fetch": lambda: ask(kernel, "fetchLoop", {"url": url})["milliseconds"] / 1000,
        "fetch, one buffer": lambda: ask(kernel, "fetchLoopOneBuffer", {"url": url})["milliseconds"] / 1000,
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        # The order turns in every other round, so that what drifts hits all.
        for name in list(ways) if number % 2 else reversed(ways):
            rates[name].append(total / MB / ways[name]())
        print("stream: " + ", ".join(f"{name} {values[-1]:.0f} MB/s" for name, values in rates.items()))
    ours, peers, one_buffer = (values[1:] for values in rates.values())
    ratios = [mine / theirs for mine, theirs in zip(ours, peers, strict=True)]
    return {
        "ratio": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "one_buffer_ratio": round(
            statistics.median(mine / theirs for mine, theirs in zip(ours, one_buffer, strict=True)), 3
        ),
        "kernel_mb_per_s": round(statistics.median(ours)),
        "fetch_mb_per_s": round(statistics.median(peers)),
        "fetch_one_buffer_mb_per_s": round(statistics.median(one_buffer)),
        "stream_mb": total // MB,
        "rounds": rounds,
    }


def latency(kernel: KernelPage, calls: int) -> dict[str, float]:
    """Round trips with the UI thread idle and with it busy for 75 of every 100 ms."""
    kernel.run("len(round_trips(50))")
    result: dict[str, float] = {}
    for state in ("idle", "busy_ui"):
        if state == "busy_ui":
            kernel.page.evaluate("() => { window.rest = keepBusy(75, 25) }")
        measured = {
            "": kernel.run(f"round_trips({calls})"),
            "fetch_": ask(kernel, "fetchRoundTrips", {"count": calls}),
            "ui_thread_": ask(kernel, "uiThreadRoundTrips", {"count": calls}),
        }
        for name, times in measured.items():
            cut = statistics.quantiles(times, n=100)
            result[f"{name}{state}_p50_ms"] = round(cut[49], 2)
            result[f"{name}{state}_p99_ms"] = round(cut[98], 2)
        print(state, {name: round(statistics.median(times), 2) for name, times in measured.items()})
    kernel.page.evaluate("() => window.rest()")
    return result


def uploads(kernel: KernelPage) -> dict[str, float]:
    """Send 64 MiB from Python and by fetch, in turns."""
    kernel.run(f"data = bytes({64 * MIB}); upload(data)")
    ours, peers = [], []
    for _ in range(3):
        ours.append(kernel.run("upload(data)"))
        peers.append(ask(kernel, "fetchUpload", {"bytes": 64 * MIB}) / 1000)
    kernel.run("del data")
    return {
        "upload_ratio": round(statistics.median(ours) / statistics.median(peers), 3),
        "upload_seconds": round(statistics.median(ours), 3),
    }


def read_ahead(kernel: KernelPage, server: BridgeServer) -> dict[str, float]:
    """Read one piece, sleep until the server stands still, compare."""
    taken = kernel.run("slow = post('/stream?bytes=1000000000&name=ours'); len(slow.read())")
    ours = standstill(server.streams["ours"]) - taken
    kernel.run("slow.cancel()")
    taken = ask(kernel, "fetchOnce", {"url": "/stream?bytes=1000000000&name=peer"})
    peer = standstill(server.streams["peer"]) - taken
    return {"ahead_mib": round(ours / MIB, 1), "fetch_ahead_mib": round(peer / MIB, 1)}


def standstill(stream: Stream) -> int:
    """Bytes flushed when the server could flush no more for a second."""
    before = -1
    while stream.flushed != before:
        before = stream.flushed
        time.sleep(1)
    return before


def ask(kernel: KernelPage, operation: str, argument: dict[str, Any]) -> Any:
    """Let the worker do something in JavaScript."""
    answer = kernel.page.evaluate(
        "([operation, argument]) => kernel.ask(operation, argument)", [operation, argument]
    )
    if answer.get("error"):
        raise RuntimeError(answer["error"])
    return answer["value"]
