"""Rows in which a part is given one bar ahead of the part to write."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TimeSignatureTick, TrackTick

from musictk.controls import Bars, Controls, bar_table
from musictk.controls.arrangement import AFTER, BESIDE, REMAINING, ROLE
from musictk.controls.part_table import part_index, part_shard
from musictk.controls.parts import right_hand, two_parts
from musictk.music import notes
from musictk.plugin import registry
from musictk.tokens import Frames, Tokenizer, Tokens
from musictk.tokens.augment import Augment, AugmentSettings
from musictk.tokens.batch import Batch
from musictk.tokens.beside import Later, interleave
from musictk.tokens.crops import Crops
from musictk.tokens.infill import GIVEN, LONGEST
from musictk.tokens.shards import Shard, open_shard, write_shard

MIDIS = sorted((Path(__file__).parents[2] / "examples/midis").rglob("*.mid"))[::9]
NAMES = ("remi", "events", "pianoroll")
LENGTH = 160


@dataclass(frozen=True)
class Made:
    """A shard of the examples, its parts, and crops in which every row is made of them."""

    tokenizer: Tokenizer
    controls: Controls
    shard: Shard
    parts: Shard
    crops: Crops


@cache
def made(name: str, transpose: int = 0, between: float = 0.0) -> Made:
    kind = registry().load("tokenizer", name)
    tokenizer: Tokenizer = kind(kind.Config())
    scores = [ScoreTick.from_file(path) for path in MIDIS]
    path = Path(mkdtemp()) / "shard.safetensors"
    write_shard(path, tokenizer, enumerate(map(tokenizer.encode, scores)))
    shard, controls = open_shard(path), Controls.available(tokenizer)
    parts = part_shard(tokenizer, shard, lambda file: scores[file])
    table = bar_table(tokenizer, parts, controls)
    arranged = controls.beside(parts, table, part_index(shard, parts), 1.0, between)
    augment = Augment(tokenizer, AugmentSettings(transpose)) if transpose else None
    count = len(shard.files)
    crops = Crops(
        shard,
        np.zeros((count, 0), np.int64),
        np.ones(count),
        augment,
        bars=bar_table(tokenizer, shard, controls),
        infill=controls.infill(0.3),
        parts=arranged,
    )
    return Made(tokenizer, controls, shard, parts, crops)


def roles(own: Made, batch: Batch, row: int) -> NDArray[np.bool_]:
    """(T,) whether each position of a row is of the given part."""
    column = own.controls.columns[ROLE].start
    return np.asarray(batch.controls[row, batch.bars[row], column] == BESIDE)


def pair(own: Made, piece: int) -> list[NDArray[Any]]:
    """Both parts of a piece."""
    index = int(part_index(own.shard, own.parts)[piece])
    return [own.parts.piece(2 * index), own.parts.piece(2 * index + 1)]


def within(run: NDArray[Any], whole: NDArray[Any]) -> bool:
    """Whether `run` is a run of `whole`."""
    count = len(whole) - len(run) + 1
    return any(np.array_equal(whole[at : at + len(run)], run) for at in range(count))


def test_a_bar_is_written_after_its_own_and_the_next_of_the_given_part() -> None:
    assert order(0, 3, 3) == "g0 g1 w0 g2 w1 w2"
    assert order(2, 3, 3) == "g2 w2"
    assert order(1, 2, 9) == "g1 g2 w1"


def test_later_bars_come_before_the_last_bar_of_the_past() -> None:
    assert order(0, 3, 9, Later(range(3, 5), 1)) == "g0 g1 w0 l3 l4 g2 w1 g3 w2"
    assert order(1, 3, 9, Later(range(3, 4), 0)) == "l3 g1 g2 w1 g3 w2"


def order(*asked: Any) -> str:
    """The blocks of a row."""
    return " ".join(f"{kind[0]}{bar}" for kind, bar in interleave(*asked))


@pytest.mark.parametrize("name", NAMES)
def test_the_parts_of_a_piece_have_its_bars_and_its_notes(name: str) -> None:
    own = made(name)
    assert (part_index(own.shard, own.parts) >= 0).all()
    for piece, path in enumerate(MIDIS):
        bars = len(own.tokenizer.bar_starts(own.shard.piece(piece)))
        found = []
        for part in pair(own, piece):
            assert len(own.tokenizer.bar_starts(part)) == bars
            music = own.tokenizer.decode(part)
            assert isinstance(music, ScoreTick)
            here = Bars.of(music, bars)
            found += list(zip(here.bar_of(here.notes.start), here.notes.pitch, strict=True))
        whole = own.tokenizer.decode(own.shard.piece(piece))
        assert isinstance(whole, ScoreTick)
        here = Bars.of(whole, bars)
        expected = set(zip(here.bar_of(here.notes.start), here.notes.pitch, strict=True))
        assert len(expected - set(found)) <= len(expected) * 0.02, path  # notes of both parts merge


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_pure_functions_of_seed_and_step(name: str) -> None:
    own = made(name, transpose=3)
    one, again, later = (own.crops.batch(5, step, 8, LENGTH) for step in (2, 2, 3))
    for key, value in vars(one).items():
        assert np.array_equal(value, getattr(again, key)), key
    assert not np.array_equal(one.inputs, later.inputs)


@pytest.mark.parametrize("transpose", [0, 4])
@pytest.mark.parametrize("name", NAMES)
def test_only_the_part_to_write_is_predicted(name: str, transpose: int) -> None:
    """Its targets in order are a run of it, and all of the given part is in the inputs."""
    own = made(name, transpose)
    batch = own.crops.batch(1, 0, 24, LENGTH)
    for row, piece in enumerate(batch.pieces.tolist()):
        given, mask = roles(own, batch, row), batch.mask[row]
        if not given.any():  # two bars of the given part would leave no room
            continue
        shift = int(batch.shifts[row])
        parts = [_moved(own, part, shift) for part in pair(own, piece)]
        ends = [[own.shard.space.eos]] if isinstance(own.shard.space, Tokens) else []
        targets, lead = batch.targets[row][mask], _lead(own, batch, row)
        inputs = batch.inputs[row][lead:][given[lead:]]
        assert any(
            within(targets, np.concatenate([part, *ends])) and within(inputs, other)
            for part, other in (parts, parts[::-1])
        )
        first = int(np.flatnonzero(mask)[0])
        assert given[: first + 1].all(), "the part is predicted before it is given"
        assert not mask[first + 1 :][given[first + 1 :]].any(), "a given position is predicted"


def _moved(own: Made, part: NDArray[Any], semitones: int) -> NDArray[Any]:
    moved = own.tokenizer.transpose(part, semitones) if semitones else part
    assert moved is not None
    return moved


def _lead(own: Made, batch: Batch, row: int) -> int:
    """1 where the row begins with its piece: with bos, or an empty frame."""
    if isinstance(own.shard.space, Tokens):
        return int(batch.inputs[row, 0] == own.shard.space.bos)
    size = int(own.tokenizer.bar_starts(batch.inputs[row])[1])
    return int((np.flatnonzero(np.diff(roles(own, batch, row)))[:1] + 1)[0] % size)


@pytest.mark.parametrize("name", NAMES)
def test_a_bar_is_predicted_after_the_given_bars_up_to_the_next(name: str) -> None:
    """Where a target begins a bar, one more bar of the given part than written ones is there."""
    own = made(name)
    batch = own.crops.batch(3, 0, 16, LENGTH)
    frames = isinstance(own.shard.space, Frames)
    for row in range(16):
        given = roles(own, batch, row)
        if not given.any():
            continue
        bar = batch.bars[row] // 2
        for place in np.flatnonzero(batch.mask[row]):
            ahead = bar[: place + 1][given[: place + 1]].max()
            here = bar[place] if not given[place] else 0
            assert ahead in (here, here + 1), "the given part is not a bar ahead"
            if frames and not given[place] and place + 1 < LENGTH and given[place + 1]:
                assert ahead == here  # the frame belongs to the bar that it predicts


@pytest.mark.parametrize("name", NAMES)
def test_bars_between_given_ones_are_written_last(name: str) -> None:
    """In half of the rows later bars of the part are given, before the last bar of its past."""
    own = made(name, between=0.5)
    batch = own.crops.batch(3, 0, 48, LENGTH)
    role, left = (own.controls.columns[each].start for each in (ROLE, REMAINING))
    found = 0
    for row in range(48):
        ids, bars, mask = batch.controls[row], batch.bars[row], batch.mask[row]
        after = ids[bars, role] == AFTER
        if not (ids[:, role] == BESIDE).any() or not after[:-1].any():
            continue
        found += 1
        places = np.flatnonzero(after & ~mask)
        first, last = int(bars[places[0]]) // 2, int(bars[places[-1]]) // 2
        assert 1 <= last - first + 1 <= GIVEN
        count = int(ids[:, left].max())
        assert 1 <= count <= LONGEST
        # The bars to write are those before the given ones, counted down, and end the row.
        gap = [2 * bar + 1 for bar in range(first - count, first)]
        assert ids[gap, left].tolist() == list(range(count, 0, -1))
        assert set(bars[: places[0]][mask[: places[0]]].tolist()).isdisjoint(gap)
        later = bars[places[-1] + 1 :][mask[places[-1] + 1 :]]
        assert set(gap) <= set(later.tolist())
        assert (later.min() + 1) // 2 >= first - count - 1  # one bar of the past is among them
        if isinstance(own.shard.space, Tokens):  # the last target is the first position after them
            end = int(np.flatnonzero(mask)[-1])
            assert batch.targets[row][end] == batch.inputs[row][places[0]]
    assert 8 <= found <= 40


def test_a_model_without_the_role_has_no_such_rows() -> None:
    own = made("remi")
    others = [name for name in own.controls.names if name != ROLE]
    controls = Controls.available(own.tokenizer, others)
    table = bar_table(own.tokenizer, own.parts, controls)
    assert controls.beside(own.parts, table, part_index(own.shard, own.parts), 1.0, 0.5) is None


def test_parts_are_kept_beside_the_shard() -> None:
    own = made("remi")

    def fail(file: int) -> None:
        raise AssertionError("the parts are made again")

    again = part_shard(own.tokenizer, own.shard, fail)
    assert np.array_equal(again.sequence, own.parts.sequence)
    again.path.unlink()  # not written into: it is mapped
    again.path.write_bytes(b"damaged")
    scores = [ScoreTick.from_file(path) for path in MIDIS]
    again = part_shard(own.tokenizer, own.shard, lambda file: scores[file])
    assert np.array_equal(again.sequence, own.parts.sequence)


def test_a_piece_whose_file_is_gone_is_separated_as_its_sequence_decodes() -> None:
    own = made("events")
    path = Path(mkdtemp()) / "shard.safetensors"
    write_shard(path, own.tokenizer, [(7, own.shard.piece(0))])
    parts = part_shard(own.tokenizer, open_shard(path), lambda file: None)
    assert parts.files.tolist() == [7, 7]


def track(pitches: list[int], program: int = 0, drums: bool = False) -> TrackTick:
    made = TrackTick("", program, drums)
    for index, pitch in enumerate(pitches):
        made.notes.append(NoteTick(480 * index, 480, pitch, 80))
    return made


def score(*tracks: TrackTick) -> ScoreTick:
    found = ScoreTick(480)
    found.time_signatures.append(TimeSignatureTick(0, 3, 4))
    for each in tracks:
        found.tracks.append(each)
    return found


def test_two_tracks_are_the_parts_and_of_more_one_is() -> None:
    upper, lower, bass = track([72, 74]), track([60, 62]), track([40, 41], 32)
    found = two_parts(score(upper, lower))
    assert found is not None
    assert sorted(each.tracks[0].notes[0].pitch for each in found) == [60, 72]
    found = two_parts(score(upper, lower, bass))
    assert found is not None
    assert [len(each.tracks) for each in found] == [1, 2]
    assert all(each.time_signatures[0].numerator == 3 for each in found)


def test_drums_are_a_part_only_where_they_can_be_written() -> None:
    piece = score(track([60, 62]), track([36, 38], drums=True))
    assert two_parts(piece) is not None
    assert two_parts(piece, drums=False) is None  # one melody has no two hands


def test_hands_follow_the_music_up_and_down() -> None:
    """Both hands move by more than an octave and never overlap."""
    bass = [36 + index for index in range(16)] + [52 - index for index in range(16)]
    piece = score(track(bass), track([pitch + 16 for pitch in bass]))
    found = notes(piece)
    assert np.array_equal(right_hand(found), found.track == 1)
    assert two_parts(score(track([60, 62, 64]))) is None
