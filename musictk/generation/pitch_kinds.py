"""What tokens with a pitch state beside it, such as a length: two of a kind differ in pitch only.

No attribute says so; it is read from the music that they decode to.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.errors import UsageError
from musictk.music import bars, notes
from musictk.tokens import PITCH, RELEASE, Tokenizer

Ints = NDArray[np.int64]
Kind = tuple[tuple[int, ...], ...]

_AFTER = 64  # tokens after a note that are read with it, so that no end of the music shortens it


def pitch_kinds(tokenizer: Tokenizer, sequence: Ints, onset: Ints) -> Ints:
    """(V,) the kind of each token with one pitch, from 1 on; 0 for all others and merged ones.

    Tokens of a kind differ in pitch only where notes of a sequence begin: `onset` (T,) is the tick
    of each, or -1. Raises UsageError where the music does not show what tokens state.
    """
    pitch = tokenizer.attributes()[PITCH].single()
    pitch[list(tokenizer.parts())] = -1
    pitched = np.flatnonzero(pitch >= 0)
    kinds = np.zeros(len(pitch), np.int64)
    if len(np.unique(pitch[pitched])) == len(pitched) or not (onset >= 0).any():
        kinds[pitched] = 1  # one token for each pitch: there is no choice
        return kinds
    place = _roomiest(tokenizer, sequence, onset)
    context = _without_notes(tokenizer, sequence)
    before, after = context[:place], context[place + 1 : place + 1 + _AFTER]
    numbers: dict[Kind, int] = {}
    for token in pitched.tolist():
        alone = np.concatenate([before[before >= 0], [token], after[after >= 0]])
        if kind := _kind(tokenizer, alone, int(pitch[token])):
            kinds[token] = numbers.setdefault(kind, len(numbers) + 1)
    if not kinds[sequence[place]]:
        raise UsageError(
            "this model's tokens state more than pitches, which single notes do not show,"
            " so it cannot keep a rhythm"
        )
    return kinds


def _roomiest(tokenizer: Tokenizer, sequence: Ints, onset: Ints) -> int:
    """The place of the note that begins longest before the end of its bar.

    There tokens differ most: where notes end with the bar, lengths are alike near its end.
    """
    music = tokenizer.decode(sequence)
    assert isinstance(music, ScoreTick)
    lines = bars(music)
    following = lines[np.minimum(np.searchsorted(lines, onset, "right"), len(lines) - 1)]
    return int(np.where(onset >= 0, following - onset, -1).argmax())


def _without_notes(tokenizer: Tokenizer, sequence: Ints) -> Ints:
    """The sequence with -1 for tokens that begin or end notes with a pitch."""
    attributes = tokenizer.attributes()
    of_notes = attributes[PITCH].stated
    if RELEASE in attributes:
        of_notes = of_notes | attributes[RELEASE].stated
    return np.where(of_notes[sequence], -1, sequence)


def _kind(tokenizer: Tokenizer, alone: Ints, pitch: int) -> Kind:
    """What the notes of a sequence have beside their pitch; () where it is another, or none."""
    music = tokenizer.decode(alone)
    assert isinstance(music, ScoreTick)
    found = notes(music)
    if not len(found) or (found.pitch != pitch).any():
        return ()
    programs = [-1 if each.is_drum else each.program for each in music.tracks]
    of_each = [programs[track] for track in found.track.tolist()]
    columns = (found.start.tolist(), found.end.tolist(), found.velocity.tolist(), of_each)
    return tuple(sorted(zip(*columns, strict=True)))
