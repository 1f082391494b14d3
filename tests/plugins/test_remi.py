"""remi keeps the laws in every variant, and is MidiTok's REMI."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

from musictk.config import build, plain
from musictk.errors import UnknownNameError, UsageError
from musictk.testing import tokenizers as laws
from musictk.tokens import Tokens
from musictk_remi.config import RemiConfig, miditok_of, token_names
from musictk_remi.music import known_metre, prepared
from musictk_remi.tokenizer import Remi

from .music import pieces, score

VARIANTS: list[dict[str, Any]] = [
    {"rests": False},
    {"tempos": False},
    {"time_signatures": False},
    {"rests": False, "tempos": False, "time_signatures": False},
    {"programs": True},
    {"beat_res": ((0, 2, 12), (2, 8, 6)), "rest_res": ((0, 4, 4),), "num_velocities": 8},
    {"metres": ((4, 4), (3, 4), (9, 8), (2, 2), (5, 16)), "log_tempos": True},
]
EXTRAS: list[dict[str, Any]] = [
    {"use_sustain_pedals": True, "sustain_pedal_duration": True},
    {"use_sustain_pedals": True, "use_chords": True, "use_key_signatures": True},
    {"use_pitch_intervals": True, "use_bar_end_tokens": True},
    {"use_velocities": False, "use_pitch_bends": True},
]


def names(tokenizer: Remi, ids: Any) -> list[str]:
    return [tokenizer.vocabulary.names[index] for index in ids]


def encoded(music: ScoreTick, **settings: Any) -> list[str]:
    tokenizer = Remi(RemiConfig(**settings))
    return names(tokenizer, tokenizer.encode(music))


def test_the_default_vocabulary_is_the_seed_s_419() -> None:
    tokenizer = Remi(RemiConfig())
    assert tokenizer.space == Tokens(419, pad=0, bos=1, eos=2)
    assert names(tokenizer, range(4)) == ["PAD_None", "BOS_None", "EOS_None", "Bar_None"]


@pytest.mark.parametrize("variant", [{}, *VARIANTS])
def test_the_vocabulary_is_miditok_s(variant: dict[str, Any]) -> None:
    config = RemiConfig(**variant)
    vocabulary = miditok_of(config).vocab
    assert token_names(config) == sorted(vocabulary, key=vocabulary.__getitem__)


def test_the_default_keeps_the_laws() -> None:
    laws.check(Remi(RemiConfig()), pieces(), bars=10_000)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_keeps_the_laws(variant: dict[str, Any]) -> None:
    laws.check(Remi(RemiConfig(**variant)), pieces()[::6], bars=150)


@pytest.mark.parametrize("programs", [False, True])
def test_without_rests_the_ids_are_miditok_s(programs: bool) -> None:
    config = RemiConfig(rests=False, programs=programs)
    ours, theirs = Remi(config), miditok_of(config)
    for piece in pieces()[::2]:
        expected = theirs.encode(prepared(piece, config))
        found = expected.ids if programs else expected[0].ids
        laws.assert_same(ours.encode(piece), np.array(found), "ours")


def test_rests_add_rests_and_nothing_else() -> None:
    with_rests, without = Remi(RemiConfig()), Remi(RemiConfig(rests=False))
    for piece in pieces():
        kept = [name for name in names(with_rests, with_rests.encode(piece)) if "Rest" not in name]
        assert kept == names(without, without.encode(piece))


@pytest.mark.parametrize("programs", [False, True])
def test_miditok_reads_what_remi_writes(programs: bool) -> None:
    config = RemiConfig(programs=programs)
    ours, theirs = Remi(config), miditok_of(config)
    for piece in pieces()[::4]:
        ids = ours.encode(piece)
        given_ids = ids.tolist() if programs else [ids.tolist()]
        assert laws.facts(theirs.decode(given_ids)) == laws.facts(ours.decode(ids))


@pytest.mark.parametrize("extra", EXTRAS)
def test_extra_settings_go_to_miditok(extra: dict[str, Any]) -> None:
    tokenizer = Remi(RemiConfig(extra=extra))
    some = pieces()[::8]
    laws.check_encoding(tokenizer, some)
    laws.check_round_trip(tokenizer, some)
    laws.check_bar_starts(tokenizer, some)
    laws.check_total_decode(tokenizer)


def test_an_unknown_extra_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="use_chords"):
        Remi(RemiConfig(extra={"use_chord": True}))
    with pytest.raises(UsageError, match="use_rests"):
        Remi(RemiConfig(extra={"use_rests": False}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"pitch_range": (60, 50)},
        {"beat_res": ((0, 4, 8), (5, 12, 4))},
        {"beat_res": ((0, 4, 8), (4, 12, 3))},
        {"rest_res": ((0, 4, 16),)},
        {"metres": ((3, 4),)},
        {"metres": ((4, 4), (4, 5))},
        {"num_velocities": 0},
        {"tempo_range": (0, 100)},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        RemiConfig(**wrong)


def test_settings_survive_json() -> None:
    config = RemiConfig(programs=True, extra={"use_chords": True})
    assert build(RemiConfig, plain(config)) == config


def test_instruments_come_back_apart() -> None:
    music = ScoreTick(480)
    for program, drum, pitch in ((40, False, 76), (0, False, 60), (0, True, 36), (40, False, 81)):
        music.tracks.append(TrackTick("", program, drum))
        music.tracks[-1].notes.append(NoteTick(0, 480, pitch, 64))
    decoded = Remi(RemiConfig(programs=True)).decode(Remi(RemiConfig(programs=True)).encode(music))
    assert not isinstance(decoded, str)
    found = [(t.program, t.is_drum, [n.pitch for n in t.notes]) for t in decoded.tracks]
    assert found == [(0, False, [60]), (40, False, [76, 81]), (0, True, [36])]
    merged = Remi(RemiConfig()).decode(Remi(RemiConfig()).encode(music))
    assert not isinstance(merged, str)
    assert [[n.pitch for n in t.notes] for t in merged.tracks] == [[60, 76, 81]]


def test_every_bar_has_its_token_even_where_nothing_sounds() -> None:
    music = score((0, 1, 60), (13, 1, 62))
    tokenizer = Remi(RemiConfig())
    ids = tokenizer.encode(music)
    assert len(tokenizer.bar_starts(ids)) == 4
    assert names(tokenizer, ids[tokenizer.bar_starts(ids)[3] :])[:4] == [
        *("Bar_None", "TimeSig_4/4", "Rest_1.0.4", "Position_8")
    ]


@pytest.mark.parametrize(
    ("metre", "expected"),
    [
        ((3, 4), (3, 4)),
        ((2, 2), (4, 4)),
        ((4, 8), (2, 4)),
        ((3, 2), (6, 4)),
        ((9, 8), (3, 8)),
        ((12, 16), (3, 4)),
        ((7, 4), (1, 4)),
        ((7, 8), None),
    ],
)
def test_other_metres_become_known_ones(
    metre: tuple[int, int], expected: tuple[int, int] | None
) -> None:
    assert known_metre(metre, RemiConfig().known_metres) == expected


def test_a_metre_waits_for_the_bar_line_and_the_last_one_counts() -> None:
    music = score(
        *((beat, 1, 60) for beat in range(12)), metres=((0, 4, 4), (2, 3, 4), (4, 6, 8), (5, 2, 4))
    )
    metres = [name for name in encoded(music) if name.startswith("TimeSig")]
    assert metres[:3] == ["TimeSig_4/4", "TimeSig_6/8", "TimeSig_2/4"]


def test_onsets_and_pitches_survive_within_half_a_position() -> None:
    tokenizer = Remi(RemiConfig())
    for piece in pieces()[::3]:
        decoded = tokenizer.decode(tokenizer.encode(piece))
        assert not isinstance(decoded, str)
        found = {(n.time / decoded.tpq, n.pitch) for t in decoded.tracks for n in t.notes}
        for track in piece.tracks:
            for note in track.notes:
                if 21 <= note.pitch <= 108:
                    beat = note.time / piece.tpq
                    near = [beat + step / 64 for step in range(-4, 5)]
                    near = [place for place in near if abs(place - beat) <= 1 / 16 + 1e-9]
                    assert any((round(p * 16) / 16, note.pitch) in found for p in near)


def test_music_without_a_note_in_range_is_refused() -> None:
    for music in (ScoreTick(480), score((0, 1, 10))):
        with pytest.raises(ValueError, match="no note"):
            Remi(RemiConfig()).encode(music)
    with pytest.raises(ValueError, match="bars"):
        Remi(RemiConfig()).encode(score((0, 1, 60), (2_000_000, 1, 60), ticks=1))


def test_louder_moves_velocities_only() -> None:
    tokenizer = Remi(RemiConfig())
    ids = tokenizer.encode(pieces()[0])
    moved = tokenizer.louder(ids, 20)
    changed = {name.split("_")[0] for name in names(tokenizer, ids[moved != ids])}
    assert changed == {"Velocity"}
    assert np.array_equal(tokenizer.louder(ids, 0), ids)


def test_fingerprints_do_not_drift() -> None:
    assert Remi(RemiConfig()).fingerprint == "6258910e5363080a"
    assert Remi(RemiConfig(rests=False)).fingerprint != Remi(RemiConfig()).fingerprint


@settings(max_examples=60, deadline=None)
@given(
    notes=st.lists(
        st.tuples(st.integers(0, 9000), st.integers(0, 4000), st.integers(15, 115)),
        min_size=1,
        max_size=40,
    ),
    metres=st.lists(
        st.tuples(st.integers(0, 9000), st.integers(1, 13), st.sampled_from([2, 4, 8, 16])),
        max_size=5,
    ),
    tempos=st.lists(st.tuples(st.integers(0, 9000), st.floats(10, 400)), max_size=5),
    ticks=st.sampled_from([1, 96, 100, 480, 1024]),
    variant=st.sampled_from([{}, *VARIANTS]),
)
def test_any_music_is_grammatical_and_comes_back(
    notes: list[tuple[int, int, int]],
    metres: list[tuple[int, int, int]],
    tempos: list[tuple[int, float]],
    ticks: int,
    variant: dict[str, Any],
) -> None:
    music = ScoreTick(ticks)
    music.tracks.append(TrackTick("Piano"))
    for time, duration, pitch in notes:
        music.tracks[0].notes.append(NoteTick(time, duration, pitch, 1 + (time + pitch) % 127))
    music.tracks[0].notes.sort()
    for time, qpm in sorted(tempos):
        music.tempos.append(TempoTick(time, qpm))
    for metre in score(metres=tuple(metres), ticks=1).time_signatures:
        music.time_signatures.append(metre)
    tokenizer = Remi(RemiConfig(**variant))
    if any(21 <= pitch <= 108 for _, _, pitch in notes):
        laws.check_round_trip(tokenizer, [music])
        laws.check_grammar(tokenizer, [music])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), variant=st.sampled_from([{}, *VARIANTS]))
def test_any_grammatical_sequence_comes_back(seed: int, variant: dict[str, Any]) -> None:
    laws.check_sampled(Remi(RemiConfig(**variant)), bars=5, seed=seed)
