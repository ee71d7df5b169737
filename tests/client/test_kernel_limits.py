"""Threads, other programs and sockets, as the browser kernel answers for them; in a process of its own on CPython."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.paths import CLIENT

PRELUDE = """
import sys, threading
sys.path.insert(0, sys.argv[1])
from concurrent.futures import ThreadPoolExecutor, as_completed
from pyspark_connect_web.kernel.one_process import explain_processes, explain_sockets, refuse_programs
from pyspark_connect_web.kernel.one_thread import run_pools_inline

def attempt(function, *arguments, **options):
    try:
        print(repr(function(*arguments, **options)))
    except Exception as error:
        print(f"{type(error).__name__}: {error}")

"""

#: As in a browser.
NO_THREADS = """
def refuse(*arguments, **options):
    raise RuntimeError("can't start new thread")

threading._start_new_thread = threading._start_joinable_thread = refuse
run_pools_inline()
"""


def in_process(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + code, str(CLIENT)],
        env={"IPYTHONDIR": str(folder), "HOME": str(folder), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_work_of_a_pool_is_done_inline(tmp_path: Path) -> None:
    shown = in_process(
        f"""{NO_THREADS}
begun = []
with ThreadPoolExecutor(max_workers=4, initializer=begun.append, initargs=("once",)) as pool:
    print(list(pool.map(pow, [2, 3], [3, 2])))
    futures = [pool.submit(divmod, 7, number) for number in (0, 2)]
    print([future.done() for future in futures], begun)
    attempt(futures[0].result)
    print(futures[1].result(), len(list(as_completed(futures))))
    print(pool.submit(lambda: pool.submit(len, "nested").result()).result())
attempt(pool.submit, len, "late")

def stop():
    raise KeyboardInterrupt

try:
    ThreadPoolExecutor().submit(stop)
except KeyboardInterrupt:
    print("stopped")
""",
        tmp_path,
    )
    assert shown.splitlines()[:2] == ["[8, 9]", "[True, True] ['once']"]
    assert shown.splitlines()[2].startswith("ZeroDivisionError: ")
    assert shown.splitlines()[3:] == [
        "(3, 1) 2",
        "6",
        "RuntimeError: cannot schedule new futures after shutdown",
        "stopped",
    ]


def test_thread_says_what_to_use(tmp_path: Path) -> None:
    shown = in_process(
        f"{NO_THREADS}\nattempt(threading.Thread(target=print, name='reader').start)\n"
        "attempt(threading.main_thread().start)",
        tmp_path,
    )
    assert shown.splitlines() == [
        "NotInBrowser: Python in a browser tab has one thread, so reader cannot be started. Use"
        " concurrent.futures.ThreadPoolExecutor or asyncio.to_thread, whose work is done at once, or tasks of asyncio.",
        "RuntimeError: threads can only be started once",
    ]


def test_errors_of_processes_and_sockets_name_the_reason(tmp_path: Path) -> None:
    shown = in_process(
        """
import errno, socket, subprocess

def refuse(*arguments, **options):
    raise OSError(errno.EOPNOTSUPP, "emscripten does not support processes.")

subprocess.Popen._execute_child = refuse
explain_processes()
explain_sockets()
attempt(subprocess.run, ["ls", "-l"])
attempt(subprocess.run, "ls | wc", shell=True)
attempt(socket.create_connection, ("127.0.0.1", 9))
""",
        tmp_path,
    )
    listed, piped, reached = shown.splitlines()
    assert "cannot start other programs, so `ls -l` did not run. Use Python: os, shutil and pathlib" in listed
    assert listed.startswith("OSError: [Errno ")
    assert "so `ls | wc` did not run" in piped
    assert "has no sockets, so 127.0.0.1:9 is not reached. Use `await pyodide.http.pyfetch(url)`" in reached


def test_other_programs_are_refused_with_the_reason(tmp_path: Path) -> None:
    shown = in_process(
        """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
refuse_programs(shell)
for cell in ("!pip install x", "files = !ls", "%%bash\\nls", "%%bash\\nls", "%%script sh\\nls", "%sx ls"):
    result = shell.run_cell(cell)
    print("result", type(result.error_in_exec).__name__, result.error_in_exec)
""",
        tmp_path,
    )
    told = [line for line in shown.splitlines() if line.startswith("result")]
    assert len(told) == 6
    for line, what in zip(told, ("pip install x", "ls", "bash", "bash", "sh", "ls"), strict=True):
        assert line == (
            f"result NotInBrowser Python in a browser tab cannot start other programs, so `{what}` did not run."
            " Use Python: os, shutil and pathlib for files, `%pip install NAME` for packages"
        )
