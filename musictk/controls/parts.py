"""Parts of a piece: two of its tracks, the two hands of one track, or its melody.

Hands are found as the cheapest path of a split point through the piece: notes from it on are of the
right hand. A split is cheap if each hand can reach its notes, and there is a gap between the hands;
it costs to move it. It is found by dynamic programming (Viterbi 1967).
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick, TrackTick

from musictk.music import Notes, note_list, notes

_EASY_SPAN = 12  # semitones that a hand reaches with ease
_FAR = 2.0  # the cost of each semitone further
_GAP = 0.25  # what each semitone of the gap between the hands saves, up to an octave
_MIDDLE, _OUT = 60, 0.02  # a hand is cheaper on its own side of the middle of the keyboard
_MOVE = 1.0  # the cost of each semitone that the split moves, per onset

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def two_parts(score: ScoreTick, drums: bool = True) -> tuple[ScoreTick, ScoreTick] | None:
    """Two scores with all notes of a score between them; None if it has no two parts.

    Of two tracks each is a part; of more, one track (any, chosen by the notes of the piece) and the
    others. One track is separated into hands, the right hand first. Without `drums` their tracks
    are left out.
    """
    tracks = [each for each in score.tracks if len(each.notes) and (drums or not each.is_drum)]
    if len(tracks) > 1:
        key = zlib.crc32(np.concatenate([each.notes.numpy()["time"] for each in tracks]).tobytes())
        one = tracks[key % len(tracks)]
        return with_tracks(score, [one]), with_tracks(
            score, [each for each in tracks if each is not one]
        )
    if not tracks or tracks[0].is_drum:
        return None
    alone = with_tracks(score, tracks)
    right = right_hand(notes(alone))
    if right.all() or not right.any():
        return None
    found = notes(alone)
    hands = (_track(tracks[0], found.where(chosen)) for chosen in (right, ~right))
    upper, lower = (with_tracks(score, [hand]) for hand in hands)
    return upper, lower


def with_tracks(score: ScoreTick, tracks: list[TrackTick]) -> ScoreTick:
    """The score with these tracks in place of its own, and without its markers."""
    found = ScoreTick(score.ticks_per_quarter)
    found.time_signatures, found.key_signatures = score.time_signatures, score.key_signatures
    found.tempos = score.tempos
    for track in tracks:
        found.tracks.append(track)
    return found


def right_hand(found: Notes) -> NDArray[np.bool_]:
    """(N,) whether each note, in order of onset, is of the right hand."""
    if not len(found):
        return np.zeros(0, bool)
    onsets, slot = np.unique(found.start, return_inverse=True)
    split = _path(_costs(found, onsets, slot))
    return np.asarray(found.pitch >= split[slot])


def skyline(found: Notes) -> NDArray[np.bool_]:
    """(N,) whether each note, in order of onset, is of the melody: the highest of its onset.

    A note below an earlier one that sounds over more than half of it is not; a shorter overlap is
    legato. See Uitdenbogerd & Zobel 1999, "Melodic matching techniques for large music databases".
    """
    highest = np.zeros(len(found), bool)
    sounding: list[tuple[int, int]] = []  # pitch, end
    onsets, first = np.unique(found.start, return_index=True)
    edges = [*first.tolist(), len(found)]
    for onset, low, high in zip(onsets.tolist(), edges, edges[1:], strict=False):
        sounding = [(pitch, end) for pitch, end in sounding if end > onset]
        pitches, ends = found.pitch[low:high].tolist(), found.end[low:high].tolist()
        top, end = max(zip(pitches, ends, strict=True))
        if not any(pitch > top and 2 * until > onset + end for pitch, until in sounding):
            highest[low:high] = found.pitch[low:high] == top
        sounding += zip(pitches, ends, strict=True)
    return highest


def _costs(found: Notes, onsets: Ints, slot: Ints) -> Floats:
    """(onsets, 129) the cost of each split at each onset, by the notes that sound there."""
    last = np.searchsorted(onsets, np.maximum(found.end, found.start + 1), "left")
    sounds = np.zeros((len(onsets) + 1, 128), np.int32)
    np.add.at(sounds, (slot, found.pitch), 1)
    np.add.at(sounds, (last, found.pitch), -1)
    on = np.cumsum(sounds, axis=0)[:-1] > 0
    pitch = np.arange(128)
    below = np.maximum.accumulate(np.where(on, pitch, -1), axis=1)  # the highest note up to here
    above = np.minimum.accumulate(np.where(on, pitch, 128)[:, ::-1], axis=1)[:, ::-1]
    none, over = np.full((len(onsets), 1), -1), np.full((len(onsets), 1), 128)
    below, above = np.append(none, below, axis=1), np.append(above, over, axis=1)  # by split
    lowest, highest = above[:, :1], below[:, -1:]
    left, right = below >= 0, above < 128  # whether a hand has a note
    reach = np.where(left, below - lowest - _EASY_SPAN, 0).clip(0)
    reach += np.where(right, highest - above - _EASY_SPAN, 0).clip(0)
    gap = np.where(left & right, np.minimum(above - below, 12), 0)
    aside = np.where(right, (_MIDDLE - above).clip(0), 0)
    aside += np.where(left, (below - _MIDDLE).clip(0), 0)
    return np.asarray(_FAR * reach - _GAP * gap + _OUT * aside)


def _path(costs: Floats) -> Ints:
    """(T,) the cheapest path through (T, S) costs, in which a move costs its distance."""
    count, size = costs.shape
    move = _MOVE * np.arange(size, dtype=np.float64)
    total, came = costs[0], np.zeros((count, size), np.int16)
    for index in range(1, count):
        total, came[index] = _moved(total, move)
        total = total + costs[index]
    path = np.zeros(count, np.int64)
    path[-1] = int(total.argmin())
    for index in range(count - 1, 0, -1):
        path[index - 1] = came[index, path[index]]
    return path


def _moved(total: Floats, move: Floats) -> tuple[Floats, Ints]:
    """The cheapest way to each split, and where it comes from."""
    place = np.arange(len(total))
    up, down = total - move, (total + move)[::-1]
    from_below = _first_minimum(up)
    from_above = len(total) - 1 - _first_minimum(down)[::-1]
    below, above = up[from_below] + move, total[from_above] + move[from_above] - move
    found = np.where(below <= above, from_below, from_above)
    best = np.minimum(below, above)
    stay = total <= best
    return np.where(stay, total, best), np.where(stay, place, found)


def _first_minimum(values: Floats) -> Ints:
    """(N,) the index of the minimum of each prefix, the first of equal ones."""
    least = np.minimum.accumulate(values)
    fresh = np.append(True, least[1:] < least[:-1])
    return np.maximum.accumulate(np.where(fresh, np.arange(len(values)), 0))


def _track(track: TrackTick, found: Notes) -> TrackTick:
    made = TrackTick(track.name, track.program, track.is_drum)
    made.notes = note_list(found.start, found.end - found.start, found.pitch, found.velocity)
    return made
