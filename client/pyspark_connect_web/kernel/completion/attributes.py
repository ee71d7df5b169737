"""What may follow a dot: names of live objects, and of what PySpark's methods say that they return.

IPython leaves this to jedi, whose first answer takes a browser kernel seconds (it reads the sources of Python's and
PySpark's modules), while JupyterLab waits for one. Nothing is called here and no property is evaluated; what cannot
be told without that is left to jedi.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

__all__ = ["complete_attributes"]

_BEFORE_DOT = re.compile(r"\s*\.(\w*)\Z")
_NAME = re.compile(r"[\w.]+\Z")
_STRING = re.compile(r"(\"\"\"|'''|\"|')(?:\\.|(?!\1)[^\\])*\1", re.DOTALL)
_CLOSING = {")": "(", "]": "[", "}": "{"}
_DEPTH = 8
"""Assignments of the cell that are followed."""

#: Properties that say nothing of what they return.
_UNDECLARED = {"catalog": "Catalog"}


@dataclass(frozen=True)
class _Live:
    """An object that there is."""

    value: Any


@dataclass(frozen=True)
class _Instance:
    """Some object of a class."""

    kind: type


@dataclass(frozen=True)
class _Method:
    """What a call of it returns is declared."""

    function: Any


def complete_attributes(code: str, names: dict[str, Any], ask: bool) -> list[tuple[str, str]]:
    """Completions of the word behind the last dot, each with its kind; none where types alone do not tell.

    Args:
        code: the cell up to the cursor.
        names: the variables of the notebook.
        ask: whether Spark may be asked for the columns of a DataFrame.
    """
    dot = _BEFORE_DOT.search(code)
    if dot is None or "#" in code[code.rfind("\n") + 1 :] or re.search("[\"']", _STRING.sub("", code)):
        return []
    before = code[: dot.start()]
    found = _told(before, _expression(before), names)
    if found is None or isinstance(found, _Method):
        return []
    word = dot[1]
    owner = found.value if isinstance(found, _Live) else found.kind
    public = [name for name in _names_of(owner) if word.startswith("_") or not name.startswith("_")]
    columns = _columns(owner) if ask and isinstance(found, _Live) else []
    offered = dict.fromkeys(columns, "column")
    for name in public:
        offered.setdefault(name, _kind(owner, name))
    return [(name, kind) for name, kind in offered.items() if name.startswith(word)]


def _expression(code: str) -> str:
    """The operand at the end of `code`: names, dots, and calls and items in brackets; "" where there is none."""
    end = position = len(code)
    while position:
        character = code[position - 1]
        if character in _CLOSING:
            opening = _opening(code, position - 1)
            if opening is None:
                return ""
            position = opening
        elif _NAME.match(character) or (character.isspace() and code[position:].lstrip()[:1] == "."):
            position -= 1
        else:
            break
    return code[position:end].strip()


def _opening(code: str, closing: int) -> int | None:
    """Where the bracket is that `code[closing]` closes."""
    blank = _STRING.sub(lambda string: "_" * len(string[0]), code[: closing + 1])
    open_brackets: list[int] = []
    for position, character in enumerate(blank[:-1]):
        if character in _CLOSING.values():
            open_brackets.append(position)
        elif character in _CLOSING and open_brackets:
            open_brackets.pop()
    if not open_brackets or blank[open_brackets[-1]] != _CLOSING[code[closing]]:
        return None
    return open_brackets[-1]


def _told(
    before: str, expression: str, names: dict[str, Any], depth: int = 0
) -> _Live | _Instance | _Method | None:
    if not expression or depth > _DEPTH:
        return None
    try:
        tree = ast.parse(f"({expression}\n)", mode="eval").body
    except (SyntaxError, ValueError):
        return None
    return _type_of(tree, before, names, depth)


def _type_of(
    node: ast.expr, before: str, names: dict[str, Any], depth: int
) -> _Live | _Instance | _Method | None:
    if isinstance(node, ast.Name):
        return _variable(node.id, before, names, depth)
    if isinstance(node, ast.Attribute):
        owner = _type_of(node.value, before, names, depth)
        return None if owner is None else _attribute(owner, node.attr)
    if isinstance(node, ast.Call):
        called = _type_of(node.func, before, names, depth)
        if isinstance(called, _Method):
            return _declared(called.function)
        if isinstance(called, _Live) and inspect.isroutine(called.value):
            return _declared(called.value)
        if isinstance(called, _Live) and isinstance(called.value, type):
            return _Instance(called.value) if _is_pyspark(called.value) else None
        return None
    if isinstance(node, ast.Subscript):
        owner = _type_of(node.value, before, names, depth)
        return _class_named("Column") if _is_frame(owner) else None
    return None


def _variable(
    name: str, before: str, names: dict[str, Any], depth: int
) -> _Live | _Instance | _Method | None:
    imported = _imported(name, before)
    if imported is not None:
        return imported
    if re.search(rf"\b(?:for|as|import|lambda|def)\b[^\n=]*\b{name}\b", before):
        return None
    assigned = list(re.finditer(rf"^[ \t]*{name}[ \t]*=(?!=)(.*)$", before, re.MULTILINE))
    if assigned:
        last = assigned[-1]
        return _told(before[: last.start()], last[1].strip(), names, depth + 1)
    return _Live(names[name]) if name in names else None


def _imported(name: str, before: str) -> _Live | None:
    """What an import of this cell gives, if its module is loaded already."""
    for line in re.findall(r"^(?:import|from)\s.*$", before, re.MULTILINE):
        try:
            statement = ast.parse(line).body[0]
        except (SyntaxError, ValueError):
            continue
        for alias in getattr(statement, "names", ()):
            if (alias.asname or alias.name.partition(".")[0]) != name:
                continue
            if isinstance(statement, ast.ImportFrom):
                module = sys.modules.get(statement.module or "")
                value = getattr(module, "__dict__", {}).get(alias.name)
            else:
                value = sys.modules.get(alias.name if alias.asname else name)
            return None if value is None else _Live(value)
    return None


def _attribute(owner: _Live | _Instance | _Method, name: str) -> _Live | _Instance | _Method | None:
    if isinstance(owner, _Method):
        return None
    if isinstance(owner, _Live) and isinstance(owner.value, ModuleType):
        value = owner.value.__dict__.get(name)
        return None if value is None else _Live(value)
    kind = owner.kind if isinstance(owner, _Instance) else type(owner.value)
    if isinstance(owner, _Live) and isinstance(owner.value, type):
        kind = owner.value
    if not _is_pyspark(kind):
        return None
    found = inspect.getattr_static(kind, name, None)
    if found is None:
        return _class_named("Column") if _is_frame(owner) else None
    if isinstance(found, (staticmethod, classmethod)):
        found = found.__func__
    if inspect.isfunction(found):
        return _Method(found)
    getter = getattr(found, "fget", None) or getattr(found, "func", None)
    if getter is None:
        return _Live(found) if _is_pyspark(type(found)) else None
    return _declared(getter) or _class_named(_UNDECLARED.get(name, ""))


def _declared(function: Any) -> _Instance | None:
    """An object of the class that a function says that it returns."""
    returned = getattr(function, "__annotations__", {}).get("return")
    if isinstance(returned, str):
        return _class_named(returned.strip("\"'").removeprefix("Parent"))
    if not isinstance(returned, type):
        return None
    return _class_named(returned.__name__) if _is_pyspark(returned) else _Instance(returned)


def _class_named(name: str) -> _Instance | None:
    """PySpark's class of this name, that of Spark Connect first."""
    for prefix in ("pyspark.sql.connect.", "pyspark.sql."):
        for module_name, module in list(sys.modules.items()):
            if module_name.startswith(prefix):
                found = getattr(module, "__dict__", {}).get(name)
                # A message of the protocol has such a name, too.
                if (
                    isinstance(found, type)
                    and found.__module__.startswith(prefix)
                    and "_pb2" not in found.__module__
                ):
                    return _Instance(found)
    return None


