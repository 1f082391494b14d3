"""Check the laws of bar controls. Each check raises AssertionError with the broken law.

    from musictk.testing import controls as laws

    laws.check(MyControl(), tokenizer, scores)

`scores` are real music that the tokenizer can encode.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from symusic.core import ScoreTick

from musictk.controls import Bars, Control, returned
from musictk.controls.contract import Bounds, Ids
from musictk.errors import MusictkError, located
from musictk.keys import KEYS
from musictk.offers import SEPARATORS, control_fault
from musictk.tokens import Tokenizer
from musictk.tokens.augment import transposed

_SIZES = (1, 2, 7, 64)  # bars


def check(control: Control, tokenizer: Tokenizer, scores: Iterable[ScoreTick]) -> None:
    """Check all laws."""
    try:
        check_names(control)
        check_applies(control, tokenizer)
        check_values(control)
        check_plans(control)
        check_features(control)
        check_masks(control, tokenizer)
        for score in scores:
            check_measure(control, tokenizer, score)
    except AssertionError:
        raise
    except MusictkError as error:
        raise AssertionError(error.message) from error
    except Exception as error:
        raise AssertionError(f"a law ends with {located(error)}") from error


def check_names(control: Control) -> None:
    """The name and the values can be written on the command line: `NAME=VALUE, NAME=VALUE`."""
    name = getattr(control, "name", "")
    assert name, "the control has no name"
    fault = control_fault(control)
    assert not fault, f"the control {fault}"
    assert not any(char in SEPARATORS or char.isspace() for char in name), (
        f"the name {name!r} is not a word without {SEPARATORS}"
    )
    for value in control.values:
        assert not set(value) & set(SEPARATORS), f"the value {value!r} has one of {SEPARATORS}"
        assert value == value.strip(), f"the value {value!r} has blanks around it"


def check_applies(control: Control, tokenizer: Tokenizer) -> None:
    """Whether the control applies to a tokenizer is True or False."""
    try:
        returned.applies(control, tokenizer)
    except Exception as error:  # it would end every training
        raise AssertionError(f"applies fails: {located(error)}") from error


def check_values(control: Control) -> None:
    """Every value is parsed as itself, and what is no value is a typed error."""
    for index, value in enumerate(control.values, 1):
        ids = control.parse(value)
        assert isinstance(ids, np.ndarray), "parse does not give an array"
        assert ids.dtype == np.uint8, "parse does not give bytes"
        assert ids.shape == (control.parts,), "parse does not give an id for each part"
        assert (ids == index).all(), f"{value!r} is not parsed as the value of this name"
        assert isinstance(control.bounds(ids), Bounds), f"the bounds of {value!r} are no Bounds"
        returned.bounds(control, ids)
    try:
        control.parse("no such value")
    except MusictkError:
        return
    raise AssertionError("a value that does not exist is no error")


def check_plans(control: Control) -> None:
    """`planned` gives ids of all bars or None, and `complete` ids of as many bars as it gets."""
    for bars in _SIZES:
        for known in (False, True):
            ids = control.planned(bars, known)
            if ids is not None:
                _check_ids(control, ids, bars, f"planned({bars}, {known})")
        for given in {0, bars // 2}:
            chosen = np.zeros((bars, control.parts), np.uint8)
            _check_ids(control, control.complete(chosen, given), bars, "complete")
    for key in range(len(KEYS)):
        returned.closing(control, key)


def _check_ids(control: Control, ids: Ids, bars: int, what: str) -> None:
    assert isinstance(ids, np.ndarray), f"{what} does not give an array"
    assert ids.dtype == np.uint8, f"{what}: ids are not bytes"
    assert ids.ndim == 2, f"{what}: ids are not (bars, parts)"
    assert len(ids) == bars, f"{what} gives ids of {len(ids)} bars instead of {bars}"
    assert ids.shape[1] == control.parts, f"{what}: a bar does not have an id for each part"
    assert ids.max(initial=0) <= len(control.values), f"{what}: an id without a value"


def check_features(control: Control) -> None:
    """Each value has features, and no two values have the same."""
    found = returned.features(control)
    assert found.any(axis=1).all(), "a value whose features are all 0 would have no vector"
    assert len(np.unique(found, axis=0)) == len(found), "two values have the same features"


def check_masks(control: Control, tokenizer: Tokenizer) -> None:
    """What a value allows is a mask over the vocabulary; where nothing is allowed, an error."""
    size = tokenizer.space.classes
    for value in control.values:
        for name in ("allowed", "allowed_strictly"):
            try:
                allowed = getattr(control, name)(tokenizer, control.parse(value))
            except MusictkError:  # a value that this tokenizer cannot write
                continue
            if allowed is not None:
                shape, kind = np.shape(allowed), np.asarray(allowed).dtype
                which = f"{name} of {value!r}"
                assert shape == (size,), f"{which} has the shape {shape}, not {(size,)}"
                assert kind == np.bool_, f"{which} is an array of {kind}, not of bool"


def check_measure(control: Control, tokenizer: Tokenizer, score: ScoreTick) -> None:
    """Each bar has an id for each part; of transposed music they are the transposed ids.

    Or any, where the transposed ids are 0: `transpose` does not know them.
    """
    ids = _measured(control, tokenizer, score)
    for semitones in (-1, 2):
        moved = transposed(score, semitones)
        if moved is not None and _in_range(tokenizer, score, moved):
            found = _measured(control, tokenizer, moved)
            expected = returned.transposed(control, ids, semitones)
            unknown = (ids > 0) & (expected == 0)
            assert np.array_equal(np.where(unknown, 0, found), expected), (
                f"transposed by {semitones}, the music has other facts than its own, transposed"
            )


def _measured(control: Control, tokenizer: Tokenizer, score: ScoreTick) -> Ids:
    sequence = tokenizer.encode(score)
    music = tokenizer.decode(sequence)
    assert isinstance(music, ScoreTick), "the tokenizer reads text, which has no bars to measure"
    bars = Bars.of(music, len(tokenizer.bar_starts(sequence)))
    ids = control.measure(bars)
    _check_ids(control, ids, len(bars), "measure")
    return ids


def _in_range(tokenizer: Tokenizer, score: ScoreTick, moved: ScoreTick) -> bool:
    """Whether no note is lost where the music is transposed."""
    counts = []
    for music in (score, moved):
        decoded = tokenizer.decode(tokenizer.encode(music))
        assert isinstance(decoded, ScoreTick), "the tokenizer decodes to text"
        counts.append(decoded.note_num())
    return counts[0] == counts[1]
