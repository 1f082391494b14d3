"""What is worth knowing of a piece: counts, time, metre, tempo, key, instruments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.ingest.limits import Limits
from musictk.ingest.reasons import Reason, RejectedError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MAJOR = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MINOR = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
KEYS = tuple(f"{name} major" for name in _MAJOR) + tuple(f"{name} minor" for name in _MINOR)
# Krumhansl & Kessler (1982), the probe-tone profiles for C major and C minor.
_PROFILES = np.array(
    [
        [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
        [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
    ]
)
_CENTRED = _PROFILES - _PROFILES.mean(axis=1, keepdims=True)
_CENTRED /= np.linalg.norm(_CENTRED, axis=1, keepdims=True)
_ROTATED = np.stack([np.roll(profile, tonic) for profile in _CENTRED for tonic in range(12)])
_DEFAULT_TEMPO = 500_000  # microseconds per quarter, until the file says otherwise


class Notes:
    """The notes of a score as flat arrays, drums apart."""

    def __init__(self, score: ScoreTick) -> None:
        tracks = [track for track in score.tracks if len(track.notes)]
        arrays = [track.notes.numpy() for track in tracks]
        pitched = [
            a for a, track in zip(arrays, tracks, strict=True) if not track.is_drum
        ] or arrays
        self.count = sum(len(a["time"]) for a in arrays)
        self.end = max(int((a["time"].astype(np.int64) + a["duration"]).max()) for a in arrays)
        self.time: Ints = np.concatenate([a["time"] for a in pitched]).astype(np.int64)
        self.duration: Ints = np.concatenate([a["duration"] for a in pitched]).astype(np.int64)
        self.pitch: Ints = np.concatenate([a["pitch"] for a in pitched]).astype(np.int64)


def measure(score: ScoreTick, notes: Notes, clock: Clock, limits: Limits) -> dict[str, Any]:
    """The facts as columns of the catalog. Raises RejectedError for a piece beyond the limits."""
    if notes.time.min() < 0 or notes.end < 0:
        raise RejectedError(Reason.TOO_LONG, "ticks beyond 31 bits")
    quarter = max(1, score.ticks_per_quarter)
    bars, metre = _bars(score, notes.end, quarter)
    if bars > limits.bars:
        raise RejectedError(Reason.TOO_MANY_BARS, f"{bars} bars")
    tokens = 4 * notes.count + 2 * bars + len(score.tempos) + len(score.time_signatures)
    if tokens > limits.tokens:
        raise RejectedError(Reason.TOO_MANY_TOKENS, f"about {tokens} tokens")
    seconds = float(clock.seconds(np.array([notes.end]))[0])
    tracks = [track for track in score.tracks if len(track.notes)]
    return {
        "notes": notes.count,
        "tracks": len(tracks),
        "seconds": round(seconds, 3),
        "bars": bars,
        "metre": metre,
        "tempo": round(notes.end / quarter / seconds * 60, 2) if seconds > 0 else None,
        "key": _key(score, notes),
        "ticks_per_quarter": quarter,
        "programs": sorted({-1 if track.is_drum else int(track.program) for track in tracks}),
        "has_pedal": any(len(track.pedals) for track in score.tracks),
    }


class Clock:
    """Ticks to seconds, by the tempos of a score."""

    def __init__(self, score: ScoreTick) -> None:
        quarter = max(1, score.ticks_per_quarter)
        tempos = score.tempos.numpy()
        ticks = tempos["time"].astype(np.int64)
        sound = (tempos["mspq"] > 0) & (ticks >= 0)
        order = np.argsort(ticks[sound], kind="stable")
        ticks, mspq = ticks[sound][order], tempos["mspq"][sound][order].astype(np.float64)
        if not len(ticks) or ticks[0] > 0:
            ticks, mspq = np.append(0, ticks), np.append(_DEFAULT_TEMPO, mspq)
        self._ticks: Ints = ticks
        self._pace: Floats = mspq / 1e6 / quarter  # seconds per tick from each tempo on
        passed = np.cumsum(np.diff(ticks) * self._pace[:-1])
        self._start: Floats = np.append(0.0, passed)

    def seconds(self, ticks: Ints) -> Floats:
        """Seconds since the beginning, of each tick."""
        index = np.searchsorted(self._ticks, ticks, side="right") - 1
        return self._start[index] + (ticks - self._ticks[index]) * self._pace[index]


def _bars(score: ScoreTick, end: int, quarter: int) -> tuple[int, str]:
    """Bars up to the last note's end, and the metre that holds longest. 4/4 where none is given."""
    table = score.time_signatures.numpy()
    rows = sorted(
        (int(tick), int(over), int(under))
        for tick, over, under in zip(
            table["time"], table["numerator"], table["denominator"], strict=True
        )
        if over > 0 and under > 0 and 0 <= tick < max(end, 1)
    )
    if not rows or rows[0][0] > 0:
        rows.insert(0, (0, 4, 4))
    bars, lengths = 0, dict[str, int]()
    for (tick, over, under), following in zip(rows, [*rows[1:], (end, 0, 0)], strict=True):
        span = following[0] - tick
        bars += int(np.ceil(span * under / (4 * quarter * over)))
        lengths[f"{over}/{under}"] = lengths.get(f"{over}/{under}", 0) + span
    return max(1, bars), max(lengths, key=lambda metre: lengths[metre])


def _key(score: ScoreTick, notes: Notes) -> str | None:
    """The first key signature, unless it says C major: many programs write that for want of any."""
    first: Sequence[Any] = sorted(score.key_signatures, key=lambda signature: signature.time)[:1]
    for signature in first:
        sharps, minor = int(signature.key), bool(signature.tonality)
        if sharps and -7 <= sharps <= 7:
            tonic = (7 * sharps + (9 if minor else 0)) % 12
            return KEYS[tonic + 12 * minor]
    return estimate_key(notes.pitch, notes.duration)


def estimate_key(pitch: Ints, duration: Ints) -> str | None:
    """Krumhansl–Schmuckler: the key whose profile correlates best with the time each class sounds.

    `pitch`, `duration`: (N,). None where all classes sound alike.
    """
    weight = np.bincount(pitch % 12, np.maximum(duration, 1), minlength=12)
    centred = weight - weight.mean()
    return KEYS[int(np.argmax(_ROTATED @ centred))] if centred.any() else None
