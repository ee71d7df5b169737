"""What ends a kernel, or never ends, in a browser that is less patient than ipykernel's process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import LabPage, lab_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

_ASKS = """count => document.querySelectorAll(
  '.jp-NotebookPanel:not(.lm-mod-hidden) .jp-Stdin-input:not([disabled])').length === count"""


@pytest.fixture(scope="module")
def lab(browser: Browser, sail_lab: JupyterProcess) -> Iterator[LabPage]:
    """A notebook for all tests here."""
    with lab_page(browser, sail_lab) as page:
        page.open().new_notebook()
        page.run("import os, socket, subprocess, urllib.request").expect_ok()
        yield page


def assert_usable(lab: LabPage) -> None:
    assert lab.run("6 * 7").expect_ok().text == "42"


def answer(lab: LabPage, line: str) -> None:
    """Type into the box that the cell shows."""
    lab.page.wait_for_function(_ASKS, arg=1)
    box = lab.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Stdin-input").last
    box.fill(line)
    box.dispatch_event("keydown", {"key": "Enter", "bubbles": True})
    lab.page.wait_for_function(
        """line => {
          const box = [...document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-Stdin-input')].pop();
          return !box || box.value !== line;
        }""",
        arg=line,
    )


@pytest.mark.parametrize("end", ["exit", "exit()", "quit()"])
def test_console_in_a_cell_ends(lab: LabPage, end: str) -> None:
    index = lab.submit(
        "import code\nkept = 20\ncode.interact(banner='asks', exitmsg='over', local=globals())"
    )
    answer(lab, "kept += 1")
    answer(lab, end)
    assert "over" in lab.result(index).expect_ok().all_text
    assert lab.run("kept").text == "21"


def test_stop_ends_a_console_that_asks(lab: LabPage) -> None:
    index = lab.submit("import code\ncode.interact()")
    lab.page.wait_for_function(_ASKS, arg=1)
    lab.page.evaluate("() => void window.jupyterapp.commands.execute('notebook:interrupt-kernel')")
    assert (lab.result(index, 60).error or "").startswith("KeyboardInterrupt")
    assert_usable(lab)


NOT_STARTED = "Python in a browser tab cannot start other programs, so `{}` did not run. Use Python"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("%%bash\necho hi", NOT_STARTED.format("bash")),
        ("%%bash\necho again", NOT_STARTED.format("bash")),
        ("!ls", NOT_STARTED.format("ls")),
        ("subprocess.run(['ls', '-l'])", NOT_STARTED.format("ls -l")),
        ("subprocess.run('ls | wc', shell=True)", NOT_STARTED.format("ls | wc")),
        (
            "socket.create_connection(('127.0.0.1', 9))",
            "has no sockets, so 127.0.0.1:9 is not reached. Use `await",
        ),
        (
            "urllib.request.urlopen('http://127.0.0.1:9/')",
            "has no sockets, so 127.0.0.1:9 is not reached. Use `await",
        ),
    ],
    ids=["bash", "bash-again", "command", "subprocess", "shell", "socket", "urlopen"],
)
def test_what_a_tab_does_not_have_is_told_with_the_reason(lab: LabPage, code: str, told: str) -> None:
    assert told in (lab.run(code).error or "")
    assert_usable(lab)


@pytest.mark.parametrize(
    "code",
    [
        "open('.env', 'w')",
        "open('.env')",
        "os.mkdir('.cache')",
        "os.makedirs('.config/tool', exist_ok=True)",
        "import pathlib; pathlib.Path('.env').write_text('x')",
        "open('plain.txt', 'w').close(); os.rename('plain.txt', '.plain.txt')",
    ],
)
def test_names_with_a_dot_say_that_jupyter_hides_them(
    lab: LabPage, sail_lab: JupyterProcess, code: str
) -> None:
    (sail_lab.root / ".env").write_text("SECRET=1")
    error = lab.run(code).error or ""
    assert "Jupyter hides names that start with a dot" in error
    assert "Use another name, or a folder outside of /drive" in error
    assert (sail_lab.root / ".env").read_text() == "SECRET=1"
    assert lab.run("open('/tmp/.env', 'w').write('x')").expect_ok().text == "1"
