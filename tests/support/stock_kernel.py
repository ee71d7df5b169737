"""JupyterLite's own Pyodide kernel, whose worker may read an answer of the page that is half written.

That is coincident 1.2.3: it waits on the first word of the very buffer that the answer is written into, so a wait that
begins during the writing ends at once. What is read is no JSON: a cell fails, or the kernel ends and its cell waits for
ever. Our own kernel does not use it; a test of the stock one goes on with a fresh page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from playwright.sync_api import Error

from tests.support.lab_page import LabPage

_ATTEMPTS = 4
_HALF_READ = re.compile(r"SyntaxError: .*\bJSON\b")
_FAULT_IN_WORKER = re.compile(r"SyntaxError: .*\bJSON\b.*coincident\.worker", re.DOTALL)

PageT = TypeVar("PageT", bound=LabPage)


def with_stock_kernel(open_page: Callable[[], PageT], work: Callable[[PageT], None]) -> PageT:
    """Do `work` on a fresh page, on another one if the kernel's worker read a half-written answer; return the page."""
    for remaining in reversed(range(_ATTEMPTS)):
        page = open_page()
        forget = _close_when_half_read(page) if remaining else None
        try:
            work(page)
        except (AssertionError, Error) as error:
            if not remaining or not _was_half_read(page, error):
                raise
            # its kernel may keep a core busy
            page.page.close()
        else:
            if forget is not None:
                forget()
            return page
    raise AssertionError("unreachable")


def _close_when_half_read(page: LabPage) -> Callable[[], None]:
    """Close the page once its worker says so, until the function that is returned is called.

    Its cell would wait until the time is over, and its kernel keep a core busy as long.
    """

    def look(_: object) -> None:
        if _FAULT_IN_WORKER.search("\n".join(page.console)):
            page.page.close()

    def forget() -> None:
        page.page.remove_listener("console", look)
        page.page.remove_listener("pageerror", look)

    page.page.on("console", look)
    page.page.on("pageerror", look)
    return forget


def _was_half_read(page: LabPage, error: Exception) -> bool:
    return bool(_HALF_READ.search(str(error)) or _FAULT_IN_WORKER.search("\n".join(page.console)))
