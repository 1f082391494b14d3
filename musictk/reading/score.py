"""From events to a Score: pair notes, resolve programs and drum channels, decode texts.

Rules for files that violate the standard, and where the standard leaves a choice:

- Note-ons and note-offs of one pitch are paired first in, first out, if there are equally many.
  Where note-offs are missing, a note ends at the next note-off or note-on of its pitch, or with its
  track.
- A track with program changes keeps them; one without takes those of other tracks on its channel.
- Channel 10 is drums. After a GS, XG or GM2 reset the file may make other channels rhythm parts,
  and channel 10 melodic.
- The sequences of a format 2 file are played one after the other.
- Of several tempos, time or key signatures at one tick the last in the file counts.
"""

from __future__ import annotations

import numpy as np
from symusic.core import (
    KeySignatureTick,
    ScoreTick,
    TempoTickList,
    TextMetaTick,
    TimeSignatureTick,
)

from musictk.music import DEFAULT_TEMPO
from musictk.reading import meta
from musictk.reading.events import Events, Ints
from musictk.reading.parts import TEXTS, build_tracks
from musictk.reading.reasons import Reason, RejectedError
from musictk.reading.text import text_decoder

_HIGHEST_DENOMINATOR = 6  # as a power of two: 1/64
_LAST = 2**31 - 1  # a Score counts ticks in 32 bits


def to_score(events: Events) -> tuple[ScoreTick, list[str]]:
    """The music of a file, and descriptions of the repairs.

    Raises RejectedError for a file with no notes, or with an unusable division.
    """
    quarter, timed = _quarter(events.chunks.division)
    repairs = list(events.repairs)
    offsets = _offsets(events, repairs)
    score = ScoreTick(quarter)
    if not timed:
        score.tempos = _tempos(events, offsets, repairs)
    _marks(score, events, offsets, repairs)
    for track in build_tracks(events, offsets, repairs):
        score.tracks.append(track)
    if not score.note_num():
        raise RejectedError(Reason.NO_NOTES, f"{len(events.ends)} tracks without a note")
    return score, list(dict.fromkeys(repairs))


def _quarter(division: int) -> tuple[int, bool]:
    """Ticks per quarter, and whether ticks are SMPTE time.

    A SMPTE tick lasts `1 / (frames · subdivisions)` seconds. A quarter is half a second of ticks,
    at 120 bpm. 29.97 drop-frame is read as 30, a thousandth slower than written.
    """
    if not division & 0x8000:
        return division, False
    frames, parts = 256 - (division >> 8), division & 0xFF
    per_second = (30 if frames == 29 else frames) * parts
    if per_second % 2:  # PAL's 25 with an odd subdivision: make room for the half
        raise RejectedError(Reason.BAD_DIVISION, f"SMPTE {frames} × {parts}")
    return min(per_second // 2, 0x7FFF), True


def _offsets(events: Events, repairs: list[str]) -> Ints:
    """(tracks,) the tick at which each track begins: those of format 2 follow one another."""
    if events.chunks.format != 2 or len(events.ends) < 2:
        return np.zeros(len(events.ends), np.int64)
    repairs.append(f"{len(events.ends)} sequences of format 2, one after the other")
    total = np.cumsum(events.ends)
    if total[-1] > _LAST:
        raise RejectedError(Reason.TOO_LONG, f"{total[-1]} ticks")
    return total - events.ends


def _marks(score: ScoreTick, events: Events, offsets: Ints, repairs: list[str]) -> None:
    """Time and key signatures, markers."""
    text = text_decoder(special.data for special in events.specials if special.kind in TEXTS)
    metres: dict[int, tuple[int, int]] = {}
    keys: dict[int, tuple[int, int]] = {}
    ignored: dict[str, list[bytes]] = {}
    starts = offsets.tolist()
    if events.chunks.format == 2:
        metres = dict.fromkeys(starts[1:], (4, 4))  # what held in one sequence ends with it
    kept = [
        special
        for special in events.specials
        if special.kind in (meta.MARKER, meta.METRE, meta.KEY)
    ]
    for special in sorted(kept, key=lambda one: (one.tick + starts[one.track], one.order)):
        tick, data = special.tick + starts[special.track], special.data
        if special.kind == meta.MARKER:
            score.markers.append(TextMetaTick(tick, text(data)))
        elif special.kind == meta.METRE:
            _put(metres, tick, _metre(data), ignored.setdefault("time signature", []), data)
        else:
            _put(keys, tick, _key(data), ignored.setdefault("key signature", []), data)
    _report_ignored(ignored, repairs)
    for tick, metre in sorted(metres.items()):
        score.time_signatures.append(TimeSignatureTick(tick, *metre))
    for tick, key in sorted(keys.items()):
        score.key_signatures.append(KeySignatureTick(tick, *key))


def _put(
    found: dict[int, tuple[int, int]],
    tick: int,
    values: tuple[int, int] | None,
    ignored: list[bytes],
    data: bytes,
) -> None:
    if values is None:
        ignored.append(data)
    else:
        found[tick] = values


def _report_ignored(ignored: dict[str, list[bytes]], repairs: list[str]) -> None:
    """Add one repair text for each kind, since a crafted file can have a million of them."""
    for called, wrong in ignored.items():
        if wrong:
            others = f", like {len(wrong) - 1} others" if len(wrong) > 1 else ""
            repairs.append(f"{called} {wrong[0][:8].hex(' ')} is ignored{others}")


def _tempos(events: Events, offsets: Ints, repairs: list[str]) -> TempoTickList:
    """The tempos; of several at one tick the last in the file."""
    known = events.tempos
    order, tick, micros = known.order, known.tick + offsets[known.track], known.micros
    odd = [special for special in events.specials if special.kind == meta.TEMPO]
    rows = [
        (
            special.order,
            special.tick + int(offsets[special.track]),
            int.from_bytes(special.data[:3]),
        )
        for special in odd
        if len(special.data) > 3
    ]
    if events.chunks.format == 2:  # what held in one sequence ends with it
        rows += [(-1, offset, DEFAULT_TEMPO) for offset in offsets[1:].tolist()]
    if rows:
        more = np.array(rows, np.int64).T
        order, tick, micros = (
            np.append(*both) for both in zip((order, tick, micros), more, strict=True)
        )
    wrong = [special.data for special in odd if len(special.data) < 3]
    wrong += [bytes(3)] * int(np.count_nonzero(micros == 0))
    _report_ignored({"tempo": wrong}, repairs)
    chosen = np.lexsort((order, tick))
    chosen = chosen[micros[chosen] > 0]
    tick = tick[chosen]
    last = np.ones(len(tick), np.bool_)
    np.not_equal(tick[1:], tick[:-1], out=last[:-1])
    return TempoTickList.from_numpy(
        tick[last].astype(np.int32), micros[chosen][last].astype(np.int32)
    )


def _metre(data: bytes) -> tuple[int, int] | None:
    if len(data) < 2 or not data[0] or data[1] > _HIGHEST_DENOMINATOR:
        return None
    return data[0], 1 << data[1]


def _key(data: bytes) -> tuple[int, int] | None:
    """Number of sharps, and 1 for minor; any other mode byte is read as major."""
    sharps = int.from_bytes(data[:1], signed=True)
    return (sharps, int(data[1] == 1)) if len(data) >= 2 and -7 <= sharps <= 7 else None
