"""How much memory the processes of a browser take, from Linux's /proc."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType

_PROC = Path("/proc")
#: Proportional shares: memory that several processes have is counted once over all of them. Not files: code.
_FIELDS = ("Pss_Anon:", "Pss_Shmem:")


def chromium_processes() -> list[int]:
    """The ids of the Chromium processes that this process has started, whatever started them in turn."""
    children: dict[int, list[int]] = {}
    names: dict[int, str] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (stat := _read(entry / "stat")) is not None:
            # The name is in parentheses and may hold any character.
            head, _, tail = stat.rpartition(")")
            names[int(entry.name)] = head.partition("(")[2]
            children.setdefault(int(tail.split()[1]), []).append(int(entry.name))
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        for child in children.get(waiting.pop(), []):
            waiting.append(child)
            if names[child].startswith("chromium"):
                found.append(child)
    return found


def bytes_of(processes: list[int]) -> int:
    """What the processes take now; those that have ended take nothing."""
    total = 0
    for process in processes:
        for line in (_read(_PROC / str(process) / "smaps_rollup") or "").splitlines():
            if line.startswith(_FIELDS):
                total += int(line.split()[1]) * 1024
    return total


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None


class PeakOfChromium:
    """``with PeakOfChromium() as peak: ...``; then `grown` is by how many bytes it had grown at most."""

    def __init__(self, interval: float = 0.01) -> None:
        self._interval = interval
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.grown = 0

    def __enter__(self) -> PeakOfChromium:
        self._processes = chromium_processes()
        self._before = bytes_of(self._processes)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(10)

    def _watch(self) -> None:
        while not self._over.wait(self._interval):
            self.grown = max(self.grown, bytes_of(self._processes) - self._before)
