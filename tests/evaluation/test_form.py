"""Self-similarity of sections, on notes placed by hand and on real music."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from symusic import Score
from symusic.core import NoteTick, ScoreTick, TimeSignatureTick, TrackTick

from musictk.errors import UsageError
from musictk.evaluation.form import TickSection, form_report, sections_from_form
from musictk.generation.form import parse
from musictk.music import bars

MIDIS = Path(__file__).parents[2] / "examples/midis"
BAR = 1920
A, B = [60, 62, 64, 65], [67, 69, 71, 72]


def melody(*sections: list[int], late: int = 0) -> ScoreTick:
    """Two bars of 4/4 a section, a quarter note each; the last section `late` ticks late."""
    score, track = ScoreTick(480), TrackTick()
    for index, pitches in enumerate(sections):
        for beat in range(8):
            delay = late if index == len(sections) - 1 else 0
            start = index * 2 * BAR + beat * 480 + delay
            track.notes.append(NoteTick(start, 240, pitches[beat % 4] + beat // 4, 80))
    score.tracks.append(track)
    return score


def named(labels: str) -> list[TickSection]:
    return [(label, 2 * BAR * k, 2 * BAR * (k + 1)) for k, label in enumerate(labels)]


def test_a_piece_has_at_least_a_bar_for_each_section() -> None:
    with pytest.raises(UsageError, match="4 sections do not fit into 2 bars"):
        sections_from_form(melody(A), parse("AABA"))


def test_a_true_return_and_a_true_contrast() -> None:
    report = form_report(melody(A, A, B, A), named("AABA"))
    assert report.similarity[0].tolist() == [1, 1, 0, 1]
    assert (report.same, report.other, report.copied) == (1, 0, 1)
    assert report.ratio == float("inf")
    assert np.array_equal(report.similarity, report.similarity.T)


def test_the_ratio_is_nan_without_similarity() -> None:
    strange = form_report(melody(A, B, [80, 83, 85, 89]), named("ABA"))
    assert (strange.same, strange.other) == (0, 0)
    assert np.isnan(strange.ratio)
    assert np.isnan(form_report(melody(A, B), named("AB")).ratio)  # no letter returns


def test_likeness_is_the_f1_of_notes() -> None:
    changed = [*A[:3], 90]
    report = form_report(melody(A, changed), named("AA"))
    assert report.same == pytest.approx(0.75)
    assert report.copied == 0
    assert np.isnan(report.other)
    assert np.isnan(report.ratio)


def test_small_timing_does_not_matter_and_a_bar_of_delay_is_found() -> None:
    assert form_report(melody(A, A, late=15), named("AA")).same == 1
    # One of three bars has a counterpart then: the second of one with the first of the other.
    shifted = form_report(melody([60, 61, 62, 63], [61, 62, 63, 64]), named("AA"))
    assert shifted.same == pytest.approx(1 / 3)


def test_silence_is_nothing_to_compare() -> None:
    score = melody(A, B)
    sections = [("A", 0, BAR), ("A", 4 * BAR, 5 * BAR), ("A", 6 * BAR, 7 * BAR)]
    assert form_report(score, sections).same == 0


def test_primes_are_returns() -> None:
    sections = [("A", 0, 2 * BAR), ("A'", 2 * BAR, 4 * BAR)]
    assert form_report(melody(A, A), sections).same == 1


def test_chance_is_what_random_bars_share() -> None:
    report = form_report(melody(A, B, A), named("ABA"))
    assert report.chance == 0
    drone = form_report(melody([60] * 4, [60] * 4), named("AB"))
    assert drone.other == 1
    assert 0 < drone.chance < 1


def test_bars_follow_the_metre() -> None:
    score = melody(A, A)
    score.time_signatures.append(TimeSignatureTick(0, 2, 4))
    report = form_report(score, named("AA"))
    assert report.same == 1


def test_a_piece_against_itself_in_real_music() -> None:
    score = Score.from_file(str(MIDIS / "Bach/petzold_menuet_anh114.mid"))
    assert isinstance(score, ScoreTick)
    lines = bars(score)
    eight = [int(tick) for tick in lines[: 4 * 8 + 1 : 8]]
    plain = [(label, a, b) for label, a, b in zip("ABCD", eight, eight[1:], strict=False)]
    report = form_report(score, plain)
    assert (np.diag(report.similarity) == 1).all()
    assert 0 <= report.chance < 1
    assert np.isnan(report.same)


def test_sections_are_assumed_where_none_are_marked() -> None:
    sections = sections_from_form(melody(A, A, B, A), parse("AABA"))
    assert sections == named("AABA")
    assert form_report(melody(A, A, B, A), sections).same == 1


def test_one_section_is_not_a_form() -> None:
    with pytest.raises(UsageError, match="--as AABA"):
        form_report(melody(A), named("A"))