def _is_pyspark(kind: type) -> bool:
    return any(base.__module__.startswith("pyspark.") for base in kind.__mro__)


def _is_frame(owner: _Live | _Instance | _Method | None) -> bool:
    frame = _class_named("DataFrame")
    kind = type(owner.value) if isinstance(owner, _Live) else getattr(owner, "kind", None)
    return frame is not None and isinstance(kind, type) and issubclass(kind, frame.kind)


def _names_of(owner: Any) -> list[str]:
    """A DataFrame's own list has its columns, for which it asks Spark."""
    live_frame = _is_frame(_Live(owner))
    try:
        return list(dir(type(owner) if live_frame else owner))
    except Exception:  # noqa: BLE001 - a person's own __dir__ may do anything
        return []


def _columns(owner: Any) -> list[str]:
    if not _is_frame(_Live(owner)):
        return []
    try:
        return [name for name in owner.columns if name.isidentifier()]
    except Exception:  # noqa: BLE001 - no answer, whatever the reason, is no completion
        return []


def _kind(owner: Any, name: str) -> str:
    found = inspect.getattr_static(owner, name, None)
    if isinstance(found, ModuleType):
        return "module"
    if isinstance(found, type):
        return "class"
    if isinstance(found, (staticmethod, classmethod)) or inspect.isroutine(found):
        return "function"
    return "property" if isinstance(found, property) else "instance"
