"""Describe what a tokenizer cannot encode of a user's prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.music import DEFAULT_TEMPO, Notes, notes
from musictk.tokens import PITCH, Tokenizer
from musictk.wording import counted

Floats = NDArray[np.float64]

_SAME = 1 / 500  # of a quarter note; inaudible
_SAME_TEMPO = 5e-4  # a relative difference too small to report


def dropped_prompt(tokenizer: Tokenizer, given: ScoreTick, encoded: ScoreTick) -> list[str]:
    """One phrase for each kind of thing in `given` that `encoded` lacks or has changed.

    `encoded` is what the tokenizer makes of it. It may begin later than `given`, where a pickup
    became a whole bar.
    """
    pitched, drums = (_matched(given, encoded, is_drum) for is_drum in (False, True))
    onsets = np.concatenate([pitched, drums])[:, 0]
    later = float(np.median(onsets)) if len(onsets) else 0.0  # where a pickup became a whole bar
    return [
        *_missing_drums(given, encoded),
        *_missing_notes(tokenizer, given, encoded),
        *_changed_notes(given, encoded, pitched, drums, later),
        *_of_metre(given, encoded),
        *_of_tempo(given, encoded, later),
        *_of_events(given, encoded),
    ]


def _missing_drums(given: ScoreTick, encoded: ScoreTick) -> Iterator[str]:
    counts, left = _pitches(given, encoded, is_drum=True)
    if counts and not left:
        yield f"drums ({counted(counts.total(), 'note')})"
        return
    others = sorted(set(counts) - set(left))
    if others:
        missing = counted(sum(counts[pitch] for pitch in others), "drum note")
        yield f"{missing} of pitches that it lacks ({', '.join(map(str, others))})"
    if doubled := _doubled(counts, left):
        yield f"{counted(doubled, 'drum note')} struck together with the same drum"


def _notes(score: ScoreTick, is_drum: bool) -> Notes:
    """The notes of drums, or all others."""
    found = notes(score)
    drums = np.array([track.is_drum for track in score.tracks], bool)
    return found.where(drums[found.track] == is_drum)


def _pitches(given: ScoreTick, encoded: ScoreTick, is_drum: bool) -> list[Counter[int]]:
    """How many notes of each pitch there are in both."""
    return [Counter(_notes(each, is_drum).pitch.tolist()) for each in (given, encoded)]


def _doubled(counts: Counter[int], left: Counter[int]) -> int:
    """How many notes are missing of pitches of which others are left."""
    return sum(max(count - left[pitch], 0) for pitch, count in counts.items() if left[pitch])


def _missing_notes(tokenizer: Tokenizer, given: ScoreTick, encoded: ScoreTick) -> Iterator[str]:
    counts, left = _pitches(given, encoded, is_drum=False)
    low, high = _range(tokenizer)
    beyond = {pitch: count for pitch, count in counts.items() if not low <= pitch <= high}
    if beyond:
        where = [f"below {low}"] * (min(beyond) < low) + [f"above {high}"] * (max(beyond) > high)
        yield f"{counted(sum(beyond.values()), 'note')} out of its range ({' or '.join(where)})"
    others = [pitch for pitch in counts if pitch not in left and pitch not in beyond]
    if others:
        yield f"{counted(sum(counts[pitch] for pitch in others), 'note')} within its range"
    if doubled := _doubled(counts, left):
        yield f"{counted(doubled, 'note')} struck together with the same note"


def _range(tokenizer: Tokenizer) -> tuple[int, int]:
    """The lowest and the highest pitch that tokens have; all pitches where they state none."""
    attribute = tokenizer.attributes().get(PITCH)
    if attribute is None:
        return 0, 127
    return int(attribute.written[0]), int(attribute.written[-1])


def _changed_notes(
    given: ScoreTick, encoded: ScoreTick, pitched: Floats, drums: Floats, later: float
) -> Iterator[str]:
    """What differs between matched notes; lengths of drums, which do not sound, do not count."""
    onset, _, loud = np.concatenate([pitched, drums]).T
    if not len(onset):
        return
    onset, length = np.abs(onset - later), pitched[:, 1]
    moved = int((onset > _SAME).sum())
    if moved:
        yield f"timing finer than its grid ({counted(moved, 'note')} by up to {_part(onset.max())})"
    stretched = int((np.abs(length) > _SAME).sum())
    if stretched:
        most = _part(np.abs(length).max())
        what = "lengths longer than, or between, those that it has"
        yield f"{what} ({counted(stretched, 'note')} by up to {most})"
    if (loud != 0).any():
        mine, theirs = (_notes(each, False).velocity for each in (given, encoded))
        if len(set(theirs.tolist())) == 1 and len(set(mine.tolist())) > 1:
            yield "velocities"
        else:
            yield f"velocities finer than its steps (by up to {int(np.abs(loud).max())})"


def _matched(given: ScoreTick, encoded: ScoreTick, is_drum: bool) -> Floats:
    """(N, 3) how much later, longer (in quarter notes) and louder each encoded note is.

    Of the pitches that have as many notes in both, the n-th note is the same.
    """
    mine, theirs = _notes(given, is_drum), _notes(encoded, is_drum)
    rows = []
    for pitch in np.intersect1d(mine.pitch, theirs.pitch):
        one, other = np.flatnonzero(mine.pitch == pitch), np.flatnonzero(theirs.pitch == pitch)
        if len(one) == len(other):
            columns = []
            for score, found, chosen in ((given, mine, one), (encoded, theirs, other)):
                start = found.start[chosen] / score.ticks_per_quarter
                length = found.end[chosen] / score.ticks_per_quarter - start
                columns.append(np.stack([start, length, found.velocity[chosen]], axis=1))
            rows.append(columns[1] - columns[0])
    return np.concatenate(rows) if rows else np.zeros((0, 3))


def _of_metre(given: ScoreTick, encoded: ScoreTick) -> Iterator[str]:
    end = max(int(given.end()), 1)
    marks = sorted((s for s in given.time_signatures if s.time < end), key=lambda s: s.time)
    if len(marks) > 1:  # the time signature of a pickup is not a metre of the piece
        opening = 4 * given.ticks_per_quarter * marks[0].numerator // marks[0].denominator
        marks = marks[marks[1].time <= opening :]
    signs = {(s.numerator, s.denominator) for s in marks}
    known = {(s.numerator, s.denominator) for s in encoded.time_signatures} or {(4, 4)}
    lengths = {over / under for over, under in known}
    strange = sorted(sign for sign in signs if sign[0] / sign[1] not in lengths)
    if strange:
        instead = ", ".join(f"{over}/{under}" for over, under in sorted(known))
        metres = ", ".join(f"{over}/{under}" for over, under in strange)
        yield f"{metres} (encoded as {instead})"


def _of_tempo(given: ScoreTick, encoded: ScoreTick, later: float) -> Iterator[str]:
    """What differs in tempo; `encoded` is so many quarter notes later."""
    tempos, theirs = _tempos(given), _tempos(encoded)
    if len(tempos) > 1 and len(theirs) == 1:
        yield f"{counted(len(tempos) - 1, 'change')} of tempo"
        return
    last = int(notes(given).start.max(initial=0)) / given.ticks_per_quarter
    heard = [each for each in tempos if each[0] <= max(last, tempos[0][0])]
    ends = [*(time for time, _ in heard[1:]), last]
    changed = []
    for (time, mine), end in zip(heard, ends, strict=True):
        middle = (time + end) / 2 + later  # the grid may move a change
        other = next((qpm for at, qpm in reversed(theirs) if at <= middle), theirs[0][1])
        if abs(other / mine - 1) > _SAME_TEMPO:
            changed.append((mine, other))
    if len(changed) == 1:
        yield "a tempo of {:.4g} (encoded as {:.4g})".format(*changed[0])
    elif changed:
        most = max(abs(other / mine - 1) for mine, other in changed)
        yield f"{len(changed)} of {len(heard)} tempos (changed by up to {100 * most:.2g} %)"


def _tempos(score: ScoreTick) -> list[tuple[float, float]]:
    """The tempos in their order, each unlike the one before.

    When each begins, in quarter notes, and how many of these there are in a minute.
    """
    ordered = sorted(score.tempos, key=lambda tempo: tempo.time)
    by_tick = {tempo.time: tempo.qpm for tempo in ordered} or {0: 6e7 / DEFAULT_TEMPO}
    found = ((tick / score.ticks_per_quarter, qpm) for tick, qpm in by_tick.items())
    return [next(same) for _, same in groupby(found, lambda tempo: round(tempo[1], 2))]


def _of_events(given: ScoreTick, encoded: ScoreTick) -> Iterator[str]:
    mine = [track for track in given.tracks if len(track.notes)]
    theirs = [track for track in encoded.tracks if len(track.notes)]
    pitched = [track for track in mine if not track.is_drum]
    programs = {track.program for track in pitched}
    kept = {track.program for track in theirs if not track.is_drum}
    if programs - kept:
        yield "instruments" if len(programs) > 1 else "the instrument"
    if len(pitched) > sum(not track.is_drum for track in theirs):
        yield f"which of {len(pitched)} tracks a note is on"
    controls = {control.number for track in given.tracks for control in track.controls}
    if (_any(given, "pedals") or 64 in controls) and not _any(encoded, "pedals"):
        yield "pedal"
    if controls - {64} and not _any(encoded, "controls"):
        yield "controllers"
    if _any(given, "pitch_bends") and not _any(encoded, "pitch_bends"):
        yield "pitch bend"
    if len(given.key_signatures) and not len(encoded.key_signatures):
        yield "key signatures"
    if _any(given, "lyrics"):
        yield "lyrics"


def _any(score: ScoreTick, kind: str) -> bool:
    return any(len(getattr(track, kind)) for track in score.tracks)


def _part(beats: float) -> str:
    """`1/24 of a beat`, `2 beats`."""
    if beats >= 1:
        return f"{beats:.3g} beats"
    return f"1/{max(round(1 / max(beats, 1e-6)), 2)} of a beat"
