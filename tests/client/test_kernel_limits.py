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
        timeout=240,
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


def test_console_ends(tmp_path: Path) -> None:
    shown = in_process(
        """
import builtins, code
from pyspark_connect_web.kernel.console import let_consoles_end
let_consoles_end()
del builtins.exit, builtins.quit  # as IPython does while a cell runs

def converse(*lines, names=None):
    waiting = list(lines)
    def answer(prompt=""):
        line = waiting.pop(0)
        if isinstance(line, type): raise line
        return line
    builtins.input = answer
    sys.stderr = sys.stdout
    names = {} if names is None else names
    try:
        code.interact(banner="", exitmsg="bye", local=names)
    except BaseException as error:
        print(type(error).__name__)
    print("left", waiting, sorted(set(names) - {"__builtins__"}))

from IPython.core.autocall import ExitAutocall
shells = ExitAutocall()
names = {"exit": shells}
converse("exit", "after", names=names)
converse("exit()", "after", names=names)
print(names["exit"] is shells)
for end in ("exit", "exit()", "quit", " quit() ", "\\x04", EOFError):
    converse("x = 1", end, "after")
converse("if True:", "    exit()", "", "after")
converse("def f():", "    exit", "", "exit", "after")
converse("exit", "exit()", "quit", "after", names={"exit": lambda: print("own")})
converse(KeyboardInterrupt, "after")
converse("raise KeyboardInterrupt", "exit", "after")
converse("import sys; sys.exit(3)", "after")
""",
        tmp_path,
    )
    own = next(line for line in shown.splitlines() if line.startswith("<function"))
    assert shown.splitlines() == [
        *["", "bye", "left ['after'] ['exit']"] * 2,
        "True",
        *["", "bye", "left ['after'] ['x']"] * 6,
        *["", "left ['after'] []"],
        *["", "bye", "left ['after'] ['f']"],
        *[own, "own", "", "bye", "left ['after'] ['exit']"],
        *["KeyboardInterrupt", "left ['after'] []"],
        *[
            "Traceback (most recent call last):",
            '  File "<console>", line 1, in <module>',
            "KeyboardInterrupt",
        ],
        *["", "bye", "left ['after'] []"],
        *["SystemExit", "left ['after'] ['sys']"],
    ]


def test_hidden_names_say_why(tmp_path: Path) -> None:
    shown = in_process(
        """
import errno, io, os, pathlib
from IPython.core import interactiveshell
from pyspark_connect_web.kernel import hidden_files

def refuse(path, *arguments, **options):
    raise OSError(errno.EINVAL, "Invalid argument", path)

def refuse_two(path, other, **options):
    raise OSError(errno.EINVAL, "Invalid argument", path, None, other)

def absent(path, *arguments, **options):
    raise OSError(errno.ENOENT, "No such file or directory", path)

io.open = interactiveshell.io_open = os.mkdir = refuse
os.rename, os.open = refuse_two, absent
hidden_files.explain_hidden_files()
for call in (
    lambda: io.open("/drive/.env", "w"), lambda: interactiveshell._modified_open("/drive/a/.b/c"),
    lambda: os.mkdir(b"/drive/.cache"), lambda: os.rename("/drive/a", "/drive/.a"),
    lambda: os.open("/drive/.env", os.O_RDONLY), lambda: os.mkdir(pathlib.Path("/drive/.x")),
    lambda: io.open("/drive/env"), lambda: io.open("/tmp/.env"), lambda: open("/nowhere/.env"),
):
    attempt(call)

class Opening:
    open = open

print(type(Opening().open) is type(open))
""",
        tmp_path,
    )
    why = (
        "Jupyter hides names that start with a dot, and its server gives kernels in a browser no such file or folder"
        " (unless its administrator sets ContentsManager.allow_hidden). Use another name, or a folder outside of"
        " /drive, such as /tmp, for what may go with the kernel"
    )
    assert shown.splitlines() == [
        f"OSError: [Errno 22] {why}: '/drive/.env'",
        f"OSError: [Errno 22] {why}: '/drive/a/.b/c'",
        f"OSError: [Errno 22] {why}: b'/drive/.cache'",
        f"OSError: [Errno 22] {why}: '/drive/a' -> '/drive/.a'",
        f"FileNotFoundError: [Errno 2] {why}: '/drive/.env'",
        f"OSError: [Errno 22] {why}: PosixPath('/drive/.x')",
        "OSError: [Errno 22] Invalid argument: '/drive/env'",
        "OSError: [Errno 22] Invalid argument: '/tmp/.env'",
        "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/.env'",
        "True",
    ]


def test_function_that_opens_files_travels_as_it_is(tmp_path: Path) -> None:
    shown = in_process(
        """
import functools, os, pickle
from pyspark_connect_web.kernel import hidden_files

hidden_files.explain_hidden_files()
for function in (open, os.mkdir, os.rename):
    sent = pickle.dumps(functools.partial(function))
    print(pickle.loads(sent).func.__wrapped__ is function.__wrapped__, b"pyspark_connect_web" in sent)
""",
        tmp_path,
    )
    assert shown == "True False\n" * 3
