"""Bars that are rewritten and keep their rhythm or harmony, measured in the decoded music."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.controls import Controls, measure
from musictk.errors import UnknownNameError, UsageError
from musictk.generation.compose import compose
from musictk.generation.keep import KeptFrames, KeptTokens, keep_rhythm
from musictk.generation.request import PieceRequest, to_prompt
from musictk.music import notes
from musictk.tokens import PITCH, Tokenizer

from .compound import Compound, CompoundConfig, Releases, Silent, TwoColumns
from .pieces import MIDIS, controlled, load_untrained, tokenizer, untrained

NAMES = ("remi", "events", "pianoroll", "remi with bpe", "remi with programs")
FILES = (
    "Bach/petzold_menuet_anh114.mid",
    "Bach/chorale_bwv347.mid",
    "Schubert/heidenroeslein_d257.mid",
    "Chopin/prelude_op28_20.mid",
)


def parts(name: str, file: str, start: int, stop: int) -> tuple[Any, Any]:
    """The bars before `start`, and those up to `stop`."""
    made = tokenizer(name)
    whole = made.encode(ScoreTick.from_file(MIDIS / file))
    lines = made.bar_starts(whole)
    return whole[: lines[start]], whole[lines[start] : lines[stop]]


def rewrite(name: str, before: Any, original: Any, **asked: Any) -> Any:
    made = tokenizer(name)
    request = PieceRequest.read(
        {
            **{"prompt": to_prompt(before), "whole": len(before) > 0, "keep": "rhythm"},
            **{"original": to_prompt(original), "bars": len(made.bar_starts(original))},
            **asked,
        }
    )
    assert PieceRequest.read(request.plain()).plain() == request.plain()
    return compose(controlled(name), made, request)[0]


def rhythm(name: str, sequence: Any) -> list[tuple[int, ...]]:
    """(onset, end, track) of every note."""
    music = tokenizer(name).decode(sequence)
    assert isinstance(music, ScoreTick)
    found = notes(music)
    return sorted(zip(found.start.tolist(), found.end.tolist(), found.track.tolist(), strict=True))


def pitches(name: str, sequence: Any) -> list[int]:
    music = tokenizer(name).decode(sequence)
    assert isinstance(music, ScoreTick)
    return notes(music).pitch.tolist()


@pytest.mark.parametrize("start", [0, 3])
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", NAMES)
def test_a_rhythm_is_kept_and_the_pitches_are_new(name: str, file: str, start: int) -> None:
    before, original = parts(name, file, start, start + 4)
    piece = rewrite(name, before, original, seed=start)
    whole = np.concatenate([before, original])
    assert np.array_equal(piece.sequence[: len(before)], before)
    assert rhythm(name, piece.sequence) == rhythm(name, whole)
    assert pitches(name, piece.sequence) != pitches(name, whole)
    again = rewrite(name, before, original, seed=start)
    assert np.array_equal(again.sequence, piece.sequence)


@pytest.mark.parametrize("name", NAMES)
def test_a_rhythm_is_kept_within_a_range_and_a_scale(name: str) -> None:
    before, original = parts(name, FILES[0], 4, 8)
    controls = [["", "lowest", "48"], ["", "highest", "84"], ["", "key", "D major"]]
    asked = {"controls": controls, "sampling": {"strict": True}}
    piece = rewrite(name, before, original, **asked)
    assert rhythm(name, piece.sequence) == rhythm(name, np.concatenate([before, original]))
    music, start = tokenizer(name).decode(piece.sequence), tokenizer(name).decode(before)
    assert isinstance(music, ScoreTick)
    found = notes(music)
    new = found.where(found.start >= 4 * 3 * music.ticks_per_quarter)
    if name == "pianoroll":  # its bars have four beats
        new = found.where(found.start >= 4 * 4 * music.ticks_per_quarter)
    assert isinstance(start, ScoreTick)
    assert len(new)
    assert new.pitch.min() >= 48
    assert new.pitch.max() <= 84
    assert set((new.pitch % 12).tolist()) <= {2, 4, 6, 7, 9, 11, 1}


def test_harmony_is_what_the_original_has() -> None:
    """As where its chords and keys are chosen for each bar."""
    made, layout = tokenizer("remi"), Controls.available(tokenizer("remi"))
    before, original = parts("remi", FILES[1], 2, 6)
    facts = measure(made, np.concatenate([before, original]), layout).ids[2:]
    controls = []
    for control in layout.made:
        if control.name in ("key", "chord"):
            rows = facts[:, layout.columns[control.name]].tolist()
            words = [" ".join(control.values[each - 1] for each in row) for row in rows]
            controls += [[f"{bar}", control.name, word] for bar, word in enumerate(words, 1)]
    kept = rewrite("remi", before, original, keep="harmony")
    chosen = rewrite("remi", before, original, keep="", controls=controls)
    free = rewrite("remi", before, original, keep="")
    assert np.array_equal(kept.sequence, chosen.sequence)
    assert not np.array_equal(kept.sequence, free.sequence)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"keep": "melodies"}, "no part of music to keep 'melodies'"),
        ({"keep": "rhythm"}, "no music of which to keep the rhythm"),
    ],
)
def test_errors(asked: dict[str, Any], message: str) -> None:
    with pytest.raises((UsageError, UnknownNameError), match=message):
        PieceRequest.read(asked)


def test_as_many_bars_are_written_as_are_kept() -> None:
    before, original = parts("events", FILES[0], 2, 4)
    with pytest.raises(UsageError, match="of 2 bars in 3; write 2 bars"):
        rewrite("events", before, original, bars=3)


def test_a_model_without_controls_keeps_no_harmony() -> None:
    _, original = parts("remi", FILES[0], 0, 2)
    asked = {"keep": "harmony", "original": to_prompt(original), "bars": 2}
    with pytest.raises(UsageError, match="no controls of harmony"):
        compose(untrained("remi"), tokenizer("remi"), PieceRequest.read(asked))


def test_a_limit_is_ignored_at_a_pitch_and_not_after_it() -> None:
    made = tokenizer("remi")
    before, original = parts("remi", FILES[0], 0, 1)
    kept = KeptTokens(made, original, before)
    pitched = made.attributes()[PITCH].single() >= 0
    every, none = np.ones(len(pitched), bool), np.zeros(len(pitched), bool)
    ignored = []
    for token in original.tolist():
        kept.allowed(every, none)
        ignored.append(kept.limit_ignored)
        kept.advance(token)
    assert ignored == pitched[original].tolist()
    assert any(ignored)
    frames = KeptFrames(np.eye(1, 4, 1), np.zeros((0, 4)))  # one frame with one note
    for _ in range(2):
        frame = frames.frame(np.zeros(4), np.full(4, 0.5), np.zeros(4, bool))
        assert frames.limit_ignored == (frame is not None)


# Onset and length in sixteenths, pitch, velocity. The first bar has no note on its first beat.
WRITTEN = (
    *((4, 4, 60, 90), (8, 8, 62, 50), (12, 4, 64, 90)),
    *((16, 16, 48, 50), (16, 4, 60, 90), (16, 4, 64, 90), (20, 2, 65, 50), (28, 4, 67, 50)),
)


def compound_music(written: Any = WRITTEN) -> ScoreTick:
    music = ScoreTick(4)
    music.tracks.append(TrackTick("Piano"))
    for onset, length, pitch, velocity in written:
        music.tracks[0].notes.append(NoteTick(onset, length, pitch, velocity))
    return music


def full_rhythm(made: Tokenizer, sequence: Any) -> list[tuple[int, ...]]:
    """(onset, end, velocity) of every note."""
    music = made.decode(sequence)
    assert isinstance(music, ScoreTick)
    found = notes(music)
    return sorted(
        zip(found.start.tolist(), found.end.tolist(), found.velocity.tolist(), strict=True)
    )


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("clipped", [False, True])
def test_tokens_that_state_lengths_and_velocities_keep_them(clipped: bool, start: int) -> None:
    made = Compound(CompoundConfig(clipped))
    whole = made.encode(compound_music())
    cut = int(made.bar_starts(whole)[start])
    asked = {"prompt": to_prompt(whole[:cut]), "original": to_prompt(whole[cut:])}
    values = {"keep": "rhythm", "whole": start > 0, "bars": 2 - start, **asked}
    music = load_untrained(made)
    found = [
        compose(music, made, PieceRequest.read({"seed": seed, **values}))[0].sequence
        for seed in range(5)
    ]
    assert all(full_rhythm(made, each) == full_rhythm(made, whole) for each in found)
    pitches = [tuple(made.decode(each).tracks[0].notes.numpy()["pitch"]) for each in found]
    assert len(set(pitches)) == len(found), "and the pitches are new"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Silent, "tokens state more than pitches, which single notes do not show"),
        (Releases, "tokens that end notes state more than pitches"),
        (TwoColumns, "frames are not one bit for each pitch"),
    ],
)
def test_what_else_tokens_state_has_to_be_known(kind: type[Compound], message: str) -> None:
    made = kind(CompoundConfig())
    whole = Compound(CompoundConfig()).encode(compound_music())
    with pytest.raises(UsageError, match=f"{message}.*cannot keep a rhythm"):
        keep_rhythm(made, whole, whole[:0])


def chords(bars: int) -> ScoreTick:
    """A chord in every bar."""
    music = ScoreTick(4)
    music.tracks.append(TrackTick("Piano"))
    for bar in range(bars):
        for pitch in (60, 64, 67):
            music.tracks[0].notes.append(NoteTick(16 * bar, 8, pitch, 80))
    return music


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("bar", [1, 2])
@pytest.mark.parametrize("name", ["remi", "events", "pianoroll"])
def test_a_limit_that_is_ignored_is_that_of_its_bar(name: str, bar: int, start: int) -> None:
    """No chord of three notes has the two highest pitches."""
    made = tokenizer(name)
    whole = made.encode(chords(start + 3))
    lines = made.bar_starts(whole)
    before, original = np.split(whole[: lines[start + 2]], [lines[start]])
    control = [str(bar), "lowest", "F#9" if name == "pianoroll" else "B7"]
    piece = rewrite(name, before, original, controls=[control], seed=1)
    assert {(one.kind, one.bar) for one in piece.notices} == {("limit-ignored", bar)}


@pytest.mark.parametrize("name", NAMES)
def test_a_bar_without_an_onset_ends_a_rhythm(name: str) -> None:
    """There is no bass to write in it, and none is reported as left out."""
    music = ScoreTick(4)
    music.tracks.append(TrackTick("Piano"))
    for onset, length in (*((4 * beat, 4) for beat in range(8)), (32, 32), (64, 4)):
        music.tracks[0].notes.append(NoteTick(onset, length, 60, 80))
    made = tokenizer(name)
    whole = made.encode(music)
    starts = made.bar_starts(whole)
    before, original, _ = np.split(whole, starts[[2, 4]])
    piece = rewrite(name, before, original)
    assert piece.notices == ()
