"""Check the laws of bar controls. Each check raises AssertionError with the broken law.

    from musictk.testing import controls as laws

    laws.check(MyControl(), tokenizer, scores)

`scores` are real music that the tokenizer can encode.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from symusic.core import ScoreTick

from musictk.controls import Bars, Control
from musictk.controls.contract import Ids
from musictk.errors import MusictkError
from musictk.tokens import Frames, Tokenizer
from musictk.tokens.augment import transposed

_MOST = 255  # values: ids are bytes, and 0 is "not given"


def check(control: Control, tokenizer: Tokenizer, scores: Iterable[ScoreTick]) -> None:
    """Check all laws."""
    check_values(control)
    check_features(control)
    check_masks(control, tokenizer)
    for score in scores:
        check_measure(control, tokenizer, score)


def check_values(control: Control) -> None:
    """Every value is parsed as itself, and what is no value is a typed error."""
    values = list(control.values)
    assert 0 < len(values) <= _MOST, f"{len(values)} values do not fit into a byte"
    assert len(set(values)) == len(values), "two values have the same name"
    for index, value in enumerate(values, 1):
        ids = control.parse(value)
        assert ids.shape == (control.parts,), "parse does not give an id for each part"
        assert (ids == index).all(), f"{value!r} is not parsed as the value of this name"
    try:
        control.parse("no such value")
    except MusictkError:
        return
    raise AssertionError("a value that does not exist is no error")


def check_features(control: Control) -> None:
    """Each value has features, and no two values have the same."""
    found = control.features()
    assert len(found) == len(control.values), "a value without features, or features without one"
    assert found.any(axis=1).all(), "a value whose features are all 0 would have no vector"
    assert len(np.unique(found, axis=0)) == len(found), "two values have the same features"


def check_masks(control: Control, tokenizer: Tokenizer) -> None:
    """What a value allows is a mask over the vocabulary; where nothing is allowed, an error."""
    space = tokenizer.space
    size = space.width if isinstance(space, Frames) else space.size
    for value in control.values:
        try:
            allowed = control.allowed(tokenizer, control.parse(value))
        except MusictkError:  # a value that this tokenizer cannot write
            continue
        assert allowed is None or (allowed.shape == (size,) and allowed.dtype == bool)


def check_measure(control: Control, tokenizer: Tokenizer, score: ScoreTick) -> None:
    """Each bar has an id for each part; of transposed music they are the transposed ids."""
    ids = _measured(control, tokenizer, score)
    assert ids.dtype == np.uint8, "ids are not bytes"
    assert ids.ndim == 2, "ids are not (bars, parts)"
    assert ids.shape[1] == control.parts, "a bar does not have an id for each part"
    assert ids.max(initial=0) <= len(control.values), "an id without a value"
    for semitones in (-1, 2):
        moved = transposed(score, semitones)
        if moved is not None and _in_range(tokenizer, score, moved):
            found = _measured(control, tokenizer, moved)
            assert np.array_equal(found, control.transpose(ids, semitones)), (
                f"transposed by {semitones}, the music has other facts than its own, transposed"
            )


def _measured(control: Control, tokenizer: Tokenizer, score: ScoreTick) -> Ids:
    sequence = tokenizer.encode(score)
    music = tokenizer.decode(sequence)
    assert isinstance(music, ScoreTick)
    return control.measure(Bars.of(music, len(tokenizer.bar_starts(sequence))))


def _in_range(tokenizer: Tokenizer, score: ScoreTick, moved: ScoreTick) -> bool:
    """Whether no note is lost where the music is transposed."""
    counts = []
    for music in (score, moved):
        decoded = tokenizer.decode(tokenizer.encode(music))
        assert isinstance(decoded, ScoreTick)
        counts.append(decoded.note_num())
    return counts[0] == counts[1]
