"""A kernel worker in a page of the tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page


class Kernel:
    """A kernel worker in a page: how it started, and Python to run in it."""

    def __init__(self, page: Page, started: dict[str, Any]) -> None:
        self._page = page
        self.mode: str = started["mode"]
        self.reason: str | None = started["reason"]
        self.marks: dict[str, float] = started["marks"]
        self.heap: int = started["heap"]
        self._number: int = started["number"]

    def run(self, code: str) -> Any:
        """The value of the last expression of `code`, which runs in a namespace of its own and may await."""
        return self._page.evaluate("([number, code]) => run(number, code)", [self._number, code])


StartKernel = Callable[..., Kernel]
