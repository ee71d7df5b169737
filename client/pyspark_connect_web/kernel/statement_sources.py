"""Lets IPython show frames whose source is a part of a statement."""

from __future__ import annotations

import tokenize
from collections.abc import Callable

from pyspark_connect_web.patches.apply import replace

__all__ = ["show_parts_of_statements"]


def show_parts_of_statements() -> None:
    """Make `inspect` return the lines there are when they end inside a statement.

    PySpark puts the server's frames into a traceback, each with the one line that Spark sends. Where that line ends
    inside a statement, `inspect.getblock` raises, IPython gives the whole traceback up, and the error is lost.
    """

    def tolerant(original: Callable[[list[str]], list[str]]) -> Callable[[list[str]], list[str]]:
        def getblock(lines: list[str]) -> list[str]:
            try:
                return original(lines)
            except (tokenize.TokenError, SyntaxError):
                return lines

        return getblock

    replace("inspect:getblock", tolerant)
