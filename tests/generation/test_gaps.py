"""What is given around bars that are written: exact slices wherever bars coincide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TimeSignatureTick, TrackTick

from musictk.generation.compose import compose
from musictk.generation.draw import nats
from musictk.generation.gaps import BarRange, Gap, encode_gap
from musictk.generation.request import PieceRequest, to_prompt
from musictk.music import bars, notes
from musictk.tokens.infill import GIVEN

from .pieces import MIDIS, tokenizer, untrained

NAMES = ("remi", "remi with programs", "remi with bpe", "events", "pianoroll")
PIECES = sorted(MIDIS.rglob("*.mid"))[::7]


def gap(name: str, given: ScoreTick, first: int, last: int, most: int = 1000) -> Gap:
    """The gap of these bars, counted from 1."""
    lines, made = [int(line) for line in bars(given)], tokenizer(name)
    music = made.decode(made.encode(given))
    assert isinstance(music, ScoreTick)
    place = BarRange(lines[first - 1], lines[last], lines[-1])
    return encode_gap(made, given, music, place, most)


def line(metre: tuple[int, int] = (4, 4), pickup: float = 0, count: int = 8) -> ScoreTick:
    """Quarter notes, each cut short before the next, in one metre."""
    score = ScoreTick(480)
    if pickup:
        score.time_signatures.append(TimeSignatureTick(0, round(2 * pickup), 8))
    score.time_signatures.append(TimeSignatureTick(round(480 * pickup), *metre))
    track = TrackTick("tune", 0, False)
    end = round(480 * (pickup + 4 * count * metre[0] / metre[1]))
    for number, at in enumerate(range(0, end, 480)):
        track.notes.append(NoteTick(at, 240, 60 + number % 12, 64))
    score.tracks.append(track)
    return score


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", [(1, 2), (3, 4), (7, 8)])
def test_bars_that_coincide_are_slices_of_the_piece(name: str, place: tuple[int, int]) -> None:
    given, made = line(), tokenizer(name)
    whole = made.encode(given)
    ends = [*made.bar_starts(whole).tolist(), len(whole)]
    first, last = place
    found = gap(name, given, first, last)
    assert np.array_equal(found.past, whole[: ends[first - 1]])
    after = whole[ends[last] : ends[min(last + GIVEN, 8)]]
    if name != "events" or not len(after):  # its first velocity is that of the last note given
        assert np.array_equal(found.after, after)
    assert (found.bars, found.positions, found.begins) == (last - first + 1, 0, 1920 * (first - 1))
    assert found.following == max(8 - last - GIVEN, 0)
    assert set(found.metres) <= {"4/4"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", PIECES, ids=lambda path: path.stem)
def test_all_that_is_before_is_given(name: str, path: Any) -> None:
    given, made = ScoreTick(path), tokenizer(name)
    lines = bars(given)
    found = gap(name, given, 6, 9)
    before, whole = decoded(name, found.past), decoded(name, made.encode(given))
    quarter = given.ticks_per_quarter / whole.ticks_per_quarter
    earlier = notes(whole).start * quarter < lines[5] - 0.02 * quarter
    if found.positions or name == "pianoroll":
        return  # in another metre silence may be added before the music
    assert len(notes(before)) == earlier.sum()
    assert len(made.bar_starts(found.after)) <= GIVEN


def decoded(name: str, sequence: NDArray[Any]) -> ScoreTick:
    music = tokenizer(name).decode(sequence)
    assert isinstance(music, ScoreTick)
    return music


@pytest.mark.parametrize("name", ["remi", "events", "pianoroll"])
def test_a_pickup_is_the_end_of_a_whole_bar(name: str) -> None:
    found = gap(name, line(pickup=1), 1, 1)
    assert len(found.past) == 0
    assert (found.bars, found.begins) == (1, 480 - 1920)
    assert gap(name, line(pickup=1), 2, 3).begins == 480


def test_frames_end_within_a_bar_where_the_metre_is_another() -> None:
    found = gap("pianoroll", line((3, 4)), 4, 6)  # nine quarter notes: 2 1/4 bars of four
    assert (found.bars, found.positions) == (3, 36)
    assert len(found.past) == 48  # nine quarter notes, after three of silence
    assert not found.past[:12].any()
    assert found.after[0].any()
    even = gap("pianoroll", line((3, 4)), 5, 8)
    assert (even.bars, even.positions, len(even.past)) == (3, 0, 48)
    odd = gap("pianoroll", line((2, 4), count=7), 3, 4)
    assert (odd.bars, odd.positions, len(odd.past)) == (1, 0, 16)
    assert odd.after[0].any()


@pytest.mark.parametrize("name", ["remi", "events", "pianoroll"])
def test_little_room_gets_few_bars(name: str) -> None:
    one = len(gap(name, line(), 3, 4).after) // GIVEN
    found = gap(name, line(), 3, 4, 2 * one + 1)
    assert len(tokenizer(name).bar_starts(found.after)) == 2
    assert found.following == 2
    assert len(gap(name, line(), 3, 4, 5).after) == 5


@pytest.mark.parametrize("name", ["remi", "events", "pianoroll"])
def test_frames_and_tokens_end_at_the_positions_asked_for(name: str) -> None:
    request = PieceRequest(bars=4, positions=24, seed=2)
    (piece,) = compose(untrained(name), tokenizer(name), request)
    assert len(piece.sequence) <= 24


@pytest.mark.parametrize("name", ["remi", "events", "pianoroll"])
def test_nats_are_those_of_one_forward_pass(name: str) -> None:
    """Of the written positions, whatever temperature and masks they were drawn with."""
    made, runtime = tokenizer(name), untrained(name)
    prompt = made.encode(line(count=2))
    settings = {"temperature": 0.5, "guidance": 2.0}
    conditions = {"composer": [["Bach", 1.0]]}
    request = PieceRequest.read(
        {"bars": 2, "seed": 1, "sampling": settings, "conditions": conditions}
        | {"prompt": to_prompt(prompt), "whole": True, "count": 2}
    )
    unscored = compose(runtime, made, request)
    mixture = runtime.manifest.conditions.mixture(request.conditions)
    for plain, piece in zip(unscored, compose(runtime, made, request, scored=True), strict=True):
        assert plain.nats is None
        assert np.array_equal(plain.sequence, piece.sequence)
        inputs = np.concatenate([made.space.start(1)[0], piece.sequence])[None, :-1]
        session = runtime.begin(1, inputs.shape[1])
        condition = np.broadcast_to(
            runtime.condition(mixture), (1, inputs.shape[1], runtime.condition(mixture).shape[-1])
        )
        logits = session.step(inputs, np.ascontiguousarray(condition))[0]
        each = [nats(row, x) for row, x in zip(logits, piece.sequence, strict=True)]
        assert piece.nats == pytest.approx(np.mean(each[len(prompt) :]), rel=1e-4)


def test_music_that_is_decoded_without_a_metre_is_in_four_four() -> None:
    given, made = line((3, 4)), tokenizer("pianoroll")
    music, lines = made.decode(made.encode(given)), [int(each) for each in bars(given)]
    assert isinstance(music, ScoreTick)
    expected = gap("pianoroll", given, 3, 4)
    music.time_signatures.clear()
    found = encode_gap(made, given, music, BarRange(lines[2], lines[4], lines[-1]), 1000)
    assert (found.bars, found.positions) == (expected.bars, expected.positions)
    assert np.array_equal(found.past, expected.past)
