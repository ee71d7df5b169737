"""The source of a code object: which statement it stands in, and which function of that statement it is."""

from __future__ import annotations
import __future__

import ast
import copy
import linecache
import sys
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

from pyspark_connect_web.errors import SourceUnavailable
from pyspark_connect_web.udf.loader import FUNCTIONS, MARK

Version = tuple[int, int]
LOCAL: Version = (sys.version_info[0], sys.version_info[1])

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_FUTURE_FLAGS = 0
for _name in __future__.all_feature_names:
    _FUTURE_FLAGS |= getattr(__future__, _name).compiler_flag


@dataclass(frozen=True)
class CodeSource:
    """What `loader.load_code` takes, in its order, but for the version."""

    source: str
    index: int
    dump: str | None
    dump_index: int | None
    name: str
    filename: str
    flags: int
    freevars: tuple[str, ...]


@dataclass(frozen=True)
class _File:
    lines: list[str]
    tree: ast.Module


_files: dict[tuple[str, int], _File] = {}
# Of a file's name what was read last: linecache gives the same list until it reads the file again.
_latest: dict[str, _File] = {}
# By the code's identity, since equal code may stand in different files: what was found for which text and Python.
_found: dict[int, tuple[weakref.ref[CodeType], dict[Version, tuple[_File, CodeSource]]]] = {}


def has_source(code: CodeType, module_globals: dict[str, Any] | None = None) -> bool:
    """Whether the text that `code` was compiled from is at hand."""
    return _file(code.co_filename, module_globals) is not None


def find_source(code: CodeType, target: Version) -> CodeSource:
    """Return the source of `code`, to be compiled by Python `target`.

    Raises SourceUnavailable when the text is gone (functions made by exec or eval), the function cannot be told
    from another on the same line, or its statement needs a newer Python.
    """
    file = _file(code.co_filename)
    if file is None:
        raise SourceUnavailable(
            f"{getattr(code, 'co_qualname', code.co_name)}() cannot be sent to the server's "
            f"Python {target[0]}.{target[1]}: it travels as source, and the source of {code.co_filename!r} is not at "
            "hand. Define it in a notebook cell or in a module file, not with exec() or eval()."
        )
    found = _kept(code)
    if target in found and found[target][0] is file:
        return found[target][1]
    source = _find(code, file, target)
    found[target] = file, source
    return source


def _kept(code: CodeType) -> dict[Version, tuple[_File, CodeSource]]:
    """What was found for a code object: a plan is made again for every action, with all of its functions."""
    key = id(code)
    if key not in _found:
        _found[key] = weakref.ref(code, lambda _: _found.pop(key, None)), {}
    return _found[key][1]


def _find(code: CodeType, file: _File, target: Version) -> CodeSource:
    statements = [s for s in file.tree.body if _first_line(s) <= code.co_firstlineno <= (s.end_lineno or 0)]
    for statement in statements:
        node = _function_in(statement, code, alone=len(statements) == 1)
        if node is not None:
            _refuse_newer_syntax(code, statement, target)
            return _describe(code, file, statement, node, target)
    raise SourceUnavailable(
        f"{code.co_name}() cannot be sent to the server's Python {target[0]}.{target[1]}: its source was not found in "
        f"{code.co_filename}, line {code.co_firstlineno}. If several functions share that line, write one a line."
    )


#: Nodes that have no older form, and the Python that brought them; annotations and type parameters are left out.
_NEWER: dict[str, tuple[Version, str]] = {
    "Match": ((3, 10), "match statements"),
    "TryStar": ((3, 11), "except*"),
    "TypeAlias": ((3, 12), "type statements"),
    "TemplateStr": ((3, 14), "template strings"),
}


def _refuse_newer_syntax(code: CodeType, statement: ast.stmt, target: Version) -> None:
    for node in ast.walk(statement):
        since, what = _NEWER.get(type(node).__name__, ((0, 0), ""))
        if since > target:
            here, there = f"{target[0]}.{target[1]}", f"{since[0]}.{since[1]}"
            raise SourceUnavailable(
                f"{code.co_name}() was not sent: the server's Python {here} has no {what}, which came with Python "
                f"{there}. Write it with the syntax of Python {here}."
            )


def _file(filename: str, module_globals: dict[str, Any] | None = None) -> _File | None:
    lines = linecache.getlines(filename, module_globals) or _lines_of_module(filename)
    if not lines:
        return None
    latest = _latest.get(filename)
    if latest is not None and latest.lines is lines:
        return latest
    text = "".join(lines)
    key = (filename, hash(text))
    if key not in _files:
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        try:
            tree = compile(text, filename, "exec", flags, dont_inherit=True)
        except SyntaxError:
            return None
        assert isinstance(tree, ast.Module)
        _files[key] = _File(lines, tree)
    file = _files[key]
    _latest[filename] = file if file.lines is lines else _File(lines, file.tree)
    return file


