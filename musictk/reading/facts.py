"""Facts about a piece: counts, duration, metre, tempo, key, instruments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.keys import KEYS, key_fits, keys_of_signature, nearest_keys
from musictk.music import Clock, Metres, Notes, metres
from musictk.reading.limits import Limits
from musictk.reading.reasons import Reason, RejectedError

Ints = NDArray[np.int64]


def piece_facts(score: ScoreTick, notes: Notes, clock: Clock, limits: Limits) -> dict[str, Any]:
    """The facts of a piece, as {column of the catalog: value}.

    `notes` are all notes of the score in any order, at least one; `clock` is of the same score.
    Durations are in seconds, the tempo in quarters per minute. Raises RejectedError for a piece
    beyond the limits.
    """
    end = int(notes.end.max())
    if notes.start.min() < 0 or end < 0:
        raise RejectedError(Reason.TOO_LONG, "ticks beyond 31 bits")
    quarter = max(1, score.ticks_per_quarter)
    found = metres(score).before(end)
    bars = int(found.counts(end).sum())
    if bars > limits.bars:
        raise RejectedError(Reason.TOO_MANY_BARS, f"{bars} bars")
    tokens = 4 * len(notes) + 2 * bars + len(score.tempos) + len(score.time_signatures)
    if tokens > limits.tokens:
        raise RejectedError(Reason.TOO_MANY_TOKENS, f"about {tokens} tokens")
    seconds = float(clock.seconds(np.array([end]))[0])
    tracks = [track for track in score.tracks if len(track.notes)]
    return {
        "notes": len(notes),
        "tracks": len(tracks),
        "seconds": round(seconds, 3),
        "bars": bars,
        "metre": _metre(found, end),
        "tempo": round(end / quarter / seconds * 60, 2) if seconds > 0 else None,
        "key": _key(score, pitched_notes(score, notes)),
        "ticks_per_quarter": quarter,
        "programs": sorted({-1 if track.is_drum else int(track.program) for track in tracks}),
        "has_pedal": any(len(track.pedals) for track in score.tracks),
    }


def pitched_notes(score: ScoreTick, notes: Notes) -> Notes:
    """The notes of pitched tracks; all notes where there are only drums."""
    drums = np.array([track.is_drum for track in score.tracks], bool)
    if not drums.any() or drums[notes.track].all():
        return notes
    return notes.where(~drums[notes.track])


def _metre(found: Metres, end: int) -> str:
    """The metre that lasts longest up to the tick `end`, such as "3/4"; the first on a tie."""
    starts = found.start.tolist()
    signatures = zip(found.numerator.tolist(), found.denominator.tolist(), strict=True)
    lengths: dict[str, int] = {}
    for (over, under), start, stop in zip(signatures, starts, [*starts[1:], end], strict=True):
        lengths[f"{over}/{under}"] = lengths.get(f"{over}/{under}", 0) + stop - start
    return max(lengths, key=lambda metre: lengths[metre])


def _key(score: ScoreTick, notes: Notes) -> str | None:
    """The key of the first signature, unless it is C major, which many programs write by default.

    Many programs write the major key of a minor one: of the two keys of a major signature it is the
    one that the notes fit better (right for 121 of 122 pieces whose name has one of the two; the
    signature alone: 105). Without a signature, the one whose profile fits the durations of the
    pitch classes best. None where there are only drums, or all pitch classes are equally long.
    """
    if all(track.is_drum for track in score.tracks if len(track.notes)):
        return None
    weight = _durations(notes.pitch, notes.end - notes.start)
    first: Sequence[Any] = sorted(score.key_signatures, key=lambda signature: signature.time)[:1]
    for signature in first:
        sharps, is_minor = int(signature.key), bool(signature.tonality)
        if sharps and -7 <= sharps <= 7:
            major, minor = keys_of_signature(sharps)
            fits = key_fits(weight[None])[0]
            return KEYS[minor if is_minor or fits[minor] > fits[major] else major]
    key = int(nearest_keys(weight[None])[0])
    return KEYS[key] if key >= 0 else None


def _durations(pitch: Ints, duration: Ints) -> NDArray[np.float64]:
    """(12,) the ticks that each pitch class lasts."""
    return np.asarray(np.bincount(pitch % 12, np.maximum(duration, 1), minlength=12), np.float64)
