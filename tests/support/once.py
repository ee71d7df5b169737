"""What is made once in a run, although several workers need it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def once(thing: Path) -> Iterator[bool]:
    """Hold the lock of a thing, one block at a time; yields whether it is to be made now, by this block.

    A block that raises has not made it: the next one is to make it again.
    """
    thing.parent.mkdir(parents=True, exist_ok=True)
    made = thing.with_name(f"{thing.name}.made")
    with thing.with_name(f"{thing.name}.lock").open("w") as lock:
        # released when the file is closed, also by the end of the process
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not made.exists()
        made.touch()
