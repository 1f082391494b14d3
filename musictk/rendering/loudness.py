"""Loudness and true peak of audio (ITU-R BS.1770-4, EBU R 128), in numpy."""

from __future__ import annotations

from collections.abc import Iterator
from math import pi, tan

import numpy as np
from numpy.typing import NDArray

BLOCK, STEP = 0.4, 0.1  # seconds: gating blocks overlap by three quarters
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0  # LUFS; LU below the mean of what passes the first
_FRAMES, _MEMORY = 1 << 16, 1 << 13  # of a transform; after how many the filters have decayed
_OVERSAMPLING = 4

Samples = NDArray[np.float32] | NDArray[np.float64]
Biquad = tuple[NDArray[np.float64], NDArray[np.float64]]  # numerator, denominator


def integrated_loudness(samples: Samples, rate: int) -> float:
    """The gated loudness in LUFS of (N, channels) samples, of one or two channels.

    It is -inf where every block of 400 ms lies below the absolute gate of -70 LUFS, or where the
    samples are shorter than a block.
    """
    power = _block_power(samples, rate)
    power = power[_lufs(power) > ABSOLUTE_GATE]
    if not len(power):
        return -np.inf
    gate = _lufs(power.mean()) + RELATIVE_GATE
    return float(_lufs(power[_lufs(power) > gate].mean()))


def true_peak(samples: Samples) -> float:
    """The largest absolute value of the waveform through (N, channels) samples.

    Measured at four times the sample rate, as Annex 2 of BS.1770-4 asks.
    """
    loudest = float(np.abs(samples).max(initial=0.0))
    for block in _blocks(samples):
        fine = np.fft.irfft(np.fft.rfft(block), _OVERSAMPLING * _FRAMES) * _OVERSAMPLING
        edge = _MEMORY // 2 * _OVERSAMPLING  # the transform takes the block as a loop
        loudest = max(loudest, float(np.abs(fine[:, edge:-edge]).max()))
    return loudest


def decibels(ratio: float) -> float:
    """20 log10 of an amplitude."""
    with np.errstate(divide="ignore"):
        return float(20 * np.log10(ratio))


def _lufs(power: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Loudness of a mean square that is summed over channels (equation 2)."""
    with np.errstate(divide="ignore"):
        return -0.691 + 10 * np.log10(np.asarray(power, np.float64))


def _block_power(samples: Samples, rate: int) -> NDArray[np.float64]:
    """The mean square after the K filter of each gating block, summed over channels."""
    size, step = round(BLOCK * rate), round(STEP * rate)
    total = np.cumsum(np.concatenate([np.zeros(1), *_filtered_squares(samples, rate)]))
    starts = np.arange(0, len(samples) - size + 1, step)
    return np.maximum(total[starts + size] - total[starts], 0) / size


def _filtered_squares(samples: Samples, rate: int) -> Iterator[NDArray[np.float64]]:
    """The squares of the K-filtered samples, summed over channels: blocks that make up (N,).

    The filters are applied to blocks in the frequency domain, because numpy has no recursive
    filter. Each block begins with the samples before it, in which the filters have decayed.
    """
    response = _k_response(rate).astype(np.result_type(samples, np.complex64))
    left = len(samples)
    for block in _blocks(samples):
        filtered = np.fft.irfft(np.fft.rfft(block) * response, _FRAMES)
        new = filtered[:, _MEMORY : _MEMORY + left]
        left -= new.shape[1]
        yield np.square(new, dtype=np.float64).sum(axis=0)


def _blocks(samples: Samples) -> Iterator[Samples]:
    """(channels, _FRAMES) blocks; each begins with the last `_MEMORY` samples of the one before."""
    step = _FRAMES - _MEMORY
    for start in range(-_MEMORY, len(samples), step):
        block = np.zeros((samples.shape[1], _FRAMES), samples.dtype)
        part, place = samples[max(start, 0) : start + _FRAMES].T, max(-start, 0)
        block[:, place : place + part.shape[1]] = part
        yield block


def _k_response(rate: int) -> NDArray[np.complex128]:
    """The frequency response of both filters, at the frequencies of a transform."""
    delay = np.exp(-1j * pi * np.arange(_FRAMES // 2 + 1) / (_FRAMES // 2))  # z^-1
    powers = np.stack([np.ones_like(delay), delay, delay**2], axis=1)
    response = np.ones_like(delay)
    for numerator, denominator in k_filters(rate):
        response = response * (powers @ numerator) / (powers @ denominator)
    return response


def k_filters(rate: int) -> tuple[Biquad, Biquad]:
    """The two filters of the K weighting at a sample rate: a high shelf and a high pass.

    The standard has coefficients for 48 kHz only. From these frequencies, qualities and gain the
    bilinear transform gives the same ones at 48 kHz, and the same response at other rates (De Man
    2018, "Evaluation of Implementations of the EBU R128 Loudness Measurement").
    """
    gain = 10 ** (3.999843853973347 / 20)
    middle = gain**0.4996667741545416
    step, denominator, scale = _denominator(rate, 1681.974450955533, 0.7071752369554196)
    slope = middle * step / 0.7071752369554196
    shelf = np.array([gain + slope + step**2, 2 * (step**2 - gain), gain - slope + step**2]) / scale
    _, second, _ = _denominator(rate, 38.13547087602444, 0.5003270373238773)
    return (shelf, denominator), (np.array([1.0, -2.0, 1.0]), second)


def _denominator(
    rate: int, frequency: float, quality: float
) -> tuple[float, NDArray[np.float64], float]:
    """The warped frequency of a filter, its denominator, and what that was divided by."""
    step = tan(pi * frequency / rate)
    scale = 1 + step / quality + step**2
    return step, np.array([scale, 2 * (step**2 - 1), 2 + 2 * step**2 - scale]) / scale, scale
