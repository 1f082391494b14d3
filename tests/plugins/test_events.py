"""events: one spelling for every piece."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.errors import UsageError
from musictk.testing import tokenizers as laws
from musictk_events.tokenizer import Events, EventsConfig

from .scores import pieces, score

VARIANTS: list[dict[str, Any]] = [
    {},
    {"beats_per_bar": 4},
    {"ticks_per_beat": 4, "beats_per_bar": 3},
    {"ticks_per_beat": 1},
    {"ticks_per_beat": 1, "beats_per_bar": 1, "num_velocities": 1},
    {"pitch_range": (0, 127), "num_velocities": 127},
]


def closing(tokenizer: Events) -> laws.Closing:
    """Ends what sounds, mostly goes on to the next bar where nothing can end yet."""
    layout, rng = tokenizer.layout, np.random.default_rng(0)

    def choose(allowed: NDArray[np.bool_]) -> int:
        offs = np.flatnonzero(allowed[layout.off : layout.shift])
        if len(offs):
            return layout.off + int(offs[0])
        bars = np.flatnonzero(allowed[layout.bar : layout.on])
        if len(bars) and rng.random() < 0.8:
            return layout.bar + int(rng.choice(bars))
        return int(rng.choice(np.flatnonzero(allowed)))

    return choose


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_keeps_the_laws(variant: dict[str, Any]) -> None:
    tokenizer = Events(EventsConfig(**variant))
    laws.check_encoding(tokenizer, pieces())
    laws.check_round_trip(tokenizer, pieces())
    laws.check_bar_starts(tokenizer, pieces())
    laws.check_total_decode(tokenizer)
    laws.check_transposition(tokenizer, pieces()[::4])
    laws.check_grammar(tokenizer, pieces()[::2])
    laws.check_crops(tokenizer, pieces()[::4])
    laws.check_sampled(tokenizer, 2_000, closing=closing(tokenizer))
    laws.check_fork(tokenizer)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32), variant=st.sampled_from(VARIANTS))
def test_any_grammatical_sequence_comes_back(seed: int, variant: dict[str, Any]) -> None:
    tokenizer = Events(EventsConfig(**variant))
    laws.check_sampled(tokenizer, 20, seed, closing(tokenizer))


@settings(max_examples=60)
@given(
    notes=st.lists(
        st.tuples(st.integers(0, 900), st.integers(0, 500), st.integers(58, 62)),
        min_size=1,
        max_size=40,
    ),
    variant=st.sampled_from(VARIANTS),
)
def test_any_music_is_grammatical_and_comes_back(
    notes: list[tuple[int, int, int]], variant: dict[str, Any]
) -> None:
    music = score(*notes, ticks=1)
    music.ticks_per_quarter = 96
    tokenizer = Events(EventsConfig(**variant))
    laws.check_round_trip(tokenizer, [music])
    laws.check_grammar(tokenizer, [music])


def test_notes_on_the_grid_come_back_exactly() -> None:
    notes = {(0.0, 1.0, 60), (0.0, 4.5, 64), (1.0, 1 / 12, 60), (17 / 3, 2.25, 67)}
    tokenizer = Events(EventsConfig())
    decoded = tokenizer.decode(tokenizer.encode(score(*sorted(notes))))
    assert not isinstance(decoded, str)
    found = {
        (note.time / 12, note.duration / 12, note.pitch)
        for track in decoded.tracks
        for note in track.notes
    }
    assert found == notes


def test_a_note_struck_again_ends_there() -> None:
    tokenizer = Events(EventsConfig())
    decoded = tokenizer.decode(tokenizer.encode(score((0, 4, 60), (1, 1, 60))))
    assert not isinstance(decoded, str)
    assert [(n.time, n.duration) for n in decoded.tracks[0].notes] == [(0, 12), (12, 12)]


def test_what_still_sounds_at_the_end_lasts_to_the_end_of_its_bar() -> None:
    tokenizer = Events(EventsConfig())
    ids = tokenizer.encode(score((1, 1, 60)))
    decoded = tokenizer.decode(ids[:-2])
    assert not isinstance(decoded, str)
    assert [(n.time, n.duration) for n in decoded.tracks[0].notes] == [(12, 36)]


def test_louder_moves_velocities_only() -> None:
    tokenizer = Events(EventsConfig())
    ids = tokenizer.encode(pieces()[0])
    moved = tokenizer.shift_velocity(ids, 20)
    assert (ids[moved != ids] >= tokenizer.layout.velocity).all()
    assert (moved != ids).any()


def test_music_it_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="no note"):
        Events(EventsConfig()).encode(ScoreTick(480))
    with pytest.raises(ValueError, match="bars"):
        Events(EventsConfig()).encode(score((0, 1, 60), (2e6, 1, 60), ticks=1))
    with pytest.raises(UsageError):
        EventsConfig(pitch_range=(70, 60))
