"""Bar lines are those of the score in every tokenizer; unusual scores never raise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from symusic.core import (
    NoteTickList,
    ScoreTick,
    TempoTick,
    TimeSignatureTick,
    TrackTick,
)

from benchmarks.bars import wrong_lines
from musictk.config import plain
from musictk.errors import MusictkError
from musictk.files import digest
from musictk.model.conditions import Conditions
from musictk.model.manifest import Manifest
from musictk.music import bar_lines, bars
from musictk.testing import tokenizers as laws
from musictk.tokens import METRE, Tokenizer, Tokens
from musictk.tokens.metrics import METRES, Metrics
from musictk_events.tokenizer import Events, EventsConfig
from musictk_pianoroll.tokenizer import PianoRoll, PianoRollConfig
from musictk_remi.config import RemiConfig
from musictk_remi.tokenizer import Remi

from .scores import pieces, score

BARS = Path(__file__).parents[1] / "data" / "bars"
WRITTEN: list[Tokenizer] = [Remi(RemiConfig()), Events(EventsConfig())]
EVERY = [*WRITTEN, PianoRoll(PianoRollConfig())]


def named(tokenizer: Tokenizer) -> str:
    return tokenizer.name


@pytest.mark.parametrize("tokenizer", WRITTEN, ids=named)
def test_fewer_than_one_bar_line_in_two_hundred_is_out_of_place(tokenizer: Tokenizer) -> None:
    found = [wrong_lines(tokenizer, piece) for piece in [*pieces(), *own()]]
    wrong, lines = (sum(column) for column in zip(*found, strict=True))
    assert lines > 2000
    assert wrong < 0.005 * lines


def own() -> list[ScoreTick]:
    return [
        ScoreTick.from_file(BARS / f"{name}.mid")
        for name in ("eighth_then_44", "three16_then_24", "triplets_then_68")
    ]


@pytest.mark.parametrize("tokenizer", EVERY, ids=named)
@pytest.mark.parametrize("name", ["eighth_then_44", "three16_then_24"])
def test_after_a_pickup_every_downbeat_is_on_a_bar_line(name: str, tokenizer: Tokenizer) -> None:
    piece = ScoreTick.from_file(BARS / f"{name}.mid")
    if name == "three16_then_24" and isinstance(tokenizer, PianoRoll):
        tokenizer = PianoRoll(PianoRollConfig(beats_per_bar=2))
    assert wrong_lines(tokenizer, piece)[0] == 0
    decoded = tokenizer.decode(tokenizer.encode(piece))
    assert not isinstance(decoded, str)
    low = [note.time for track in decoded.tracks for note in track.notes if note.pitch == 48]
    assert low
    assert set(low) <= set(bars(decoded).tolist())


def onsets(tokenizer: Tokenizer, piece: ScoreTick) -> list[float]:
    decoded = tokenizer.decode(tokenizer.encode(piece))
    assert not isinstance(decoded, str)
    return sorted(note.time / decoded.tpq for track in decoded.tracks for note in track.notes)


@pytest.mark.parametrize("pickup", [(1, 16), (3, 16), (1, 8), (3, 8), (5, 8), (7, 8), (1, 4)])
@pytest.mark.parametrize("tokenizer", EVERY, ids=named)
def test_a_pickup_moves_all_music_equally(tokenizer: Tokenizer, pickup: tuple[int, int]) -> None:
    length = 4 * pickup[0] / pickup[1]
    notes = [(0, length, 72), *((length + beat, 1, 60) for beat in range(12))]
    music = score(*notes, metres=((0, *pickup), (length, 4, 4)))
    shift = 4 - length
    assert onsets(tokenizer, music) == [onset + shift for onset, _, _ in notes]
    assert wrong_lines(tokenizer, music)[0] == 0


@pytest.mark.parametrize("tokenizer", WRITTEN, ids=named)
@pytest.mark.parametrize("eighths", [1, 3, 5, 7])
def test_a_bar_cut_short_ends_early(tokenizer: Tokenizer, eighths: int) -> None:
    cut = 4 + eighths / 2
    notes = [(0, 1, 60), (4, 0.5, 62), (cut, 1, 64), (cut + 4, 1, 65)]
    for metres in (((0, 4, 4), (4, eighths, 8), (cut, 4, 4)), ((0, 4, 4), (cut, 4, 4))):
        music = score(*notes, metres=metres)
        assert onsets(tokenizer, music) == [onset for onset, _, _ in notes]
        assert wrong_lines(tokenizer, music) == (0, 4)


def test_triplets_keep_their_places_whatever_comes_later() -> None:
    piece = ScoreTick.from_file(BARS / "triplets_then_68.mid")
    found = onsets(Remi(RemiConfig()), piece)
    assert {onset % 1 for onset in found if onset < 4} == {0.0, 0.375, 0.625}


def test_a_denominator_that_cannot_be_is_passed_over() -> None:
    """2 to the power of 8 does not fit a byte: the parser makes it 0."""
    piece = ScoreTick.from_file(BARS / "timesig_den_2pow8.mid")
    assert len(piece.time_signatures)
    for tokenizer in EVERY:
        assert len(tokenizer.encode(piece))


def test_twenty_programs_stay_twenty() -> None:
    piece = ScoreTick.from_file(BARS / "twenty_programs.mid")
    tokenizer = Remi(RemiConfig(programs=True))
    decoded = tokenizer.decode(tokenizer.encode(piece))
    assert not isinstance(decoded, str)
    expected = sorted((t.program, n.pitch) for t in piece.tracks for n in t.notes)
    assert sorted((t.program, n.pitch) for t in decoded.tracks for n in t.notes) == expected


@pytest.mark.parametrize("tokenizer", WRITTEN, ids=named)
def test_a_piece_in_any_metre_can_stay_in_it(tokenizer: Tokenizer) -> None:
    metres, grammar = tokenizer.attributes()[METRE], tokenizer.grammar()
    assert grammar is not None
    assert metres.states.sum() == len(metres.values) == len(METRES)
    rng = np.random.default_rng(0)
    for metre, name in enumerate(metres.values):
        parser, ids = grammar.parser(), list[int]()
        for _ in range(60):
            allowed = parser.allowed() & metres.within([metre])
            allowed[:3] = False
            assert allowed.any()
            ids.append(int(rng.choice(np.flatnonzero(allowed))))
            parser.advance(ids[-1])
        decoded = tokenizer.decode(np.array(ids))
        assert not isinstance(decoded, str)
        stated = {f"{mark.numerator}/{mark.denominator}" for mark in decoded.time_signatures}
        assert stated == {name}


@pytest.mark.parametrize("tokenizer", WRITTEN, ids=named)
def test_no_piece_opens_with_a_bar_shorter_than_the_next(tokenizer: Tokenizer) -> None:
    for piece in [*pieces(), *own()]:
        decoded = tokenizer.decode(tokenizer.encode(piece))
        assert not isinstance(decoded, str)
        lengths = np.diff(bars(decoded))
        assert (lengths[:1] >= lengths[1:2]).all()


def test_bars_of_rest_after_the_last_note_keep_their_metre() -> None:
    music = score((0, 1, 60), metres=((0, 4, 4), (4, 3, 4)))
    assert bar_lines(music, 4) == [0, 1920, 3360, 4800, 6240]


def test_metres_have_a_whole_number_of_ticks() -> None:
    with pytest.raises(ValueError, match="too few"):
        Metrics(METRES, 1)


@pytest.mark.parametrize("tokenizer", EVERY, ids=named)
def test_bundles_of_the_encoding_before_still_open(tokenizer: Tokenizer) -> None:
    config = plain(tokenizer.config)
    before = digest([tokenizer.name, 1, config, None])
    manifest = Manifest(
        *("gpt", {}, {}, tokenizer.name, config, None, before),
        *(tokenizer.space, Conditions({}, {}), 128),
    )
    assert manifest.make_tokenizer().space == tokenizer.space
    assert tokenizer.fingerprint != before
    with pytest.raises(MusictkError, match="no longer decodes"):
        replace(manifest, tokenizer_fingerprint="0123456789abcdef").make_tokenizer()


ODD = {
    "notes": st.lists(
        st.tuples(
            st.one_of(st.integers(0, 20000), st.integers(0, 2**31 - 2)),
            st.one_of(st.integers(0, 3000), st.integers(0, 2**30)),
            st.integers(-128, 127),
            st.integers(-128, 127),
        ),
        max_size=12,
    ),
    "signs": st.lists(
        st.tuples(st.integers(0, 20000), st.integers(0, 255), st.integers(0, 255)), max_size=5
    ),
    "tempos": st.lists(st.tuples(st.integers(0, 20000), st.integers(0, 2**24)), max_size=4),
    "ticks": st.sampled_from([1, 2, 3, 25, 96, 480, 32767]),
    "program": st.integers(0, 255),
    "drums": st.booleans(),
}
TOTAL = [
    *EVERY,
    Remi(RemiConfig(programs=True)),
    Remi(RemiConfig(time_signatures=False)),
    Remi(RemiConfig(metres=((4, 4), (5, 32)), num_tempos=3)),
    Events(EventsConfig(ticks_per_beat=1)),
    Events(EventsConfig(beats_per_bar=1)),
]


@settings(max_examples=120)
@given(tokenizer=st.sampled_from(TOTAL), **ODD)
def test_an_odd_score_is_encoded_or_refused(
    tokenizer: Tokenizer,
    notes: list[tuple[int, int, int, int]],
    signs: list[tuple[int, int, int]],
    tempos: list[tuple[int, int]],
    ticks: int,
    program: int,
    drums: bool,
) -> None:
    music = ScoreTick(ticks)
    music.tracks.append(TrackTick("", program % 256, drums))
    columns = np.array(notes, np.int64).reshape(-1, 4).T
    kinds = (np.int32, np.int32, np.int8, np.int8)
    arrays: list[Any] = [each.astype(kind) for each, kind in zip(columns, kinds, strict=True)]
    music.tracks[0].notes = NoteTickList.from_numpy(*arrays)
    for sign in signs:
        music.time_signatures.append(TimeSignatureTick(*sign))
    for tick, micro in tempos:
        music.tempos.append(TempoTick(tick, mspq=micro))
    try:
        sequence = tokenizer.encode(music)
    except ValueError:
        return
    if isinstance(tokenizer.space, Tokens):
        assert sequence.min() >= 3
        assert sequence.max() < tokenizer.space.size
    if len(sequence) < 2000:  # else only slow: a note an hour later is as many bars of rest
        laws.check_grammar(tokenizer, [music])
        laws.check_round_trip(tokenizer, [music])
