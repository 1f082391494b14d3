"""Music as a prompt: what is encoded of it, and what is reported as dropped."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from symusic.core import NoteTick, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from musictk.generation.dropped_prompt import dropped_prompt
from musictk.generation.metres import known_metres
from musictk.generation.prompts import encode_prompt, last_positions
from musictk.music import bar_lines, notes

from .pieces import MIDIS, tokenizer

NAMES = ("remi", "remi with programs", "events", "pianoroll")
PIECES = sorted(MIDIS.rglob("*.mid"))[::6]


def line(metre: tuple[int, int], pickup: float = 0, step: float = 0.5, bars: int = 3) -> ScoreTick:
    """A scale in one metre, in quarter notes; the last bar has one note."""
    score = ScoreTick(480)
    length = 4 * metre[0] / metre[1]
    if pickup:
        score.time_signatures.append(TimeSignatureTick(0, round(2 * pickup), 8))
    score.time_signatures.append(TimeSignatureTick(round(480 * pickup), *metre))
    score.tempos.append(TempoTick(0, 120))
    track = TrackTick("tune", 0, False)
    onsets = np.arange(0, pickup + bars * length + step / 2, step)
    for number, at in enumerate(onsets):
        track.notes.append(NoteTick(round(480 * at), round(480 * step), 60 + number % 12, 80))
    score.tracks.append(track)
    return score


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", PIECES, ids=lambda path: path.stem)
def test_all_of_it_is_encoded_up_to_a_bar_line(name: str, path: Path) -> None:
    assert_encoded(name, ScoreTick(path))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("metre", [(4, 4), (3, 4), (7, 8), (6, 8), (9, 8), (5, 4)])
@pytest.mark.parametrize("pickup", [0, 0.5, 1])
def test_in_any_metre_and_after_a_pickup(name: str, metre: tuple[int, int], pickup: float) -> None:
    given = line(metre, pickup)
    start = encode_prompt(tokenizer(name), given).start
    assert start == round(480 * (pickup + 4 * 4 * metre[0] / metre[1]))
    assert_encoded(name, given)


def assert_encoded(name: str, given: ScoreTick) -> None:
    """Every note that can be is encoded, and the bar line is as far from the last as before."""
    made = tokenizer(name)
    encoded = encode_prompt(made, given)
    decoded = made.decode(encoded.sequence)
    assert isinstance(decoded, ScoreTick)
    found, expected = notes(decoded), notes(encoded.music)
    assert Counter(found.pitch.tolist()) == Counter(expected.pitch.tolist())
    count = len(made.bar_starts(encoded.sequence))
    line = bar_lines(decoded, count)[count]
    rest = (line - found.start.max()) / decoded.ticks_per_quarter
    last = int(notes(given, drums=False).start.max())
    assert rest == pytest.approx((encoded.start - last) / given.ticks_per_quarter, abs=0.25)


@pytest.mark.parametrize("name", NAMES)
def test_the_latest_begin_at_a_bar_line(name: str) -> None:
    made = tokenizer(name)
    sequence = encode_prompt(made, line((4, 4), bars=8)).sequence
    for most in (1, 3, 20, 50, len(sequence), 10_000):
        kept = last_positions(made, sequence, most)
        bar = np.diff([*made.bar_starts(sequence), len(sequence)]).max()
        assert len(kept) <= max(most, bar if name == "pianoroll" else 0)
        if most >= bar:
            assert made.bar_starts(kept)[0] == 0
            assert np.array_equal(sequence[-len(kept) :], kept)
    assert last_positions(made, sequence, 0) is sequence


def dropped(name: str, given: ScoreTick) -> str:
    made = tokenizer(name)
    return "; ".join(dropped_prompt(made, given, encode_prompt(made, given).music))


def test_triplets_are_counted() -> None:
    assert "timing finer than its grid" not in dropped("remi", line((4, 4)))
    assert "by up to 1/24 of a beat" in dropped("remi", line((4, 4), step=1 / 3, bars=2))
    assert "timing" not in dropped("events", line((4, 4), step=1 / 3, bars=2))


def test_lengths_that_are_too_long_are_not_called_fine() -> None:
    given = line((4, 4), bars=8)
    given.tracks[0].notes.append(NoteTick(0, 24 * given.ticks_per_quarter, 90, 80))
    what = "lengths longer than, or between, those that it has (1 note by up to 12 beats)"
    assert what in dropped("remi", given)
    assert "lengths" not in dropped("pianoroll", given)


def test_each_kind_is_reported_once() -> None:
    given = line((3, 4))
    given.tracks[0].notes.append(NoteTick(0, 240, 10, 80))
    drums = TrackTick("kit", 0, True)
    drums.notes.append(NoteTick(0, 60, 38, 100))
    given.tracks.append(drums)
    second = TrackTick("second", 40, False)
    second.notes.append(NoteTick(0, 240, 50, 80))
    given.tracks.append(second)
    decoded = dropped("pianoroll", given)
    assert "drums (1 note)" in decoded
    assert "3/4 (encoded as 4/4)" in decoded
    assert "instruments" in decoded
    assert "which of 2 tracks a note is on" in decoded
    assert "1 note out of its range (below 21)" in dropped("remi", given)
    assert "drums" not in dropped("remi with programs", given)


def test_every_change_of_tempo_is_counted() -> None:
    given = line((4, 4))
    for number, qpm in enumerate((120, 60, 60, 120, 60)):
        given.tempos.append(TempoTick(1920 * number, qpm))
    assert "3 changes of tempo" in dropped("pianoroll", given)
    given.tempos = given.tempos[:3]
    assert "1 change of tempo" in dropped("pianoroll", given)


def test_drums_that_are_changed_are_reported() -> None:
    given, drums = line((4, 4), step=1), TrackTick("kit", 0, True)
    for number in range(12):
        drums.notes.append(NoteTick(480 * number + 160, 60, 38, 80))
        drums.notes.append(NoteTick(480 * number, 60, 17 if number % 2 else 36, 80))
    for _ in range(2):
        drums.notes.append(NoteTick(0, 60, 49, 80))
    given.tracks.append(drums)
    said = dropped("remi with programs", given)
    assert "6 drum notes of pitches that it lacks (17)" in said
    assert "1 drum note struck together with the same drum" in said
    assert "timing finer than its grid (12 notes by up to 1/24 of a beat)" in said
    assert "drums (26 notes)" in dropped("remi", given)


@pytest.mark.parametrize(
    ("tempos", "says"),
    [
        ((120, 60), ""),
        ((120, 60.7), "a tempo of 60.7 (encoded as 6"),
        ((120, 61.5, 90.5), "2 of 3 tempos (changed by up to "),
    ],
)
def test_later_tempos_are_compared(tempos: tuple[float, ...], says: str) -> None:
    given = line((4, 4), pickup=1)
    for bar, qpm in enumerate(tempos):
        given.tempos.append(TempoTick(1920 * bar, qpm))
    said = dropped("remi", given)
    assert says in said
    assert ("tempo" in said) == bool(says)


def test_complete_encodings_give_no_notice() -> None:
    given = line((4, 4))
    made = tokenizer("events")
    decoded = made.decode(made.encode(given))
    assert isinstance(decoded, ScoreTick)
    assert dropped_prompt(made, decoded, decoded) == []


@pytest.mark.parametrize("name", ["remi", "remi with bpe", "remi with programs", "events"])
def test_the_range_is_that_of_the_tokenizer(name: str) -> None:
    given = ScoreTick(480)
    track = TrackTick("tune", 0, False)
    for number, pitch in enumerate((10, 60, 64, 67, 120, 120)):
        track.notes.append(NoteTick(480 * number, 480, pitch, 80))
    given.tracks.append(track)
    assert "3 notes out of its range (below 21 or above 108)" in dropped(name, given)
    given.tracks[0].notes[0].pitch = 21
    assert "2 notes out of its range (above 108)" in dropped(name, given)
    assert "range" not in dropped("pianoroll", given)


def test_metres_are_known_by_name() -> None:
    assert {"3/4", "4/4", "6/8"} <= set(known_metres(tokenizer("remi")))
    assert known_metres(tokenizer("remi")) == known_metres(tokenizer("remi with bpe"))
    assert known_metres(tokenizer("pianoroll")) == ()
