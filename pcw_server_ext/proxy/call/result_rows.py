"""Counts the rows of a query's answer as it passes by, without decoding or holding any of them.

A message with rows is an ExecutePlanResponse (spark/connect/base.proto) whose field ``arrow_batch = 2`` says how many
it has: ``row_count = 1``, and where it knows, ``start_offset = 3``, the rows before. Only the tags and lengths of the
fields before and inside ``arrow_batch`` are read; data and all that follows are skipped.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from pyspark_connect_web.wire import COMPRESSED, HEADER_SIZE

from pcw_server_ext.proxy.call.varints import MAX_FIELD_HEAD, read_varint

_ARROW_BATCH: Final = 2
_ROW_COUNT: Final = 1
_START_OFFSET: Final = 3
_CHUNK_INDEX: Final = 4

# Octets that are looked at together: the names before a batch of Spark's, and its count, fit.
_LOOK: Final = 128

_length = struct.Struct(">I").unpack_from


@dataclass
class ResultSize:
    """How much of the result of one query has passed, in all answers to it."""

    bytes: int = 0
    rows: int = 0


class ResultRows:
    """Give it every byte of one answer, in pieces of any size; it counts the rows of the whole batches in ``total``.

    A batch in chunks says the number of its rows in each of them. Where a batch tells the rows before it, rows that are
    sent again after a lost connection count once, else each time. Rows in compressed messages are not seen.
    """

    def __init__(self, total: ResultSize) -> None:
        self._total = total
        self._skip = 0
        self._held = b""
        self._need = HEADER_SIZE
        self._in_message = False
        self._unread = 0
        self._batch: dict[int, int] | None = None
        self._batch_left = 0

    def follow(self, data: bytes | memoryview) -> None:
        """Take the next piece."""
        at, end = 0, len(data)
        while at < end:
            skipped = self._skip
            step = min(skipped or self._need - len(self._held), end - at)
            if self._in_message:
                self._unread -= step
            if skipped:
                self._skip -= step
            else:
                self._held += data[at : at + step]
            at += step
            if not self._skip and len(self._held) == self._need:
                if self._in_message:
                    self._read_fields()
                else:
                    self._read_frame()

    def _read_frame(self) -> None:
        head, self._held = self._held, b""
        size = _length(head, 1)[0]
        if head[0] & COMPRESSED:
            self._skip = size
        elif size:
            self._in_message = True
            self._unread = size
            self._need = min(size, _LOOK)

    def _read_fields(self) -> None:
        """Read the fields that begin in what is held, which begins where a field begins."""
        held, at = self._held, 0
        while at < len(held) and (self._batch is None or at < self._batch_left):
            after = self._read_field(held, at)
            if after is None:
                break
            at = after
        if self._batch is not None:
            if at >= self._batch_left:
                self._end_batch()
                return
            self._batch_left -= at
        self._held = held[at:]
        self._skip = max(at - len(held), 0)
        rest = self._unread - self._skip
        if len(self._held) >= MAX_FIELD_HEAD or rest <= 0:
            # it is no protobuf, or the message is over
            self._end_message()
        else:
            self._need = len(self._held) + min(rest, _LOOK)

    def _read_field(self, held: bytes, at: int) -> int | None:
        """Read the field at ``at``; returns where the next one begins, None when its head is not complete."""
        tag = read_varint(held, at)
        if tag is None:
            return None
        number, kind, at = tag[0] >> 3, tag[0] & 7, tag[1]
        if kind in (1, 5):
            return at + (8 if kind == 1 else 4)
        value = read_varint(held, at) if kind in (0, 2) else None
        if value is None:
            return None
        at = value[1]
        if kind == 0:
            if self._batch is not None:
                self._batch[number] = value[0]
            return at
        if self._batch is None and number == _ARROW_BATCH:
            self._batch = {}
            self._batch_left = at + value[0]
            return at
        return at + value[0]

    def _end_batch(self) -> None:
        batch, self._batch = self._batch or {}, None
        count = batch.get(_ROW_COUNT, 0)
        if _START_OFFSET in batch:
            self._total.rows = max(self._total.rows, batch[_START_OFFSET] + count)
        elif not batch.get(_CHUNK_INDEX, 0):
            self._total.rows += count
        self._end_message()

    def _end_message(self) -> None:
        self._skip = self._unread
        self._batch = None
        self._held = b""
        self._need = HEADER_SIZE
        self._in_message = False
