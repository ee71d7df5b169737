"""``code.interact()`` in a cell: its prompt cannot send the end of a file, and IPython hides ``exit`` from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from pyspark_connect_web.patches.apply import replace

__all__ = ["let_consoles_end"]

_WORDS = ("exit", "quit")
#: Lines that end a console: the words as IPython's own cells take them, and the character of Ctrl-D.
_ENDS = {"\x04": "", **{f"{word}{call}": word for word in _WORDS for call in ("", "()")}}


class _Ended(SystemExit):
    """Ends the console, and nothing else."""


class _Stopped(SystemExit):
    """Stop was pressed while the console asked."""


def let_consoles_end() -> None:
    """Let ``exit``, ``quit``, Ctrl-D and a Stop at the prompt end a console of `code`.

    A Stop while the console's code runs ends that code, as in Python's own console; at the prompt it means the cell.
    """
    from IPython.core.autocall import IPyAutocall

    interacting: list[Any] = []

    def ending(raw_input: Callable[..., str]) -> Callable[..., str]:
        def ask(console: Any, prompt: str = "") -> str:
            try:
                line = raw_input(console, prompt)
            except KeyboardInterrupt:
                if console not in interacting:
                    raise
                raise _Stopped from None
            word = _ENDS.get(line.strip())
            if word is not None and not console.buffer and console.locals.get(word, _end) is _end:
                raise EOFError
            return line

        return ask

    def ended(interact: Callable[..., None]) -> Callable[..., None]:
        def interact_until_ended(console: Any, *arguments: Any, **options: Any) -> None:
            names = console.locals
            # A cell's names have IPython's, which end a shell.
            theirs = {word: names[word] for word in _WORDS if isinstance(names.get(word), IPyAutocall)}
            for word in _WORDS:
                if word in theirs or word not in names:
                    names[word] = _end
            interacting.append(console)
            try:
                interact(console, *arguments, **options)
            except _Ended:
                console.write("\n")
            except _Stopped:
                raise KeyboardInterrupt from None
            finally:
                interacting.remove(console)
                for word in _WORDS:
                    if names.get(word) is _end:
                        del names[word]
                        names.update({word: theirs[word]} if word in theirs else {})

        return interact_until_ended

    replace("code:InteractiveConsole.raw_input", ending)
    replace("code:InteractiveConsole.interact", ended)


def _end(code: object = None) -> NoReturn:
    """End this console."""
    raise _Ended(code)
