"""``%%time`` before a cell that awaits: IPython's own compiles the cell as a program that cannot."""

from __future__ import annotations

import ast
import inspect
import time
from typing import Any

from pyspark_connect_web.patches.apply import find

__all__ = ["time_awaiting_cells", "timed"]

_BEGINS = "get_ipython().run_cell_magic('time', "
_NO_RAISE = "--no-raise-error"


def time_awaiting_cells(shell: Any) -> None:
    """Let a shell run ``%%time`` as a statement that awaits, where the cell does."""

    def transformed(lines: list[str]) -> list[str]:
        if not lines or not lines[0].startswith(_BEGINS):
            return lines
        call: Any = ast.parse("".join(lines), mode="eval").body
        _, options, cell = (argument.value for argument in call.args)
        if not shell.should_run_async(cell, transformed_cell=shell.transform_cell(cell)):
            return lines
        return [f"await __import__({__name__!r}, fromlist=['timed']).timed({options!r}, {cell!r})\n"]

    shell.input_transformers_post.append(transformed)


async def timed(options: str, cell: str) -> Any:
    """Run a cell, print how long it took as ``%%time`` does, and return its last expression's value.

    Raises:
        UsageError: `options` are none of ``%%time``.
    """
    from IPython import get_ipython
    from IPython.core.error import UsageError
    from IPython.utils.timing import clock2

    shell: Any = get_ipython()
    words = options.split()
    if set(words) - {_NO_RAISE}:
        raise UsageError("Can't use statement directly after '%%time'!")
    tree = shell.transform_ast(shell.compile.ast_parse(shell.transform_cell(cell)))
    last: Any = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    value = None
    began, used = time.time(), clock2()
    try:
        if tree.body:
            await _run(shell, tree, "exec")
        if last is not None:
            value = await _run(shell, ast.Expression(last.value), "eval")
    except Exception:
        if _NO_RAISE not in words:
            raise
    finally:
        elapsed, (user, system) = time.time() - began, clock2()
        user, system = user - used[0], system - used[1]
        form = find("IPython.core.magics.execution:_format_time")
        print(f"CPU times: user {form(user)}, sys: {form(system)}, total: {form(user + system)}")
        print(f"Wall time: {form(elapsed)}")
    return None if shell.displayhook.semicolon_at_end_of_expression(cell) else value


async def _run(shell: Any, tree: ast.AST, mode: str) -> Any:
    with shell.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
        code = shell.compile(tree, f"<timed {mode}>", mode)
    value = eval(code, shell.user_ns)
    return await value if code.co_flags & inspect.CO_COROUTINE else value