def _lines_of_module(filename: str) -> list[str]:
    """The lines of a loaded module that is in an archive, as the standard library of a browser's Python is.

    `linecache` reads them when it is told the module, which a code object does not know.
    """
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == filename:
            return linecache.getlines(filename, vars(module))
    return []


def _first_line(node: ast.AST) -> int:
    lines = [decorator.lineno for decorator in getattr(node, "decorator_list", [])]
    return int(min([node.lineno, *lines]))  # type: ignore[attr-defined]


def _functions(node: ast.AST) -> list[_Function]:
    return [item for item in ast.walk(node) if isinstance(item, FUNCTIONS)]


def _function_in(statement: ast.stmt, code: CodeType, *, alone: bool) -> _Function | None:
    candidates = [
        node
        for node in _functions(statement)
        if _first_line(node) == code.co_firstlineno and getattr(node, "name", "<lambda>") == code.co_name
    ]
    if alone and len(candidates) == 1:
        return candidates[0]
    return next((node for node in candidates if _compiles_to(statement, node, code)), None)


def _compiles_to(statement: ast.stmt, node: _Function, code: CodeType) -> bool:
    """Compile `statement` with `node` marked and unmarked: is the code in the marked place equal to `code`?"""

    def build() -> CodeType:
        flags = (code.co_flags & _FUTURE_FLAGS) | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        module = ast.Module([statement], [])
        built = compile(module, code.co_filename, "exec", flags, dont_inherit=True)
        assert isinstance(built, CodeType)
        return built

    plain = list(_nested(build()))
    first: Any = (getattr(node, "decorator_list", None) or [node])[0]
    place = (first.lineno, first.end_lineno, first.col_offset, first.end_col_offset)
    try:
        first.lineno = first.end_lineno = MARK
        first.col_offset = first.end_col_offset = 0
        marked = list(_nested(build()))
    finally:
        first.lineno, first.end_lineno, first.col_offset, first.end_col_offset = place
    positions = [i for i, c in enumerate(marked) if c.co_firstlineno == MARK and c.co_name == code.co_name]
    return bool(positions) and plain[positions[0]] == code


def _nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)


def _describe(
    code: CodeType, file: _File, statement: ast.stmt, node: _Function, target: Version
) -> CodeSource:
    first, last = _first_line(statement), statement.end_lineno or statement.lineno
    shares_a_line = any(
        other is not statement and (_first_line(other) == last or other.end_lineno == first)
        for other in file.tree.body
    )
    # Padding keeps the line numbers of the notebook; statements joined by ";" are only sent together.
    source = (
        "".join(file.lines) if shares_a_line else "\n" * (first - 1) + "".join(file.lines[first - 1 : last])
    )
    body = file.tree.body if shares_a_line else [statement]
    dump: str | None = None
    dump_index: int | None = None
    if _needs_dump(source, body, target):
        dump, dump_index = _dump(body, node)
    return CodeSource(
        source,
        _functions(ast.Module(body, [])).index(node),
        dump,
        dump_index,
        code.co_name,
        code.co_filename,
        code.co_flags & _FUTURE_FLAGS,
        code.co_freevars,
    )


def _needs_dump(source: str, body: list[ast.stmt], target: Version) -> bool:
    """Whether the syntax may be newer than Python `target`.

    `feature_version` does not know every change of the tokenizer, so nested f-strings (PEP 701) and except clauses
    without parentheses (PEP 758) are looked for here.
    """
    if target >= LOCAL:
        return False
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.JoinedStr):
                return True
            if isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Tuple):
                return True
    try:
        ast.parse(source, feature_version=target)
    except SyntaxError:
        return True
    return False


class _WithoutTypes(ast.NodeTransformer):
    """Annotations and type parameters (PEP 695) are not needed to run a body, and older Pythons cannot read them."""

    def _function(self, node: Any) -> Any:
        node.returns = None
        if hasattr(node, "type_params"):
            node.type_params = []
        arguments = node.args
        for argument in (
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            arguments.vararg,
            arguments.kwarg,
        ):
            if argument is not None:
                argument.annotation = None
        return self.generic_visit(node)

    visit_FunctionDef = _function
    visit_AsyncFunctionDef = _function

    def visit_ClassDef(self, node: Any) -> Any:
        if hasattr(node, "type_params"):
            node.type_params = []
        return self.generic_visit(node)


def _dump(body: list[ast.stmt], node: _Function) -> tuple[str, int]:
    index = _functions(ast.Module(body, [])).index(node)
    tree = copy.deepcopy(ast.Module(body, []))
    wanted = _functions(tree)[index]
    tree = _WithoutTypes().visit(tree)
    options = {"show_empty": True} if sys.version_info >= (3, 13) else {}
    text = ast.dump(tree, annotate_fields=True, include_attributes=True, **options)
    return text, _functions(tree).index(wanted)
