from __future__ import annotations

import json
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.errors import MusictkError
from musictk.evaluation.originality import GRAM, measure_originality
from musictk.music import bars

MIDIS = Path(__file__).parents[2] / "examples" / "midis"
CORPUS = [
    (path.stem, ScoreTick(path))
    for path in sorted(MIDIS.rglob("*.mid"))
    if path.stat().st_size < 8000
]
QUERY = ScoreTick(MIDIS / "Bach" / "invention_13_a_minor.mid")
OTHERS = [(name, score) for name, score in CORPUS if name != "invention_13_a_minor"]


def melody(pitches: list[int], step: int = 240) -> ScoreTick:
    """One note after the other."""
    score = ScoreTick(480)
    track = TrackTick()
    for index, pitch in enumerate(pitches):
        track.notes.append(NoteTick(index * step, step, pitch, 80))
    score.tracks.append(track)
    return score


def test_a_copy_is_found_in_any_key_and_tempo() -> None:
    copy = QUERY.shift_pitch(5)
    copy.tempos[0].qpm *= 2
    found = measure_originality(copy, [*OTHERS, ("the source", QUERY)])
    assert found.nearest == "the source"
    assert found.share == 1.0
    assert found.copied == 1.0
    assert found.longest is not None
    assert found.longest.piece == "the source"
    assert found.longest.semitones == 5
    assert (found.longest.bar, found.longest.piece_bar) == (1, 1)


def test_no_piece_is_the_nearest_of_those_that_share_nothing() -> None:
    leaps = melody([30 + 37 * step % 61 for step in range(40)])
    found = measure_originality(leaps, OTHERS)
    assert (found.nearest, found.share, found.longest, found.copied) == ("", 0.0, None, 0.0)


def test_a_copied_passage_is_found_at_its_place() -> None:
    edges = bars(QUERY).tolist()
    passage = QUERY.clip(edges[4], edges[8]).shift_time(-edges[4]).shift_pitch(-3)
    own = ScoreTick(MIDIS / "Satie" / "gymnopedie_3.mid").resample(QUERY.ticks_per_quarter)
    later = own.end() // 1536 * 1536 + 1536
    for track in passage.tracks:
        own.tracks.append(track.shift_time(later))
    found = measure_originality(own, [("invention", QUERY), *OTHERS[:5]])
    assert found.nearest == "invention"
    assert found.longest is not None
    assert found.longest.piece == "invention"
    assert found.longest.piece_bar == 5
    assert found.longest.semitones == -3
    assert 0 < found.copied < 1


def test_different_pieces_share_little() -> None:
    found = measure_originality(QUERY, OTHERS)
    assert found.share < 0.2
    assert found.copied < 0.1
    assert found.longest is None


@settings(max_examples=60)
@given(
    st.lists(st.integers(60, 64), min_size=GRAM + 1, max_size=60),
    st.lists(st.integers(60, 64), min_size=GRAM + 1, max_size=60),
)
def test_the_longest_passage_is_the_longest_common_substring(a: list[int], b: list[int]) -> None:
    """Against difflib, on intervals."""
    found = measure_originality(melody(a), [("other", melody(b, 480))]).longest
    here, there = ([y - x for x, y in pairwise(line)] for line in (a, b))
    size = SequenceMatcher(None, here, there, autojunk=False).find_longest_match().size
    assert (found.notes if found else 0) == (size + 1 if size >= GRAM else 0)


def test_the_report_is_json() -> None:
    plain = measure_originality(QUERY, OTHERS[:3]).plain()
    assert json.loads(json.dumps(plain)) == plain


def test_a_piece_with_too_few_notes_is_an_error() -> None:
    with pytest.raises(MusictkError, match="only 3 notes"):
        measure_originality(melody([60, 62, 64]), OTHERS)
    with pytest.raises(MusictkError, match="no pieces to compare"):
        measure_originality(QUERY, [])
