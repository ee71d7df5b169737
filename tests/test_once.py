"""What workers share is made by one of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.once import once


def test_of_many_at_once_one_makes_it_and_the_others_find_it_made(tmp_path: Path) -> None:
    thing = tmp_path / "folder" / "thing"

    def make(number: int) -> tuple[bool, str]:
        with once(thing) as first:
            if first:
                assert not thing.exists()
                thing.write_text(f"made by {number}")
            return first, thing.read_text()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(make, range(40)))
    assert [first for first, _ in results].count(True) == 1
    assert len({text for _, text in results}) == 1


def test_what_failed_is_made_by_the_next(tmp_path: Path) -> None:
    thing = tmp_path / "thing"
    made = once(thing)
    assert made.__enter__()
    error = OSError("full")
    assert not made.__exit__(OSError, error, None)
    with once(thing) as first:
        assert first
    with once(thing) as first:
        assert not first
