"""Sketches match for the same music in another key, tempo, file or performance, and no other."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.music import Clock, Notes, notes
from musictk.reading import Limits
from musictk.reading.facts import piece_facts, pitched_notes
from musictk.reading.read import read_midi
from musictk.reading.sketching import sketch_music, sketch_text
from musictk.sketches import are_near_duplicates, containment, parse_sketch

MIDIS = Path(__file__).parents[2] / "examples" / "midis"
PIECES = sorted(MIDIS.glob("*/*.mid"))


def read(path: Path) -> tuple[Notes, Clock, int]:
    score = read_midi(path.read_bytes(), Limits()).score
    return pitched_notes(score, notes(score)), Clock(score), score.ticks_per_quarter


def sketch(path: Path) -> bytes:
    line, clock, quarter = read(path)
    return sketch_music(line.start, line.pitch, quarter, clock.seconds)


@settings(max_examples=40)
@given(st.sampled_from(PIECES), st.integers(-9, 9), st.floats(0.3, 3.0), st.sampled_from([1, 2, 5]))
def test_neither_key_nor_tempo_nor_resolution_changes_it(
    path: Path, shift: int, stretch: float, finer: int
) -> None:
    line, clock, quarter = read(path)
    other = sketch_music(
        line.start * finer,
        line.pitch + shift,
        quarter * finer,
        lambda ticks: clock.seconds(ticks // finer) * stretch,
    )
    assert other == sketch(path)


@pytest.mark.parametrize("path", PIECES[::6], ids=lambda path: path.stem)
def test_a_performance_is_found_to_be_the_same_piece(path: Path) -> None:
    line, clock, _ = read(path)
    seconds = clock.seconds(line.start)
    random = np.random.default_rng(1)
    played = seconds * 0.9 + np.sin(seconds / 5) + random.normal(0, 0.008, len(seconds))
    played -= played.min()
    ticks = np.round(played * 960).astype(np.int64)  # one tempo, no grid
    keep = random.random(len(ticks)) > 0.01  # and a wrong note here and there
    performance = sketch_music(ticks[keep], line.pitch[keep], 480, lambda times: times / 960)
    assert performance != sketch(path)
    assert are_near_duplicates(parse_sketch(performance), parse_sketch(sketch(path)))


def test_different_pieces_are_not_near_duplicates() -> None:
    prints = [parse_sketch(sketch(path)) for path in PIECES]
    assert [pair for pair in itertools.combinations(prints, 2) if are_near_duplicates(*pair)] == []


def test_a_piece_is_found_inside_a_longer_one() -> None:
    (one, _, quarter), (other, _, _) = read(PIECES[3]), read(PIECES[20])
    both = np.concatenate([one.start, other.start + one.end.max()])
    pitch = np.concatenate([one.pitch, other.pitch])
    medley = parse_sketch(sketch_music(both, pitch, quarter, lambda ticks: ticks / quarter))
    share, sample = containment(parse_sketch(sketch(PIECES[3])), medley)
    assert share > 0.8
    assert sample > 50


def test_texts_with_the_same_words_are_near_duplicates() -> None:
    words = " ".join(f"word{number}" for number in range(200))
    assert sketch_text(words) == sketch_text(words.upper().replace(" ", ",\n"))
    edited, other = sketch_text(words + " and a line more"), sketch_text("nothing " * 50)
    assert are_near_duplicates(parse_sketch(sketch_text(words)), parse_sketch(edited))
    assert not are_near_duplicates(parse_sketch(sketch_text(words)), parse_sketch(other))


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("Bach/invention_04_d_minor.mid", {"key": "D minor", "metre": "3/8", "notes": 443}),
        ("Bach/sinfonia_01_c_major.mid", {"key": "C major", "metre": "4/4", "bars": 21}),
        ("Beethoven/fuer_elise_woo59.mid", {"key": "A minor", "metre": "3/8", "programs": [0]}),
    ],
)
def test_facts_of_known_pieces(name: str, facts: dict[str, object]) -> None:
    score = read_midi((MIDIS / name).read_bytes(), Limits()).score
    found = piece_facts(score, notes(score), Clock(score), Limits())
    assert {key: found[key] for key in facts} == facts
    ends = [note.end for track in score.to("second").tracks for note in track.notes]  # type: ignore[attr-defined]
    assert found["seconds"] == pytest.approx(max(ends), abs=0.01)


@given(st.integers(0, 11), st.booleans())
def test_the_key_estimate_moves_with_the_music(shift: int, minor: bool) -> None:
    steps = [0, 2, 3, 5, 7, 8, 11] if minor else [0, 2, 4, 5, 7, 9, 11]
    score = ScoreTick(480)
    score.tracks.append(TrackTick())
    for index, step in enumerate([*steps, 0, 7, steps[2], 0]):
        score.tracks[0].notes.append(NoteTick(index * 10, 10, 48 + shift + step, 64))
    key = piece_facts(score, notes(score), Clock(score), Limits())["key"]
    names = ("C", "C#/Db", "D", "Eb", "E", "F", "F#", "G", "G#/Ab", "A", "Bb", "B")
    assert key is not None
    assert key.split()[0] in names[shift].split("/")
    assert key.endswith("minor" if minor else "major")
