"""Bars of one part beside another: both are encoded bar by bar, from the same bar on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from symusic.core import ScoreTick

from musictk.controls.parts import with_tracks
from musictk.generation.gaps import BarRange, encode_gap
from musictk.generation.part_gaps import PartGap, PartsAround
from musictk.music import bars, notes
from musictk.tokens.infill import GIVEN

from .pieces import MIDIS, tokenizer

NAMES = ("remi", "events", "pianoroll")
PIECES = [path for path in sorted(MIDIS.rglob("*.mid")) if len(ScoreTick(path).tracks) > 1][::9]


def split(
    name: str, path: Path, first: int, last: int
) -> tuple[PartGap, int, PartsAround, BarRange]:
    """Bars `first` to `last` of the second track with notes, and their number for the model."""
    score = ScoreTick(path)
    tracks = [track for track in score.tracks if len(track.notes)]
    own = tokenizer(name)
    lines = [int(line) for line in bars(score)]
    place = BarRange(lines[first - 1], lines[last], lines[-1])
    music = own.decode(own.encode(score))
    assert isinstance(music, ScoreTick)
    gap = encode_gap(own, score, music, place, 400)
    others = [track for track in tracks if track is not tracks[1]]
    parts = PartsAround(with_tracks(score, tracks[1:2]), with_tracks(score, others), music)
    ahead = lines[min(last + 1, len(lines) - 1)]
    return parts.gap(own, gap, place, ahead, 400), gap.bars, parts, place


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", PIECES, ids=lambda path: path.stem)
@pytest.mark.parametrize("place", [(1, 2), (4, 5), (7, 7)])
def test_both_parts_have_the_same_bars(name: str, path: Path, place: tuple[int, int]) -> None:
    own = tokenizer(name)
    found, count, _, _ = split(name, path, *place)
    past, beside = (len(own.bar_starts(each)) for each in (found.past, found.beside))
    assert past + count <= beside <= past + count + 1
    assert (past == 0) == (place[0] == 1)
    if past:
        cut = found.cut(own, len(found.past) - 1)
        assert len(own.bar_starts(cut.past)) < past
        left = len(own.bar_starts(cut.beside)) - len(own.bar_starts(cut.past))
        assert left == beside - past


@pytest.mark.parametrize("name", ["remi", "events"])
@pytest.mark.parametrize("path", PIECES, ids=lambda path: path.stem)
def test_the_given_bars_are_those_beside_the_bars_to_write(name: str, path: Path) -> None:
    """What is given from the first of these bars on is the music of the other tracks there."""
    own = tokenizer(name)
    found, _, parts, place = split(name, path, 4, 5)
    first = int(own.bar_starts(found.beside)[len(own.bar_starts(found.past))])
    whole, before = (own.decode(each) for each in (found.beside, found.beside[:first]))
    assert isinstance(whole, ScoreTick)
    assert isinstance(before, ScoreTick)
    given = notes(whole)
    given = given.where(np.arange(len(given)) >= len(notes(before, drums=True)))
    expected = notes(parts.beside, drums=False)
    lines = bars(parts.beside, least=place.stop + 1)
    ahead = int(lines[lines > place.stop][0])
    expected = expected.where((expected.start >= place.start) & (expected.start < ahead))
    assert sorted(set(given.pitch.tolist())) == sorted(set(expected.pitch.tolist()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", PIECES, ids=lambda path: path.stem)
@pytest.mark.parametrize("place", [(1, 2), (4, 5)])
def test_the_bars_after_them_are_those_of_the_part(
    name: str, path: Path, place: tuple[int, int]
) -> None:
    own = tokenizer(name)
    found, _, parts, where = split(name, path, *place)
    count = len(own.bar_starts(found.after))
    assert 1 <= count <= GIVEN
    lines = bars(parts.written, least=where.stop + 1)
    stop = int(lines[np.searchsorted(lines, where.stop) + count])
    if name == "pianoroll":  # four frames a quarter note, and bars of four of them
        stop = where.stop + len(found.after) * parts.written.ticks_per_quarter // 4
    expected = notes(parts.written, drums=False)
    expected = expected.where((expected.start >= where.stop) & (expected.start < stop))
    before = notes(parts.written, drums=False)
    before = before.where(before.start < where.start)
    music = own.decode(np.concatenate([found.past, found.after]))
    assert isinstance(music, ScoreTick)
    pitches = np.concatenate([before.pitch, expected.pitch])
    assert set(notes(music).pitch.tolist()) == set(pitches.tolist())
