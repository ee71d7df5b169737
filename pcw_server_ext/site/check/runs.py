"""What running the notebooks of a site gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

#: Seconds that a cell may take, unless said otherwise.
CELL_TIMEOUT: Final = 600.0


@dataclass(frozen=True)
class CellRun:
    """A code cell.

    Attributes:
        number: its place among all cells of the notebook, from 1, as a person counts them.
        source: its first line.
        status: `skipped` for a cell with the tag `skip-execution`, `not run` behind one that failed.
        seconds: from the press to the end.
        problem: what is wrong, in one line; empty unless it failed.
        details: the traceback, or the whole text of the problem.
    """

    number: int
    source: str
    status: Literal["passed", "failed", "skipped", "not run"]
    seconds: float = 0.0
    problem: str = ""
    details: str = ""


@dataclass(frozen=True)
class NotebookRun:
    """A notebook that was opened and run from top to bottom.

    Attributes:
        path: below the site's files.
        seconds: of all its cells; starting the page and the kernel is not counted.
        cells: its code cells, in order; empty where it could not be opened.
        problem: why it could not be run; empty where it could.
        fix: what to do about `problem`.
        screenshot: where a picture of its end is, if one was asked for.
    """

    path: str
    seconds: float = 0.0
    cells: tuple[CellRun, ...] = ()
    problem: str = ""
    fix: str = ""
    screenshot: str = ""

    @property
    def passed(self) -> bool:
        """Whether it ran to its end as it should."""
        return not self.problem and all(cell.status in ("passed", "skipped") for cell in self.cells)
