"""Reads `cells.ipy`: functions that travel to a server with another Python."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class UdfCell:
    """One cell: what it must do is in its options (see the head of `cells.ipy`)."""

    name: str
    code: str
    python: tuple[int, int]
    engines: tuple[str, ...]
    fails: str | None
    source_only: bool

    def runs_on(self, python: tuple[int, ...], engine: str, *, as_source: bool = True) -> bool:
        """Whether a kernel with this Python and this engine can run the cell.

        Args:
            as_source: whether its functions travel as source, or as PySpark pickles them.
        """
        return python >= self.python and engine in self.engines and (as_source or not self.source_only)

    def checked(self) -> str:
        """The code with its last expression compared with EXPECT; prints what differs, else `as expected`."""
        if self.fails is not None or self.name == "setup":
            return self.code
        head, expression = self.code.rsplit("\n", 1) if "\n" in self.code else ("", self.code)
        before, _, last = expression.rpartition("; ")
        lines = [head, before] if before else [head]
        lines += [f"_found = {last}", "print('as expected' if _found == EXPECT else (_found, EXPECT))"]
        return "\n".join(line for line in lines if line)

    def verify(self, error: str | None, printed: str) -> None:
        """Raise AssertionError unless the cell did what it must; `error` is the text of what ended it, or None."""
        if self.fails is not None:
            assert self.fails in (error or ""), f"{error}\n{printed}"
            return
        assert error is None, f"{error}\n{printed}"
        if self.name != "setup":
            assert printed.rstrip().endswith("as expected"), printed


def read_cells() -> list[UdfCell]:
    """Return the cells of `cells.ipy`, `setup` first."""
    text = (Path(__file__).parent / "cells.ipy").read_text(encoding="utf-8")
    return [_parse(block) for block in re.split(r"^#%% ", text, flags=re.MULTILINE)[1:]]


def _parse(block: str) -> UdfCell:
    head, _, code = block.partition("\n")
    python = re.search(r"\[python (\d+)\.(\d+)\]", head)
    fails = re.search(r"\[fails: (.*?)\]", head)
    return UdfCell(
        name=head.split(" [")[0],
        code=code.strip(),
        python=(int(python[1]), int(python[2])) if python else (3, 10),
        engines=("spark",) if "[not sail]" in head else ("spark", "sail"),
        fails=fails[1] if fails else None,
        source_only="[source only]" in head,
    )
