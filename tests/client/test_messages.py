"""Every message of the client that a person can see, written out in ``messages.txt``.

A message names what happened, why, and the next step. Adding or changing one changes that file too, where it
is read as a sentence and not as code: ``python -m tests.client.test_messages`` writes it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pyspark_connect_web

PACKAGE = Path(pyspark_connect_web.__file__).parent
LIST = Path(__file__).with_name("messages.txt")

# lean and udf have errors, and tests, of their own.
OTHERS = ("lean", "udf")
VAGUE = re.compile("error occurred|went wrong|unexpected error|NoneType|TODO", re.IGNORECASE)


def template(node: ast.expr) -> str:
    """The text of a string, with ``{...}`` where a value goes; "" for what is no string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            f"{{{ast.unparse(part.value)}}}" if isinstance(part, ast.FormattedValue) else template(part)
            for part in node.values
        )
    return ""


def strings(tree: ast.AST) -> Iterator[str]:
    """Every string of a module but docstrings, each once."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, (ast.Constant, ast.JoinedStr)):
            yield template(node)
        else:
            yield from strings(node)


def messages() -> list[str]:
    """``file: message`` for every text of four words or more, in the order of the files."""
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        relative = file.relative_to(PACKAGE)
        if relative.parts[0] in OTHERS:
            continue
        for text in strings(ast.parse(file.read_text(encoding="utf-8"))):
            if len(text.split()) >= 4:
                found.append(f"{relative.as_posix()}: {text}")
    return found


def text_of_list() -> str:
    return "\n".join(line.replace("\n", "\n    ") for line in messages()) + "\n"


def test_every_message_is_in_the_list() -> None:
    assert text_of_list() == LIST.read_text(encoding="utf-8")


def test_no_message_is_vague_or_names_what_only_developers_know() -> None:
    assert len(messages()) > 60
    for line in messages():
        text = line.partition(": ")[2]
        assert not re.search(
            r"error occurred|went wrong|unexpected error|NoneType|/work|TODO", text, re.IGNORECASE
        ), line


if __name__ == "__main__":
    LIST.write_text(text_of_list(), encoding="utf-8")
