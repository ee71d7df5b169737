"""Ends processes that tests have started, with everything that these started."""

from __future__ import annotations

import contextlib
import signal
import subprocess

import psutil


def descendants(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The processes below one, those of any depth; none when it has ended."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def end_with_descendants(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ask a process to end, kill it when it has not within so many seconds, then what it has left behind."""
    left = descendants(process)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for child in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
