"""What a cell prints: in batches, in order, shown while the cell waits, and no more than the page can draw."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.lab.engine import ENDLESS
from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import CellResult, LabPage, lab_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

#: Counts the stream messages that reach the notebook.
_COUNT = """() => {
  window.streamMessages = 0;
  window.jupyterapp.shell.currentWidget.sessionContext.iopubMessage.connect((_, message) => {
    window.streamMessages += message.header.msg_type === 'stream';
  });
}"""
_ENDS_WITH = """([index, end]) => {
  const outputs = window.jupyterapp.shell.currentWidget.content.widgets[index].model.outputs;
  const last = outputs.length ? outputs.get(outputs.length - 1).toJSON().text : '';
  return [last].flat().join('').endsWith(end);
}"""
_LENGTH = """([index, least]) => {
  const outputs = window.jupyterapp.shell.currentWidget.content.widgets[index].model.outputs;
  return outputs.length > 0 && outputs.get(0).streamText.text.length >= least;
}"""
#: The cell asks, or has ended.
_ASKS = """index => {
  const cell = window.jupyterapp.shell.currentWidget.content.widgets[index];
  if (cell.node.querySelector('.jp-Stdin-input')) return 'asks';
  const outputs = cell.model.outputs.toJSON();
  return cell.model.executionState === 'idle' && outputs.length ? JSON.stringify(outputs) : null;
}"""
#: More lines than are sent at once.
MANY = "for i in range(100): print(i)\n"


@pytest.fixture(scope="module")
def lab(browser: Browser, sail_lab: JupyterProcess) -> Iterator[LabPage]:
    """A notebook for all tests here."""
    with lab_page(browser, sail_lab) as page:
        page.open().new_notebook()
        page.run("import asyncio, sys, time\nfrom IPython.display import clear_output, display").expect_ok()
        page.page.evaluate(_COUNT)
        yield page


def press_stop(lab: LabPage) -> None:
    lab.page.locator(
        ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Toolbar [data-command='notebook:interrupt-kernel']"
    ).first.click()


def kinds(result: CellResult) -> list[str]:
    """The outputs in order: the names of streams, the types of all else."""
    return [output.get("name", output["output_type"]) for output in result.outputs]


@pytest.mark.parametrize(
    ("code", "prompt"),
    [
        ("input(prompt='name? ')", "name? "),
        ("input(7)", "7"),
        ("input()", ""),
        ("from getpass import getpass\ngetpass(prompt='secret? ')", "secret? "),
        ("from getpass import getpass\ngetpass()", "Password: "),
    ],
)
def test_question_shows_its_prompt(lab: LabPage, code: str, prompt: str) -> None:
    index = lab.submit(code)
    # JupyterLab leaves the box of a question that was stopped: the new one is the last.
    question = lab.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Stdin").last
    assert lab.page.wait_for_function(_ASKS, arg=index).json_value() == "asks"
    assert question.locator(".jp-Stdin-prompt").inner_text().strip() == prompt.strip()
    box = question.locator(".jp-Stdin-input")
    box.fill("Ann")
    box.dispatch_event("keydown", {"key": "Enter", "bubbles": True})
    assert lab.result(index).expect_ok().text.endswith("'Ann'")


def test_many_lines_are_few_messages(lab: LabPage) -> None:
    lab.page.evaluate("() => { window.streamMessages = 0 }")
    result = lab.run("for i in range(16_000): print(i)").expect_ok()
    assert result.text == "".join(f"{i}\n" for i in range(16_000))
    assert kinds(result) == ["stdout"]
    assert lab.page.evaluate("() => window.streamMessages") < 1_000


def test_output_keeps_its_order(lab: LabPage) -> None:
    result = lab.run(
        f"{MANY}print('e', file=sys.stderr)\nprint('b')\ndisplay({{'text/plain': 'shown'}}, raw=True)\n{MANY}'result'"
    ).expect_ok()
    assert kinds(result) == ["stdout", "stderr", "stdout", "display_data", "stdout", "execute_result"]
    lines = "".join(f"{i}\n" for i in range(100))
    assert result.text == f"{lines}b\nshown{lines}'result'"
    assert kinds(lab.run(f"{MANY}1 / 0")) == ["stdout", "error"]
    assert lab.run(f"{MANY}clear_output()\nprint('after')").text == "after\n"
    replaced = lab.run(f"shown = display('old', display_id=True)\n{MANY}shown.update('new')")
    assert kinds(replaced) == ["display_data", "stdout"]


@pytest.mark.parametrize(
    "code",
    [
        f"{MANY}time.sleep(600)",
        f"{MANY}await asyncio.sleep(600)",
        f"{MANY}{ENDLESS}.groupBy('a').count().collect()",
        f"{MANY}input('name? ')",
        # nothing waits here: these are sent by themselves
        "print(99)\nwhile True: pass",
        f"{MANY}sys.stdout.flush()\nwhile True: pass",
        "print(99, end='\\n', flush=True)\nwhile True: pass",
        # the page is asked for files, too
        "while True:\n    with open('printed.txt', 'w') as file: file.write('x' * 1000)\n    print(99)",
    ],
    ids=["sleep", "await", "query", "input", "line", "flush", "print-flush", "files"],
)
def test_what_was_printed_is_shown_while_the_cell_goes_on(lab: LabPage, code: str) -> None:
    index = lab.submit(code)
    lab.page.wait_for_function(_ENDS_WITH, arg=[index, "99\n"])
    press_stop(lab)
    assert (lab.result(index, 60).error or "").startswith(("KeyboardInterrupt", "CancelledError"))
    assert lab.run("'usable'").text == "'usable'"


def test_cell_that_prints_without_end_is_stopped(lab: LabPage) -> None:
    index = lab.submit("while True: print(1)")
    lab.page.wait_for_function(_LENGTH, arg=[index, 200_000])
    press_stop(lab)
    result = lab.result(index, 60)
    assert (result.error or "").startswith("KeyboardInterrupt")
    assert set(result.text) == {"1", "\n"}
    assert lab.run("clear_output()\n'usable'").text == "'usable'"


def test_more_than_the_page_takes_at_once_comes_whole(lab: LabPage) -> None:
    code = "for i in range(15): print(str(i % 10) * 99_999)"
    assert lab.run(code).text == "".join(str(i % 10) * 99_999 + "\n" for i in range(15))


def test_text_printed_by_a_task_after_its_cell_is_shown(lab: LabPage) -> None:
    index = lab.submit(
        "async def later():\n    await asyncio.sleep(0.2)\n    print('late')\ntask = asyncio.ensure_future(later())"
    )
    lab.page.wait_for_function(_ENDS_WITH, arg=[index, "late\n"])
