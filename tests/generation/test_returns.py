"""A section that returns is varied, and keeps about as many notes as its theme has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from musictk.controls import Bars
from musictk.generation.compose import Composition, compose
from musictk.generation.note_floor import NoteCounts
from musictk.generation.request import PieceRequest, to_prompt
from musictk.generation.spans import Span
from musictk.music import bar_lines, tempo_at

from .pieces import controlled, tokenizer, untrained

NAMES = ("remi", "remi with bpe", "events", "pianoroll")
BARS = 4


def eighths() -> ScoreTick:
    """Two voices in eighth notes, each cut short before the next."""
    score = ScoreTick(480)
    score.time_signatures.append(TimeSignatureTick(0, 4, 4))
    track = TrackTick("tune", 0, False)
    for number in range(8 * (BARS + 1)):
        for pitch in (48 + number % 5, 60 + number % 12):
            track.notes.append(NoteTick(240 * number, 120, pitch, 64))
    score.tracks.append(track)
    return score


def write(name: str, model: Any = untrained, **asked: Any) -> list[Composition]:
    """Pieces with a theme of 16 notes a bar."""
    made = tokenizer(name)
    whole = made.encode(eighths())
    theme = whole[: made.bar_starts(whole)[BARS]]
    request = {"prompt": to_prompt(theme), "whole": True, "theme": BARS, "form": f"AB{BARS}A"}
    return compose(model(name), made, PieceRequest.read({**request, **asked}))


def notes_of_bars(name: str, piece: Composition) -> list[NDArray[np.int64]]:
    """The notes that begin in each bar of the theme, and of its return."""
    made = tokenizer(name)
    starts = made.bar_starts(piece.sequence)
    score = made.decode(piece.sequence)
    assert isinstance(score, ScoreTick)
    bars = Bars.of(score, len(starts))
    counts = np.bincount(bars.bar_of(bars.notes.start), minlength=len(starts))

    def of(span: Span) -> NDArray[np.int64]:
        return counts[np.searchsorted(starts, span.start) : np.searchsorted(starts, span.end)]

    return [of(piece.sections[0]), of(piece.sections[-1])]


@pytest.mark.parametrize("variation", [0.3, 0.7])
@pytest.mark.parametrize("name", NAMES)
def test_no_bar_of_a_return_is_nearly_empty(name: str, variation: float) -> None:
    """With random weights, so that what is not the theme is noise."""
    varied = 0
    for seed in range(3):
        for piece in write(name, seed=seed, count=4, sampling={"variation": variation}):
            theme, back = notes_of_bars(name, piece)
            assert len(theme) == len(back) == BARS
            assert (2 * back >= theme).all(), (seed, theme.tolist(), back.tolist())
            varied += not np.array_equal(theme, back)
    assert varied > 2


@pytest.mark.parametrize("name", NAMES)
def test_a_varied_return_leaves_its_theme_to_end_the_piece(name: str) -> None:
    """But not without a cadence."""
    for cadence in (False, True):
        sampling = {"variation": 0.0001, "cadence": cadence}
        (piece,) = write(name, controlled, seed=3, sampling=sampling)
        score = tokenizer(name).decode(piece.sequence)
        assert isinstance(score, ScoreTick)
        bars = Bars.of(score, 3 * BARS)
        onsets: list[set[tuple[int, int]]] = [set() for _ in range(3 * BARS)]
        bar = bars.bar_of(bars.notes.start)
        begun = bars.notes.start - bars.lines[bar]
        for each in zip(bar.tolist(), begun.tolist(), bars.notes.pitch.tolist(), strict=True):
            onsets[each[0]].add(each[1:])
        assert onsets[BARS - 2] == onsets[-2]
        assert (onsets[BARS - 1] == onsets[-1]) != cadence


@pytest.mark.parametrize("name", NAMES)
def test_a_return_without_variation_is_exact_to_its_end(name: str) -> None:
    (piece,) = write(name, controlled, seed=3, sampling={"variation": 0.0, "cadence": True})
    theme, back = notes_of_bars(name, piece)
    assert theme.tolist() == back.tolist()
    first, last = piece.sections[0], piece.sections[-1]
    lines = [piece.sequence[span.start : span.end] for span in (first, last)]
    scores = [tokenizer(name).decode(each) for each in lines]
    found = [
        sorted((note.time, note.duration, note.pitch) for note in score.tracks[0].notes)
        for score in scores
        if isinstance(score, ScoreTick)
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("name", NAMES)
def test_varied_returns_are_reproducible(name: str) -> None:
    first, again = (write(name, seed=7, count=2, sampling={"variation": 0.7}) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.sequence, other.sequence)


def test_a_density_that_was_chosen_is_not_changed() -> None:
    """A return may then be as sparse as the user wants it."""
    asked = {"sampling": {"variation": 0.9}, "count": 4, "seed": 1}
    sparse = write("remi", controlled, controls=[["A", "density", "1"]], **asked)
    theme, back = zip(*(notes_of_bars("remi", piece) for piece in sparse), strict=True)
    assert (2 * np.concatenate(back) < np.concatenate(theme)).any()


@pytest.mark.parametrize("name", ["remi", "events"])
def test_tokens_may_have_any_names(name: str) -> None:
    class Unnamed(type(tokenizer(name))):  # type: ignore[misc]
        def names(self) -> list[str]:
            return [f"Token_{index}" for index in range(self.space.size)]

    made = tokenizer(name)
    named, unnamed = NoteCounts.of(made), NoteCounts.of(Unnamed(made.config))
    assert named is not None
    assert unnamed is not None
    assert np.array_equal(named.moves, unnamed.moves)
    kinds = [each.partition("_")[0] for each in made.names()]
    moving = {kind for kind, moves in zip(kinds, named.moves, strict=True) if moves}
    assert moving == {"remi": {"Bar", "Position", "Rest"}, "events": {"Bar", "TimeShift"}}[name]


@pytest.mark.parametrize("name", ["remi", "remi with bpe"])
@pytest.mark.parametrize("controls", [[["B", "tempo", "160"]], [["B", "tempo", "60"]], []])
def test_a_return_has_the_tempos_of_its_theme_after_a_chosen_one(
    name: str, controls: list[list[str]]
) -> None:
    """And not the one from before the section with the chosen tempo."""
    made, given = tokenizer(name), eighths()
    given.tempos.append(TempoTick(0, 120))
    given.tempos.append(TempoTick(1920 * 2, 60))
    whole = made.encode(given)
    theme = to_prompt(whole[: made.bar_starts(whole)[BARS]])
    for seed in range(3):
        asked = {"prompt": theme, "seed": seed, "sampling": {"variation": 0.0}}
        (piece,) = write(name, controlled, controls=controls, **asked)
        score = made.decode(piece.sequence)
        assert isinstance(score, ScoreTick)
        lines = bar_lines(score, 3 * BARS)
        found = [round(6e7 / tempo_at(score, line)) for line in lines[: 3 * BARS]]
        assert found[:BARS] == found[-BARS:] == [120, 120, 60, 60]
        if controls:
            assert set(found[BARS:-BARS]) == {int(controls[0][2])}


def test_a_bar_after_a_chosen_one_in_a_return_has_the_tempo_of_its_theme() -> None:
    chosen = [["3-4", "tempo", "60"], ["9", "tempo", "200"]]
    asked = {"form": f"A{BARS}BA", "bars": BARS, "sampling": {"variation": 0.0}, "seed": 3}
    request = PieceRequest.read({**asked, "controls": chosen})
    (piece,) = compose(controlled("remi"), tokenizer("remi"), request)
    score = tokenizer("remi").decode(piece.sequence)
    assert isinstance(score, ScoreTick)
    lines = bar_lines(score, 3 * BARS)
    found = [round(6e7 / tempo_at(score, line)) for line in lines[: 3 * BARS]]
    assert found[2:4] == found[10:12] == [60, 60]
    assert found[8] == 200
    assert found[9] == found[1]
