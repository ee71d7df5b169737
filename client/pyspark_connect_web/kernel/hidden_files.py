"""Names that start with a dot, in the folder that JupyterLab shows: Jupyter hides them, and the error says so."""

from __future__ import annotations

import errno
import functools
import importlib
import os
from collections.abc import Callable
from typing import Any

from pyspark_connect_web.patches.apply import replace

__all__ = ["explain_hidden_files"]

_DRIVE = "/drive/"
_WHY = (
    "Jupyter hides names that start with a dot, and its server gives kernels in a browser no such file or folder"
    " (unless its administrator sets ContentsManager.allow_hidden). Use another name, or a folder outside of /drive,"
    " such as /tmp, for what may go with the kernel"
)
#: What the server's refusals become: a name that it does not take, one that it does not give, one that it guards.
_REFUSALS = {errno.EINVAL, errno.ENOENT, errno.EACCES, errno.EPERM, errno.EIO}
_PLACES = (
    "builtins:open",
    "io:open",
    # what cells call `open`
    "IPython.core.interactiveshell:io_open",
    "os:open",
    "os:mkdir",
    "os:rename",
    "os:replace",
)


class _Named:
    """A module, for pickles."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, (self._name,)


class _Explaining:
    """A function whose errors about hidden names say why; an object, so that no class makes it a method."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        functools.update_wrapper(self, function)

    def __reduce__(self) -> tuple[Any, ...]:
        """What travels to a server, in a person's function that uses it, is that server's own, by its name."""
        module = self._function.__module__
        return getattr, (_Named("os" if module == "posix" else module), self._function.__name__)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        try:
            return self._function(*arguments, **options)
        except OSError as error:
            if error.errno not in _REFUSALS or not (
                _is_hidden(error.filename) or _is_hidden(error.filename2)
            ):
                raise
            names = (error.filename,) if error.filename2 is None else (error.filename, None, error.filename2)
            raise OSError(error.errno, _WHY, *names) from None


def explain_hidden_files() -> None:
    """Let what opens, makes and renames files say why the server does not take names that start with a dot.

    Errors keep their class and number.
    """
    for place in _PLACES:
        replace(place, _Explaining)


def _is_hidden(path: Any) -> bool:
    if not isinstance(path, (str, bytes, os.PathLike)):
        return False
    full = os.path.abspath(os.fsdecode(path))
    return full.startswith(_DRIVE) and any(part.startswith(".") for part in full.split("/"))
