"""Notes, metres, bars and time of a Score, and the facts that are computed from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from symusic.core import (
    ControlChangeTick,
    NoteTick,
    ScoreTick,
    TempoTick,
    TimeSignatureTick,
    TrackTick,
)

from musictk.errors import MusictkError
from musictk.evaluation.excerpts import excerpt
from musictk.music import (
    DEFAULT_TEMPO,
    Clock,
    bars,
    duration,
    in_effect_from,
    metres,
    notes,
    tempo_at,
)
from musictk.reading import Limits
from musictk.reading.facts import piece_facts
from musictk.reading.reasons import RejectedError

MIDIS = sorted((Path(__file__).parents[1] / "examples" / "midis").glob("*/*.mid"))


def music(*signs: tuple[int, int, int], end: int = 3840, ticks: int = 480) -> ScoreTick:
    """One note up to the tick `end`, under (tick, numerator, denominator)."""
    score = ScoreTick(ticks)
    score.tracks.append(TrackTick("Piano"))
    score.tracks[0].notes.append(NoteTick(0, end, 60, 64))
    for sign in signs:
        score.time_signatures.append(TimeSignatureTick(*sign))
    return score


@pytest.mark.parametrize(
    ("signs", "lines"),
    [
        ((), [0, 1920, 3840]),
        (((0, 3, 4),), [0, 1440, 2880, 4320]),
        (((0, 1, 8), (240, 4, 4)), [0, 240, 2160, 4080]),  # a pickup
        (((0, 4, 4), (240, 4, 4)), [0, 240, 2160, 4080]),  # the same, under one metre
        (((0, 4, 4), (1920, 4, 4)), [0, 1920, 3840]),  # repeated on a bar line
        (((0, 4, 4), (2400, 3, 4)), [0, 1920, 2400, 3840]),  # a bar cut short
        (((1920, 3, 4),), [0, 1920, 3360, 4800]),
        (((0, 3, 4), (0, 2, 4)), [0, 960, 1920, 2880, 3840]),  # the last of one tick
        (((9600, 3, 4),), [0, 1920, 3840]),  # after the music
        (((0, 0, 4), (0, 4, 3)), [0, 1920, 3840]),  # none that a file can hold
    ],
)
def test_bars_follow_the_time_signatures(
    signs: tuple[tuple[int, int, int], ...], lines: list[int]
) -> None:
    assert bars(music(*signs)).tolist() == lines


def test_bar_lines_between_ticks_do_not_drift() -> None:
    score = music((0, 3, 8), (375, 4, 4), end=400, ticks=25)  # a bar of 37.5 ticks
    assert bars(score)[:5].tolist() == [0, 37, 75, 112, 150]
    assert bars(score)[-2:].tolist() == [375, 475]


def test_events_after_the_last_note_do_not_count() -> None:
    score = music(end=1920)
    score.tracks[0].controls.append(ControlChangeTick(96000, 64, 0))
    score.tempos.append(TempoTick(90000, 60.0))
    assert bars(score).tolist() == [0, 1920]
    assert bars(score, least=1921).tolist() == [0, 1920, 3840]
    assert duration(score) == 2.0


def test_of_two_tempos_at_one_tick_the_last_counts() -> None:
    score = music()
    for tempo in (TempoTick(0, 60.0), TempoTick(0, 120.0), TempoTick(1920, 240.0)):
        score.tempos.append(tempo)
    assert duration(score) == 3.0
    assert [tempo_at(score, tick) for tick in (0, 1919, 1920)] == [500_000, 500_000, 250_000]
    assert [tempo.qpm for tempo in in_effect_from(score.tempos, 1)] == [120.0, 240.0]
    score.tempos.append(TempoTick(1920, 30.0))
    score.tempos.append(TempoTick(2400, 240.0))
    part = excerpt(score, 1, 1)
    assert [(tempo.time, tempo.qpm) for tempo in part.tempos][-2:] == [(0, 30.0), (480, 240.0)]
    late = music()
    late.tempos.append(TempoTick(960, 60.0))
    assert tempo_at(late, 959) == DEFAULT_TEMPO
    assert [tempo.time for tempo in in_effect_from(late.tempos, 0)] == [960]


def test_bars_without_end_are_refused() -> None:
    with pytest.raises(MusictkError, match="more than"):
        bars(music((0, 1, 128), end=2**30, ticks=32))


@settings(max_examples=200)
@given(
    signs=st.lists(
        st.tuples(
            st.integers(0, 4000), st.integers(0, 255), st.sampled_from([0, 1, 2, 3, 4, 8, 16, 128])
        ),
        max_size=8,
    ),
    end=st.integers(1, 4000),
    ticks=st.sampled_from([1, 2, 25, 96, 480, 32767]),
)
def test_the_catalog_counts_the_same_bars_and_seconds(
    signs: list[tuple[int, int, int]], end: int, ticks: int
) -> None:
    score = music(*signs, end=end, ticks=ticks)
    lines = bars(score)
    assert lines[0] == 0
    assert (lines[1:] > lines[:-1]).all()
    assert lines[-2] < end <= lines[-1]
    assert set(metres(score).before(end).start.tolist()) <= set(lines.tolist())
    found = piece_facts(score, notes(score), Clock(score), Limits())
    assert found["bars"] == len(lines) - 1
    assert found["seconds"] == pytest.approx(duration(score), abs=0.001)


def test_the_catalog_counts_the_same_on_real_music() -> None:
    for path in MIDIS:
        score = ScoreTick.from_file(path)
        found = piece_facts(score, notes(score), Clock(score), Limits())
        assert (found["bars"], found["seconds"]) == (
            len(bars(score)) - 1,
            pytest.approx(duration(score), abs=0.001),
        )


def test_the_catalog_refuses_what_has_too_many_bars() -> None:
    score = music((0, 1, 128), end=2**30, ticks=32)
    with pytest.raises(RejectedError, match="bars"):
        piece_facts(score, notes(score), Clock(score), Limits())
