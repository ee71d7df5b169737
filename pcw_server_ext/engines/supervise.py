"""Run a program that must not outlive the Jupyter server.

    python supervise.py PARENT_PID exec|watch -- COMMAND...

``exec`` (Linux) asks the kernel to kill this process when its parent dies and then becomes the program, so
that there is no second process; the request survives ``exec`` (prctl(2), PR_SET_PDEATHSIG). ``watch``
(anywhere else) stays in front of the program and kills its process group when standard input, a pipe that
only the server holds, is closed. Standard library only: this runs before anything else is imported.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading

_PR_SET_PDEATHSIG = 1
_EXIT_ORPHANED = 3


def _exec(parent: int, command: list[str]) -> int:

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        return _watch(command)
    if os.getppid() != parent:
        # the server died before the request was in place
        return _EXIT_ORPHANED
    os.execvp(command[0], command)
    raise AssertionError("execvp does not return")


def _watch(command: list[str]) -> int:
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def stop(*_: object) -> None:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            # it has ended by itself
            return

    def wait_for_server() -> None:
        while os.read(0, 4096):
            continue
        stop()

    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=wait_for_server, daemon=True).start()
    return child.wait()


def main(arguments: list[str]) -> int:
    """Entry point; returns the exit status of the program."""
    parent, mode, dashes, *command = arguments
    if dashes != "--" or not command:
        print("usage: supervise.py PARENT_PID exec|watch -- COMMAND...", file=sys.stderr)
        return 2
    return _exec(int(parent), command) if mode == "exec" else _watch(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
