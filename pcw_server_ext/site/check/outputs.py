"""Outputs of cells (nbformat 4): the error in them, and how they differ from those that were saved."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

#: An output as nbformat has it.
Output = dict[str, Any]

_ANSI: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
#: Addresses of objects are others in each run.
_ADDRESS: Final = re.compile(r"\b0x[0-9a-f]{6,}\b")
_LONGEST: Final = 100


def plain(text: str) -> str:
    """A text without the terminal's colours (ECMA-48 control sequences)."""
    return _ANSI.sub("", text)


def error_in(outputs: Sequence[Output]) -> tuple[str, str] | None:
    """The error that a cell ended with, in a line and with its traceback; None for none."""
    for output in outputs:
        if output.get("output_type") == "error":
            name, value = str(output.get("ename", "")), plain(_text(output.get("evalue", "")))
            first = value.strip().partition("\n")[0]
            line = f"{name}: {first}" if first else name
            details = plain("\n".join(map(str, output.get("traceback") or []))) or f"{name}: {value}"
            return line if len(line) <= 400 else f"{line[:399]}…", details
    return None


def difference(saved: Sequence[Output], now: Sequence[Output]) -> str:
    """Where outputs differ in what a person reads: printed text, the text of results, and errors' names.

    What goes to stderr (warnings, progress), pictures and addresses of objects in memory are not compared.

    Returns:
        a sentence that shows the first line that differs; an empty string where they are the same.
    """
    before, after = _lines(saved), _lines(now)
    for at, (old, new) in enumerate(zip(before, after, strict=False), 1):
        if old != new:
            return f"line {at} of its output was saved as {_shown(old)} and is {_shown(new)} now"
    both = min(len(before), len(after))
    for kind, rest in (("new", after[both:]), ("gone", before[both:])):
        if rest:
            lengths = f"its output has {len(after)} lines now, and was saved with {len(before)}"
            return f"{lengths}; {kind}: {_shown(rest[0])}"
    return ""


def _lines(outputs: Sequence[Output]) -> list[str]:
    texts: list[str] = []
    printing = False
    for output in outputs:
        kind = output.get("output_type")
        if kind == "stream":
            if output.get("name") != "stdout":
                continue
            # A kernel cuts what is printed into messages as it comes.
            if printing:
                texts[-1] += _text(output.get("text", ""))
            else:
                texts.append(_text(output.get("text", "")))
            printing = True
            continue
        printing = False
        if kind == "error":
            texts.append(str(output.get("ename", "")))
        elif isinstance(data := output.get("data"), dict):
            texts.append(_text(data.get("text/plain", "")))
    lines = "\n".join(text.rstrip("\n") for text in texts).split("\n") if texts else []
    return [_ADDRESS.sub("0x…", plain(line).rstrip()) for line in lines]


def _text(value: object) -> str:
    """A multi-line string, which a notebook's file may hold as a list of lines."""
    return "".join(map(str, value)) if isinstance(value, list) else str(value)


def _shown(line: str) -> str:
    return repr(line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…")
