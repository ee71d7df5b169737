"""Keep the source of cells that IPython's magics compile under a fixed name.

`%%time`, `%%timeit` and `%%prun` compile a syntax tree as `<timed exec>` and the like, and put no lines into
`linecache`; each such tree gets a name and lines of its own here, so that functions defined there can travel too, and
tracebacks show their lines.
"""

from __future__ import annotations

import ast
import itertools
import linecache
from typing import Any

_numbers = itertools.count(1)


def keep_sources(shell: Any) -> None:
    """Make the compiler of an IPython shell remember what it parsed; idempotent."""
    plain = type(shell.compile)
    if getattr(plain, "keeps_sources", False):
        return

    class SourceKeepingCompiler(plain):  # type: ignore[misc, valid-type]
        """IPython's compiler, which names the sources of magics."""

        keeps_sources = True
        _parsed: tuple[Any, str] | None = None

        def ast_parse(self, source: str, *arguments: Any, **options: Any) -> Any:
            tree = super().ast_parse(source, *arguments, **options)
            self._parsed = (tree, source)
            return tree

        def __call__(self, source: Any, filename: str, symbol: str, **options: Any) -> Any:
            parsed, self._parsed = self._parsed, None
            if isinstance(source, ast.AST) and parsed is not None and filename not in linecache.cache:
                filename = f"{filename.rstrip('>')} {next(_numbers)}>"
                text = parsed[1]
                linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
            return super().__call__(source, filename, symbol, **options)

    shell.compile.__class__ = SourceKeepingCompiler
