"""The test signals of EBU Tech 3341 (2016), table 1, that have two channels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from musictk.rendering.loudness import decibels, integrated_loudness, k_filters, true_peak


def sine(
    decibels: float, seconds: float, rate: int, hertz: float = 1000, phase: float = 0.0
) -> NDArray[np.float64]:
    """A stereo sine; `phase` in degrees."""
    time = np.arange(round(seconds * rate)) / rate
    wave = 10 ** (decibels / 20) * np.sin(2 * np.pi * hertz * time + np.deg2rad(phase))
    return np.stack([wave, wave], axis=1)


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize(
    ("parts", "lufs"),
    [
        ([(-23, 20)], -23.0),
        ([(-33, 20)], -33.0),
        ([(-36, 10), (-23, 60), (-36, 10)], -23.0),
        ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23.0),
        ([(-26, 20), (-20, 20.1), (-26, 20)], -23.0),
    ],
)
def test_integrated_loudness(rate: int, parts: list[tuple[float, float]], lufs: float) -> None:
    samples = np.concatenate([sine(level, seconds, rate) for level, seconds in parts])
    assert integrated_loudness(samples, rate) == pytest.approx(lufs, abs=0.1)


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize(
    ("divisor", "phase", "amplitude", "expected"),
    [(4, 0, 0.5, -6), (4, 45, 0.5, -6), (6, 60, 0.5, -6), (8, 67.5, 0.5, -6), (4, 45, 1.41, 3)],
)
def test_true_peak(
    rate: int, divisor: int, phase: float, amplitude: float, expected: float
) -> None:
    samples = sine(decibels(amplitude), 2, rate, rate / divisor, phase)
    fade = np.minimum(1, np.arange(len(samples)) / (rate / 10))[:, None]
    peak = decibels(true_peak(samples * fade * fade[::-1]))
    assert expected - 0.4 < peak < expected + 0.2


def test_the_filters_at_48_khz_are_those_of_the_standard() -> None:
    """ITU-R BS.1770-4, tables 1 and 2."""
    shelf, high_pass = k_filters(48_000)
    published = [1.53512485958697, -2.69169618940638, 1.19839281085285]
    assert shelf[0] == pytest.approx(published, abs=1e-8)
    assert shelf[1] == pytest.approx([1, -1.69065929318241, 0.73248077421585], abs=1e-8)
    assert high_pass[0] == pytest.approx([1, -2, 1])
    assert high_pass[1] == pytest.approx([1, -1.99004745483398, 0.99007225036621], abs=1e-8)


def test_silence_and_less_than_a_block_have_no_loudness() -> None:
    assert integrated_loudness(np.zeros((48_000, 2)), 48_000) == -np.inf
    assert integrated_loudness(sine(-20, 0.3, 48_000), 48_000) == -np.inf
    assert integrated_loudness(sine(-75, 5, 48_000), 48_000) == -np.inf


def test_one_channel_is_3_lu_softer_than_two() -> None:
    both = sine(-20, 5, 48_000)
    one = integrated_loudness(both[:, :1], 48_000)
    assert integrated_loudness(both, 48_000) - one == pytest.approx(3.01, abs=0.01)


def test_samples_of_any_number_are_measured() -> None:
    """As many as a block of the filter, and one more or less."""
    for size in (20_000, 57_343, 57_344, 57_345, 65_536, 114_688):
        samples = sine(-23, 3, 48_000)[:size]
        assert integrated_loudness(samples, 48_000) == pytest.approx(-23, abs=0.1), size
