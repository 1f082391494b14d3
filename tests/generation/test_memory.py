"""Following a theme: kept to, departed from, and found again."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from symusic.core import ScoreTick

from musictk.generation.guidance import ContextRows, guide
from musictk.generation.memory import Follower, TokenAlignment, blend_weight, variation_of
from musictk.generation.sampling import Sampling
from musictk.generation.spans import Span
from musictk.generation.theme import Theme
from musictk.music import bars as music_bars
from musictk.plugin import registry

from .pieces import MIDIS, tokenizer

BAR = np.array([3, 20, 60, 41, 24, 62, 41, 28, 64, 42, 3])  # bar, (position, pitch, length) × 3


def at(place: TokenAlignment, tokens: list[int]) -> int | None:
    for token in tokens:
        place.advance(token, None)
    return place.expected(None, None)


def test_step_by_step() -> None:
    place = TokenAlignment(BAR)
    for token in BAR.tolist():
        assert place.expected(None, None) == token
        place.advance(token, None)
    assert place.expected(None, None) is None


@pytest.mark.parametrize(
    ("written", "then"),
    [
        ([3, 20, 61], 41),  # another pitch, then its length
        ([3, 20, 61, 40, 24], 62),  # a whole note replaced
        ([3, 20, 60, 41, 22, 55, 40, 24], 62),  # a note added
        ([3, 20, 60, 41, 28], 64),  # a note left out
        ([3, 28, 64, 42], 3),  # two left out, and on to the bar line
    ],
)
def test_finds_its_place_again(written: list[int], then: int) -> None:
    assert at(TokenAlignment(BAR), written) == then


def test_the_expected_token_is_allowed() -> None:
    place = TokenAlignment(BAR)
    allowed = np.zeros(100, bool)
    allowed[[5, 62]] = True
    assert place.expected(allowed, None) == 62  # what is refused on the way is passed over
    allowed[62] = False
    assert TokenAlignment(BAR).expected(allowed, None) is None


def invention() -> NDArray[np.int64]:
    """Its first eight bars, in events."""
    score = ScoreTick.from_file(MIDIS / "Bach/invention_08_f_major.mid")
    sequence = tokenizer("events").encode(score)
    return sequence[: tokenizer("events").bar_starts(sequence)[8]]


def wander(variation: float, times: int = 60) -> float:
    """The share of positions at which a row follows its theme."""
    written = invention()
    theme = Theme(tokenizer("events"), written, Span("A", 0, len(written)))
    follower, uniform = Follower(theme, variation, figure=0.5), np.random.default_rng(1)
    followed = []
    for bar in range(times * len(theme.bars)):
        follower.begin_bar(bar, written)
        for token in theme.bars[bar % len(theme.bars)][:-1].tolist():
            follower.decide(uniform.random())
            followed.append(follower.expected(None, None) is not None)
            follower.advance(token, None)
    return float(np.mean(followed))


@pytest.mark.parametrize("variation", [0.0, 0.2, 0.5, 0.8])
def test_variation_is_the_share_of_time_away(variation: float) -> None:
    assert wander(variation) == pytest.approx(1 - variation, abs=0.06)


@pytest.mark.parametrize("bar_length", [2, 16, 48])
@pytest.mark.parametrize("figure", [0.01, 0.05, 0.5, 4.0])
@pytest.mark.parametrize("variation", [0.02, 0.3, 0.5, 0.9, 0.97])
def test_variation_is_the_share_whatever_the_figure(
    variation: float, figure: float, bar_length: int
) -> None:
    """Over many returns of 64 positions, in short bars and long ones, at their every position."""
    kind = registry().load("tokenizer", "pianoroll")
    rolls = kind(kind.Config(frames_per_beat=bar_length, beats_per_bar=1))
    frames = np.ones((4 * bar_length, 128), np.uint8)
    theme = Theme(rolls, frames, Span("A", 0, len(frames)))
    away = np.zeros((600, 64), bool)
    for row, uniforms in zip(away, np.random.default_rng(3).random(away.shape), strict=True):
        follower = Follower(theme, variation, figure)
        for position, uniform in enumerate(uniforms.tolist()):
            follower.decide(uniform)
            row[position] = not follower.following
    assert away.mean() == pytest.approx(variation, abs=0.05)
    assert away[:, 0].mean() == pytest.approx(variation, abs=0.07)


def test_a_theme_repeats_after_its_last_bar() -> None:
    written = invention()
    theme = Theme(tokenizer("events"), written, Span("A", 0, len(written)))
    first = theme.window(0, written)
    assert np.array_equal(first, theme.window(8, written))
    assert first[0] == first[-1]  # it ends with the next bar line


def test_a_theme_is_encoded_for_where_it_returns() -> None:
    """Louder music before it: its velocity has to be stated again."""
    quiet, bars = invention(), tokenizer("events").bar_starts(invention())
    loud = tokenizer("events").shift_velocity(quiet, 40)
    written = np.concatenate([quiet[: bars[4]], loud[bars[4] :]])
    theme = Theme(tokenizer("events"), written, Span("A", int(bars[1]), int(bars[2])))
    window = theme.window(0, written)
    assert not np.array_equal(window[:-1], written[bars[1] : bars[2]])
    music = tokenizer("events").decode(np.concatenate([written, window[:-1]]))
    assert isinstance(music, ScoreTick)
    notes = music.tracks[0].notes.numpy()
    bar_of = np.searchsorted(music_bars(music), notes["time"], "right") - 1
    columns = [
        np.stack([notes[name][bar_of == bar] for name in ("pitch", "velocity")]) for bar in (1, 8)
    ]
    assert np.array_equal(columns[0], columns[1])


def test_frames_are_aligned_by_time() -> None:
    frames = np.eye(128, dtype=np.uint8)[[60, 62, 64, 65]]
    theme = Theme(tokenizer("pianoroll"), frames, Span("A", 0, 4))
    follower = Follower(theme, 0.0, 0.5)
    follower.begin_bar(0, frames)
    follower.advance(frames[3], None)
    assert np.array_equal(follower.expected(None, None), frames[1])


def test_primes_vary_more() -> None:
    sampling = Sampling(variation=0.2)
    assert [variation_of(sampling, primes) for primes in (0, 1, 2)] == pytest.approx(
        [0.2, 0.6, 0.8]
    )


def test_the_theme_ramps_in() -> None:
    sampling = Sampling(blend=0.8, ramp=3)
    weights = [blend_weight(sampling, 0.5, bar) for bar in range(5)]
    assert weights == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])
    assert blend_weight(Sampling(blend=0.8, ramp=0), 0.0, 0) == pytest.approx(0.8)
    assert blend_weight(sampling, 1.0, 4) == 0


LOGITS: NDArray[np.float32] = np.array([[1, 2], [0, 4], [3, 3], [5, 1]], np.float32)


def places(given: list[int], free: list[int], memory: list[int]) -> ContextRows:
    return ContextRows(np.array(given), np.array(free), np.array(memory))


def test_guidance_and_memory_are_one_sum() -> None:
    weight = np.array([0.5], np.float32)
    c, u, m = LOGITS[0], LOGITS[1], LOGITS[2]
    mixed = guide(LOGITS, places([0], [1], [2]), 3.0, weight)
    assert np.allclose(mixed[0], u + 3 * (c - u) + 0.5 * (m - c))


def test_a_row_without_a_context_leaves_its_term_out() -> None:
    weight = np.array([0.5, 0.5], np.float32)
    mixed = guide(LOGITS, places([0, 3], [-1, -1], [2, -1]), 3.0, weight)
    assert np.allclose(mixed[0], LOGITS[0] + 0.5 * (LOGITS[2] - LOGITS[0]))
    assert np.array_equal(mixed[1], LOGITS[3])
