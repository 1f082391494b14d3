from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.errors import MusictkError
from musictk.evaluation.originality import measure_originality
from musictk.evaluation.reference import (
    LEAST,
    SHIPPED,
    build_reference,
    read_reference,
    write_reference,
)


def melody(seed: int, notes: int = 200, start: list[int] | None = None) -> ScoreTick:
    """Random notes, one after the other, after those of `start`."""
    given = start or []
    pitches = given + np.random.default_rng(seed).integers(40, 90, notes - len(given)).tolist()
    score, track = ScoreTick(480), TrackTick()
    for index, pitch in enumerate(pitches):
        track.notes.append(NoteTick(index * 240, 240, pitch, 80))
    score.tracks.append(track)
    return score


def pitches(score: ScoreTick) -> list[int]:
    return [note.pitch for note in score.tracks[0].notes]


TRAINING = [melody(seed) for seed in range(10)]
COPY = melody(100, start=[pitch + 2 for pitch in pitches(TRAINING[3])[20:60]])


def test_a_reference_measures_what_the_music_itself_does() -> None:
    found = build_reference(TRAINING, []).measure(COPY)
    exact = measure_originality(COPY, [(str(i), each) for i, each in enumerate(TRAINING)])
    assert exact.longest is not None
    assert (found.notes, found.longest) == (exact.notes, exact.longest.notes) == (200, 40)
    assert found.share == pytest.approx(exact.share)
    assert found.copied == pytest.approx(exact.copied) == 0.2


def test_new_music_shares_nothing_and_a_copy_everything() -> None:
    reference = build_reference(TRAINING, [])
    new = reference.measure(melody(200))
    assert (new.share, new.longest, new.copied) == (0, 0, 0)
    same = reference.measure(TRAINING[0].shift_pitch(-7))
    assert (same.share, same.longest, same.copied) == (1, 200, 1)


def test_a_shipped_reference_has_a_sample_of_the_patterns_without_order() -> None:
    full, sampled = (build_reference(TRAINING, [], every) for every in (1, SHIPPED))
    assert len(sampled.hashes) < len(full.hashes) / 5
    assert set(sampled.hashes) < set(full.hashes)
    assert np.all(np.diff(sampled.hashes.astype(np.int64)) >= 0)  # by value, not by position
    found = sampled.measure(COPY)
    assert 12 <= found.longest <= 40
    assert 0.1 < found.share < 0.4


def test_the_baseline_is_that_of_held_out_pieces_of_the_length() -> None:
    """Held-out pieces that copy 40 notes at their beginning: the share falls with the length."""
    copies = [melody(300 + seed, 300, pitches(TRAINING[0])[:40]) for seed in range(LEAST)]
    reference = build_reference(TRAINING, copies)
    assert [each.pieces for each in reference.baselines] == [LEAST] * 3 + [0] * 3
    short, long = reference.baseline(64), reference.baseline(256)
    assert short is not None
    assert long is not None
    assert (short.longest, long.longest) == (40, 40)
    assert short.share == pytest.approx(32 / 56, abs=0.01)
    assert long.share == pytest.approx(32 / 248, abs=0.01)
    between, beyond = reference.baseline(100), reference.baseline(5000)
    assert between is not None
    assert long.share < between.share < short.share
    assert beyond is not None
    assert beyond.share == long.share


def test_too_few_held_out_pieces_have_no_baseline() -> None:
    assert build_reference(TRAINING, TRAINING[: LEAST - 1]).baseline(100) is None


def test_a_reference_is_stored_and_read(tmp_path: Path) -> None:
    made, path = build_reference(TRAINING, COPY_SET), tmp_path / "reference.safetensors"
    write_reference(path, made)
    again = read_reference(path)
    assert again.measure(COPY) == made.measure(COPY)
    assert again.baselines == made.baselines
    assert (again.every, again.pieces) == (1, 10)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(MusictkError, match="cannot read the reference"):
        read_reference(path)
    with pytest.raises(MusictkError, match="cannot read the reference"):
        read_reference(tmp_path / "none")


COPY_SET = [melody(400 + seed, 100) for seed in range(LEAST)]


def test_without_training_pieces_or_notes_there_is_an_error() -> None:
    with pytest.raises(MusictkError, match="no training pieces"):
        build_reference([], [])
    with pytest.raises(MusictkError, match="too few notes"):
        build_reference(TRAINING, []).measure(melody(1, 5))
