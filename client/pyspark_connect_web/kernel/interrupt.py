"""Ends a cell soon after its error: rendering tracebacks takes IPython seconds in WebAssembly."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from pyspark_connect_web.kernel.frames import is_own_code
from pyspark_connect_web.patches.apply import replace

__all__ = ["own_part", "render_errors_once", "show_interrupts_briefly"]


def show_interrupts_briefly(shell: Any) -> None:
    """Show a ``KeyboardInterrupt`` with the frames of the person's code only.

    Below them are forty frames of waiting, in PySpark and in the channel. Rendering those takes IPython
    seconds in WebAssembly, while the cell still looks as if it ran; no one learns anything from them.
    """

    def show(
        shell: Any,
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
        tb_offset: int | None = None,
    ) -> list[str]:
        # Of the exception too: IPython renders what that has once more, for its history.
        error.__traceback__ = own_part(trace)
        shell.showtraceback((kind, error, error.__traceback__), tb_offset=tb_offset)
        return []

    def quiet(excepthook: Callable[..., None]) -> Callable[..., None]:
        def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            # Pyodide calls it for an interrupt that comes out of JavaScript, before anyone could catch it.
            if not issubclass(kind, KeyboardInterrupt):
                excepthook(kind, error, trace)

        return hook

    replace("IPython.core.interactiveshell:InteractiveShell.excepthook", quiet, owner=shell)
    shell.set_custom_exc((KeyboardInterrupt,), show)


def render_errors_once(shell: Any) -> None:
    """Let IPython's history keep the traceback that was shown, instead of rendering it again."""

    def once(render: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def shown_or_rendered(error: BaseException, *arguments: Any, **options: Any) -> dict[str, Any]:
            # What the browser kernel's shell shows it keeps, for the reply to the cell's request.
            shown = getattr(shell, "_last_traceback", None)
            if not shown or shown["evalue"] != str(error):
                return render(error, *arguments, **options)
            return {"ename": type(error).__name__, "evalue": shown["evalue"], "traceback": shown["traceback"]}

        return shown_or_rendered

    replace("IPython.core.interactiveshell:InteractiveShell._format_exception_for_storage", once, owner=shell)


def own_part(trace: TracebackType | None) -> TracebackType | None:
    """The traceback down to the last frame of code that is no installed package; all of it where none is."""
    frames: list[TracebackType] = []
    last = -1
    while trace is not None:
        if is_own_code(trace.tb_frame):
            last = len(frames)
        frames.append(trace)
        trace = trace.tb_next
    kept = frames[: last + 1] if last >= 0 else frames
    shortened: TracebackType | None = None
    for part in reversed(kept):
        shortened = TracebackType(shortened, part.tb_frame, part.tb_lasti, part.tb_lineno)
    return shortened
