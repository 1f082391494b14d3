"""What an event would be whose delta time began at each byte of a file: all of them at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musictk.ingest.reasons import Reason, RejectedError

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

# What an event begins with: a data byte (running status), a status with 1 or 2 data bytes, a tempo
# of the usual length, or something else.
DATA, OTHER, TEMPO = 0, 3, 4
KIND = np.zeros(256, np.uint8)
KIND[0x80:0xF0] = 2
KIND[0xC0:0xE0] = 1
KIND[0xF0:] = OTHER
_BYTES = {DATA: 2, 2: 3, TEMPO: 6}  # of an event without its delta time
# Bytes of an event, by those of its delta time × 8 + what it begins with; 0 for an event that has
# no known length, where two data bytes are taken for granted.
_SIZE = np.array(
    [
        after + _BYTES[own] if after < 5 and own in _BYTES else 0
        for after in range(6)
        for own in range(8)
    ],
    np.uint8,
)
_LONGEST = 4 + 6  # bytes of an event in these tables
_DOUBLINGS = 4  # a jump is sixteen events
_FEW = 8  # tempos that are read one by one


class Tables:
    """For each byte: what begins there (`own`), where the next event would begin (`step`), and
    where the sixteenth would (`jump`). Both stay in place at an event without a known length."""

    def __init__(self, data: bytes) -> None:
        self._bytes = np.frombuffer(data + bytes(_LONGEST + 1), np.uint8)
        count = len(data) + 2
        high = self._bytes >= 0x80
        after = np.ones(count, np.uint8)  # bytes of the delta time; 5: it has no end
        status = self._bytes[1 : count + 1].copy()
        run = high[:count].copy()
        for back in range(1, 5):
            after += run
            if back < 4:
                np.copyto(status, self._bytes[back + 1 : count + back + 1], where=run)
                run &= high[back : count + back]
        own = KIND.take(status)
        own[after > 4] = OTHER
        self._after = after
        self.tempos = self._mark_tempos(own)
        self.own = own.tobytes()
        self._own = own
        step = np.arange(count)
        step += _SIZE.take(after << 3 | own)
        np.minimum(step, count - 1, out=step)
        self._step, jump = step, step
        for _ in range(_DOUBLINGS):
            jump = jump.take(jump)
        self.step, self.jump = step.data, jump.data

    def _mark_tempos(self, own: Bytes) -> bool:
        """Whether there may be so many tempos that they are among the events of known length."""
        meta = np.flatnonzero(self._bytes[:-2] == 0xFF)
        of_tempo = (self._bytes.take(meta + 1) == 0x51) & (self._bytes.take(meta + 2) == 3)
        meta = meta[of_tempo]
        if len(meta) < _FEW:
            return False
        for back in range(1, 5):
            begin = meta[np.searchsorted(meta, back) :] - back
            own[begin[self._after.take(begin) == back]] = TEMPO
        return True

    def between(self, anchors: list[int]) -> Ints:
        """Every event from each anchor up to a whole jump on, ascending."""
        rows = np.empty((1 << _DOUBLINGS, len(anchors)), np.int64)
        rows[0] = anchors
        for column in range(1, len(rows)):
            self._step.take(rows[column - 1], out=rows[column], mode="clip")
        flat = rows.T.ravel()
        return flat[self._step.take(flat) != flat]

    def after(self, place: int) -> int:
        """How many bytes the delta time at `place` has."""
        return int(self._after[place])

    def kinds(self, starts: Ints) -> Bytes:
        """(N,) what begins at each place."""
        return self._own.take(starts)

    def contents(self, starts: Ints) -> tuple[Bytes, Bytes, Bytes]:
        """(N,) statuses and both data bytes of messages. Raises RejectedError for a wrong byte."""
        at = starts + self._after.take(starts)
        status = self._bytes.take(at)
        own = status >= 0x80
        if not own.all():
            # A track's first message has a status of its own: none is taken from another track.
            status = status.take(np.maximum.accumulate(np.where(own, np.arange(len(at)), 0)))
        at += own
        first, second = self._bytes.take(at), self._bytes.take(at + 1)
        second *= KIND.take(status) == 2
        wrong = np.flatnonzero((first | second) > 0x7F)
        if len(wrong):
            place = at[wrong[0]] + int(first[wrong[0]] < 0x80)
            raise RejectedError(Reason.CORRUPT, f"data byte over 127 at byte {place}")
        return status, first, second

    def micros(self, starts: Ints) -> Ints:
        """(N,) microseconds a quarter, of tempos."""
        at = starts + self._after.take(starts)
        high, middle, low = (self._bytes.take(at + byte).astype(np.int64) for byte in (3, 4, 5))
        return high << 16 | middle << 8 | low

    def deltas(self, starts: Ints) -> Ints:
        """The (N,) delta times at `starts`."""
        after = self._after.take(starts)
        value = (self._bytes.take(starts) & 0x7F).astype(np.int64)
        for index in range(1, int(after.max(initial=1))):
            longer = np.flatnonzero(after > index)
            low = self._bytes.take(starts.take(longer) + index) & 0x7F
            value[longer] = value.take(longer) << 7 | low
        return value
