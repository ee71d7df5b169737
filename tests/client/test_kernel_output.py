"""Batches of what a cell prints: what is sent when, and in which order."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from pyspark_connect_web.kernel.output import BURST, INTERVAL, SIZE, TURNS, Batches, OutStream


class Kernel:
    """Streams on a clock that the test sets; `sent`: what the page got."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sent: list[tuple[str, str]] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.fails = 0
        self.batches = Batches(
            self._publish, lambda seconds, function: self.timers.append((seconds, function)), lambda: self.now
        )
        self.out = OutStream("stdout", self.batches)
        self.err = OutStream("stderr", self.batches)

    def _publish(self, name: str, text: str) -> None:
        self.sent.append((name, text))
        if self.fails:
            self.fails -= 1
            raise KeyboardInterrupt

    def burst(self) -> None:
        """Use up the lines that are sent at once."""
        for _ in range(BURST):
            print("line", file=self.out)
        self.sent.clear()


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


def test_few_lines_are_sent_at_once_each_in_one_piece(kernel: Kernel) -> None:
    for number in range(BURST):
        print(number, file=kernel.out)
        assert kernel.sent[-1] == ("stdout", f"{number}\n")
    print("late", file=kernel.out)
    assert len(kernel.sent) == BURST
    assert [seconds for seconds, _ in kernel.timers] == [INTERVAL]


def test_a_line_without_an_end_is_sent_at_once_too(kernel: Kernel) -> None:
    print(".", end="", file=kernel.out)
    assert kernel.sent == [("stdout", ".")]


def test_pieces_of_a_line_wait_for_its_end(kernel: Kernel) -> None:
    print(1, 2, 3, file=kernel.out)
    assert kernel.sent == [("stdout", "1 2 3\n")]


def test_pieces_without_an_end_are_sent_after_a_while(kernel: Kernel) -> None:
    kernel.out.write("a")
    kernel.out.write("b")
    assert kernel.sent == []
    kernel.now = INTERVAL
    kernel.out.write("c")
    assert kernel.sent == [("stdout", "abc")]


def test_many_lines_are_few_messages(kernel: Kernel) -> None:
    for number in range(10_000):
        kernel.now = number / 10_000
        print(number, file=kernel.out)
    kernel.out.flush()
    assert "".join(text for _, text in kernel.sent) == "".join(f"{n}\n" for n in range(10_000))
    assert len(kernel.sent) <= BURST + 1 / INTERVAL + 1


def test_much_text_is_sent_without_regard_to_time(kernel: Kernel) -> None:
    kernel.burst()
    kernel.out.write("x" * SIZE)
    assert kernel.sent == [("stdout", "x" * SIZE)]


def test_after_a_pause_lines_are_sent_at_once_again(kernel: Kernel) -> None:
    kernel.burst()
    kernel.now = 10.0
    print("again", file=kernel.out)
    assert kernel.sent == [("stdout", "again\n")]


def test_what_is_held_back_is_sent_to_who_waits_or_by_the_event_loop(kernel: Kernel) -> None:
    kernel.burst()
    print("held", file=kernel.out)
    kernel.batches.while_waiting()
    assert kernel.sent == []
    kernel.now = INTERVAL / 2
    kernel.batches.while_waiting()
    assert kernel.sent == [("stdout", "held\n")]
    kernel.now = INTERVAL / 2
    kernel.out.write("more")
    [(_, late)] = kernel.timers
    late()
    assert kernel.sent[-1] == ("stdout", "more")
    kernel.out.write("and more")
    assert len(kernel.timers) == 2


def test_flush_of_one_stream_sends_both_in_the_order_of_printing(kernel: Kernel) -> None:
    kernel.burst()
    print("a", file=kernel.out)
    print("b", file=kernel.err)
    print("c", file=kernel.out)
    kernel.err.flush()
    assert kernel.sent == [("stdout", "a\n"), ("stderr", "b\n"), ("stdout", "c\n")]
    kernel.out.flush()
    assert len(kernel.sent) == 3


def test_streams_that_take_turns_without_end_become_one_text_each(kernel: Kernel) -> None:
    kernel.burst()
    for number in range(TURNS):
        print(number, file=kernel.out)
        print(-number, file=kernel.err)
    kernel.out.flush()
    assert kernel.sent == [
        ("stdout", "".join(f"{number}\n" for number in range(TURNS))),
        ("stderr", "".join(f"{-number}\n" for number in range(TURNS))),
    ]


def test_interrupt_while_text_is_sent_loses_and_repeats_nothing(kernel: Kernel) -> None:
    kernel.burst()
    print("a", file=kernel.out)
    print("b", file=kernel.err)
    kernel.fails = 1
    with pytest.raises(KeyboardInterrupt):
        kernel.out.flush()
    kernel.out.flush()
    assert kernel.sent == [("stdout", "a\n"), ("stderr", "b\n")]


def test_stream_is_a_text_stream(kernel: Kernel) -> None:
    assert kernel.out.write("three") == 5
    kernel.out.writelines(["a", "b\n"])
    assert kernel.sent == [("stdout", "threeab\n")]
    assert (kernel.out.writable(), kernel.out.readable(), kernel.out.isatty()) == (True, False, False)
    with pytest.raises(TypeError, match=r"write\(\) argument must be str, not int"):
        kernel.out.write(5)  # type: ignore[arg-type]
    assert kernel.out.encoding == sys.stdout.encoding.lower() == "utf-8"
