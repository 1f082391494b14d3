"""Decode a hypothetical event at every byte of a file at once, vectorized."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musictk.reading import meta
from musictk.reading.reasons import Reason, RejectedError

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

# First byte of an event: a data byte (running status), a status with 1 or 2 data bytes, a tempo of
# the usual length, or something else.
DATA, OTHER, TEMPO = 0, 3, 4
KIND = np.zeros(256, np.uint8)
KIND[0x80:0xF0] = 2
KIND[0xC0:0xE0] = 1
KIND[0xF0:] = OTHER
# Bytes of an event with two data bytes and a delta time of one; 0 for an event of no known length.
_SIZE = np.array([3, 0, 4, 0], np.uint8).take(KIND)
# The kind, plus eight times the size: after a delta time of one byte, and of two.
_CODES = [(KIND | (_SIZE + more * (_SIZE > 0)).astype(np.uint8) << 3).tobytes() for more in (0, 1)]
_TEMPO_SIZE = 6  # without its delta time
_MARGIN = 4 + _TEMPO_SIZE + 1  # more bytes than any event of known length
_DOUBLINGS = 4  # a jump is sixteen events
_FEW = 8  # tempos that are read one by one


class EventTables:
    """For each byte: the kind of an event that begins there (`own`), the offset of the next event
    (`step`) and of the sixteenth (`jump`). Both are the offset itself at an event of unknown
    length."""

    def __init__(self, data: bytes) -> None:
        padded = data + bytes(_MARGIN + 5)
        count = len(data) + _MARGIN
        self._bytes = np.frombuffer(padded, np.uint8)
        high = self._bytes >= 0x80
        long = high[:count]  # where a delta time has more bytes than one
        after = long + np.uint8(1)  # bytes of the delta time; 5: it has no end
        short, later = (np.frombuffer(padded.translate(table), np.uint8) for table in _CODES)
        code: Bytes = short[1 : count + 1] ^ later[2 : count + 2]
        code &= -long.view(np.uint8)
        code ^= short[1 : count + 1]  # of `later` where `long`, else of `short`
        longer = (long & high[1 : count + 1]).nonzero()[0]
        for length in range(3, 5):
            after[longer] = length
            first = self._bytes.take(longer + length)
            known = _SIZE.take(first)
            known[known > 0] += length - 1
            code[longer] = KIND.take(first) | known << 3
            longer = longer[high.take(longer + (length - 1))]
        after[longer], code[longer] = 5, OTHER
        own: Bytes = code & np.uint8(7)
        size: Bytes = code >> np.uint8(3)
        self._after, self._own = after, own
        self.tempos = data.count(b"\xff\x51\x03") >= _FEW
        if self.tempos:
            self._mark_tempos(size)
        size[len(data) :] = 0
        self.own = own.tobytes()
        self._step = np.arange(count)
        self._step += size
        jump = self._step
        for _ in range(_DOUBLINGS):
            jump = jump.take(jump)
        self.step, self.jump = self._step.data, jump.data

    def _mark_tempos(self, size: Bytes) -> None:
        """Tempos are among the events of known length where there are many."""
        found = (self._bytes[:-2] == 0xFF).nonzero()[0]
        kind, size_byte = self._bytes.take(found + 1), self._bytes.take(found + 2)
        found = found[(kind == meta.TEMPO) & (size_byte == 3)]
        for back in range(1, 5):
            begin = found[np.searchsorted(found, back) :] - back
            begin = begin[self._after.take(begin) == back]
            self._own[begin] = TEMPO
            size[begin] = back + _TEMPO_SIZE

    def between(self, anchors: list[int]) -> Ints:
        """Every event from each anchor over a whole jump, ascending."""
        rows = np.empty((1 << _DOUBLINGS, len(anchors)), np.int64)
        rows[0] = anchors
        for row in range(1, len(rows)):
            rows[row] = self._step.take(rows[row - 1])
        flat = rows.T.ravel()
        # Every event moves on, except one of unknown length after the last of its jump.
        return flat[self._step.take(flat) != flat]

    def after(self, place: int) -> int:
        """The number of bytes of the delta time at `place`."""
        return int(self._after[place])

    def afters(self, starts: Ints) -> Bytes:
        """(N,) the number of bytes of each delta time at `starts`."""
        return self._after.take(starts)

    def kinds(self, starts: Ints) -> Bytes:
        """(N,) the kind of event at each offset."""
        return self._own.take(starts)

    def contents(self, starts: Ints, after: Bytes) -> tuple[Bytes, Bytes, Bytes]:
        """(N,) statuses and both data bytes of messages. Raises RejectedError for a wrong byte."""
        at = starts + after
        status = self._bytes.take(at)
        own = status >= 0x80
        if not own.all():
            # A track's first message must have a status: running status ends with the track.
            given = own.nonzero()[0]
            runs = np.empty_like(given)
            np.subtract(given[1:], given[:-1], out=runs[:-1])
            runs[-1:] = len(at) - given[-1:]
            status = status.take(given).repeat(runs)
        at += own
        first, second = self._bytes.take(at), self._bytes.take(at + 1)
        single = KIND.take(status) < 2
        if single.any():
            second[single] = 0
        either = first | second
        if int(either.max(initial=0)) > 0x7F:
            wrong = (either > 0x7F).nonzero()[0]
            place = at[wrong[0]] + int(first[wrong[0]] < 0x80)
            raise RejectedError(Reason.CORRUPT, f"data byte over 127 at byte {place}")
        return status, first, second

    def micros(self, starts: Ints) -> Ints:
        """(N,) microseconds per quarter of tempo events."""
        at = starts + self._after.take(starts)
        high, middle, low = (self._bytes.take(at + byte).astype(np.int64) for byte in (3, 4, 5))
        return high << 16 | middle << 8 | low

    def deltas(self, starts: Ints, after: Bytes) -> Ints:
        """The (N,) delta times at `starts`, of `after` bytes."""
        value = (self._bytes.take(starts) & 0x7F).astype(np.int64)
        for index in range(1, int(after.max(initial=1))):
            longer = (after > index).nonzero()[0]
            low = self._bytes.take(starts.take(longer) + index) & 0x7F
            value[longer] = value.take(longer) << 7 | low
        return value
