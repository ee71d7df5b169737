"""Other programs and sockets, which a browser's Python does not have: each error says so, and what there is instead.

Errors keep their class and number, since programs try these out and go on without.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, NoReturn

from pyspark_connect_web.errors import NotInBrowser
from pyspark_connect_web.patches.apply import replace

__all__ = ["explain_processes", "explain_sockets", "refuse_programs"]

_SHELL = "IPython.core.interactiveshell:InteractiveShell"


def refuse_programs(shell: Any) -> None:
    """Let ``!command``, ``%%bash`` and their like fail with the reason.

    IPython's own ``%%bash`` starts a thread, and the second one waits for it for ever.
    """

    def refuse_command(command: str, *_: Any, **__: Any) -> NoReturn:
        raise NotInBrowser(_no_program(f"`{command.strip()[:80]}`"))

    def refusing(_: Callable[..., Any]) -> Callable[..., NoReturn]:
        def shebang(magics: Any, line: str, cell: str) -> NoReturn:
            refuse_command(line)

        return shebang

    replace(f"{_SHELL}.system", lambda _: refuse_command, owner=shell)
    replace(f"{_SHELL}.getoutput", lambda _: refuse_command, owner=shell)
    replace("IPython.core.magics.script:ScriptMagics.shebang", refusing)


def explain_processes() -> None:
    """Let `subprocess` say why it starts nothing."""

    def explaining(construct: Callable[..., None]) -> Callable[..., None]:
        def start_or_explain(process: Any, args: Any, *arguments: Any, **options: Any) -> None:
            try:
                construct(process, args, *arguments, **options)
            except OSError as error:
                if error.errno not in (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
                    raise
                command = args if isinstance(args, str) else " ".join(map(str, args))
                raise OSError(error.errno, _no_program(f"`{command[:80]}`")) from None

        return start_or_explain

    replace("subprocess:Popen.__init__", explaining)


def explain_sockets() -> None:
    """Let sockets say why they reach nobody; a page's own connections are no sockets."""

    def refusing(_: Callable[..., Any]) -> Callable[..., Any]:
        def connect(socket: Any, address: Any, /) -> NoReturn:
            raise OSError(
                errno.EHOSTUNREACH,
                f"Python in a browser tab has no sockets, so {_shown(address)} is not reached. Use `await"
                " pyodide.http.pyfetch(url)`, which reaches HTTP servers that allow it (CORS)",
            )

        return connect

    replace("socket:socket.connect", refusing)


def _no_program(what: str) -> str:
    return (
        f"Python in a browser tab cannot start other programs, so {what} did not run."
        " Use Python: os, shutil and pathlib for files, `%pip install NAME` for packages"
    )


def _shown(address: Any) -> str:
    if isinstance(address, tuple) and len(address) >= 2:
        return f"{address[0]}:{address[1]}"
    return str(address)
