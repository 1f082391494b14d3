"""Which points of its sample data a soundfont plays, which it repeats, and how fast.

The synthesizer plays whatever is in memory, hangs or crashes where these are wrong. So it does
where a loop ends with its sample, since of what it resamples it does not compute the last point,
and where a loop is so short that nothing of it is left at a high pitch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from musictk.rendering.soundfont_format import LOOPED, LOOPS, SAMPLE, SoundfontFile, field, number

_FASTEST = 65_535  # samples per second: the synthesizer keeps the rate in 16 bits
_OCTAVE = 12  # semitones
_ROM = 0x8000  # sample type: in the memory of a sound card, not in the file
_PLACES = (20, 24, 28, 32)  # where a header has: start, end, start of the loop, end of the loop
_RATE, _KEY = 36, 40  # where it has these
_OFFSETS = ((0, 4), (1, 12), (2, 45), (3, 50))  # the generators that move each of them
_KEYS = 43  # the generator with the lowest and the highest key, a byte each
_TUNING = 1.1  # a sample can be tuned up by 1.2 semitones
_COARSE = 32_768  # points; the unit of the second generator of each pair
Ranges = NDArray[np.int64]  # (samples, 4): start, end, start of the loop, end of the loop


def corrected(font: SoundfontFile, data: bytes, rate: int, highest: int) -> bytes | None:
    """The file with loops and rates that can be played; None where all of them can.

    `rate`: samples per second of the audio; `highest`: the highest note (MIDI).
    Raises ValueError where an instrument plays what is not in the file, or has too short a loop.
    """
    font = replace(font, lists={**font.lists, b"shdr": _slowed(font.lists[b"shdr"])})
    _require_samples(font)
    ranges, zones = _ranges(font, data), list(_zones(font))
    looped = sorted({zone[SAMPLE] for zone in zones if zone.get(LOOPS) in LOOPED})
    shortest = _shortest(font, zones, rate, highest)
    right, size = ranges.copy(), 0 if _compressed(font) else _size(font)
    right[looped] = _right_loops(ranges[looped], shortest[looped], size)
    for zone in zones:
        least = int(shortest[zone[SAMPLE]]) if zone.get(LOOPS) in LOOPED else 0
        _require_zone(right[zone[SAMPLE]].tolist(), {} if _compressed(font) else zone, least)
    changed = _written(font, data, right, right != ranges)
    return None if changed == data else changed


def _slowed(headers: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Sample headers with rates that can be played: half of a rate is an octave, as is its key."""
    slowed = headers.copy()
    for header in slowed:
        rate, key = number(header.tobytes(), _RATE), int(header[_KEY])
        while rate > _FASTEST and _OCTAVE <= key < 128:
            rate, key = round(rate / 2), key - _OCTAVE
        header[_RATE : _RATE + 4] = list(rate.to_bytes(4, "little"))
        header[_KEY] = key
    return slowed


def _require_samples(font: SoundfontFile) -> None:
    """Each sample lies in the data, with a rate and a pitch."""
    headers = font.lists[b"shdr"]
    kind, key = field(headers, 44, "<u2"), field(headers, _KEY, "u1")
    start, end, loop, loop_end, rate = (field(headers, at, "<u4") for at in (*_PLACES, _RATE))
    fine = (start <= end) & (end <= _size(font)) & (loop <= loop_end)
    if not _compressed(font):
        fine &= (loop == loop_end) | ((start <= loop) & (loop_end <= _size(font)))
    fine &= (rate > 0) & (rate <= _FASTEST) & ((key < 128) | (key == 255))  # 255: without a pitch
    if not fine[:-1][kind[:-1] & _ROM == 0].all():
        raise ValueError("a sample that is not in the data")


def _compressed(font: SoundfontFile) -> bool:
    """The range of a compressed sample is of bytes, and its loop counts from its first point."""
    return font.version == 3


def _size(font: SoundfontFile) -> int:
    """Of the sample data: in bytes where it is compressed, else in points of two bytes."""
    size = font.samples[1] - font.samples[0]
    return size if _compressed(font) else size // 2


def _ranges(font: SoundfontFile, data: bytes) -> Ranges:
    """In points: of the whole data, or of each sample where they are compressed."""
    ranges = np.stack([field(font.lists[b"shdr"][:-1], at, "<u4") for at in _PLACES], axis=1)
    if _compressed(font):
        first = font.samples[0]
        ranges[:, 1] = [_decoded(data[first + start : first + end]) for start, end in ranges[:, :2]]
        ranges[:, 0] = 0
    return ranges


def _decoded(ogg: bytes) -> int:
    """How many points an Ogg stream has: its last page says so (RFC 3533, section 6)."""
    page = ogg.rfind(b"OggS")
    return number(ogg, page + 6) if page >= 0 else 0


def _zones(font: SoundfontFile) -> Iterator[dict[int, int]]:
    """The generators of each zone with a sample; those of an instrument's first may be for all."""
    generators = font.lists[b"igen"]
    operators, values = (field(generators, *place).tolist() for place in ((0, "<u2"), (2, "<i2")))
    pairs = list(zip(operators, values, strict=True))
    bags = field(font.lists[b"ibag"], 0, "<u2").tolist()
    for first, last in pairwise(field(font.lists[b"inst"], 20, "<u2").tolist()):
        shared: dict[int, int] = {}
        for bag in range(first, last):
            zone = dict(shared)
            for generator, value in pairs[bags[bag] : bags[bag + 1]]:
                zone[generator] = value
                if generator == SAMPLE:  # what follows it is ignored (section 8.1.2)
                    zone[SAMPLE] = value & 0xFFFF
                    yield zone
                    break
            else:
                shared = zone if bag == first else shared


def _shortest(
    font: SoundfontFile, zones: list[dict[int, int]], rate: int, highest: int
) -> NDArray[np.int64]:
    """(samples,) points that a loop needs: the synthesizer hangs where none of its own are left.

    It has one for each 2 ** (octaves above the sample's key) * (rate of the sample / its own).
    """
    headers = font.lists[b"shdr"][:-1]
    keys, rates = field(headers, _KEY, "u1").tolist(), field(headers, _RATE, "<u4").tolist()
    shortest = np.ones(len(headers), np.int64)
    for zone in zones:
        sample = zone[SAMPLE]
        key = min(highest, zone.get(_KEYS, 127 << 8) >> 8)
        points = 2 ** ((key - keys[sample]) / 12) * rates[sample] / rate
        shortest[sample] = max(shortest[sample], math.ceil(points * _TUNING))
    return shortest


def _right_loops(ranges: Ranges, shortest: NDArray[np.int64], size: int) -> Ranges:
    """Loops that end before their samples; `size`: of the data, 0 where no sample can grow.

    A sample that ends with its loop takes in the point after it, which is silent (section 7.10);
    without one the loop starts and ends earlier. Too short a loop starts earlier by its own length,
    or a multiple. What is no loop becomes one of the last points.
    """
    start, end, loop, loop_end = ranges.T
    none = (loop >= loop_end) | (loop < start)
    end = np.where(none, end, np.maximum(end, np.minimum(loop_end + 1, size)))
    length = np.where(none, 1, loop_end - loop)
    length *= -(-shortest // np.maximum(length, 1))
    loop_end = np.where(none, end - 1, np.minimum(loop_end, end - 1))
    return np.stack([start, end, np.maximum(loop_end - length, start), loop_end], axis=1)


def _require_zone(sample: list[int], zone: dict[int, int], least: int) -> None:
    """What a zone plays lies in its sample, also where generators make it shorter.

    `least`: the points that its loop needs; 0 without a loop.
    """
    moves = (zone.get(fine, 0) + zone.get(coarse, 0) * _COARSE for fine, coarse in _OFFSETS)
    moved = zip(sample, moves, (max, min, max, min), strict=True)
    start, end, loop, loop_end = (place + limit(move, 0) for place, move, limit in moved)
    if start > end or (least and not start <= loop <= loop_end - least < loop_end < end):
        raise ValueError("an instrument that plays what is not in its sample")


def _written(font: SoundfontFile, data: bytes, ranges: Ranges, changed: NDArray[np.bool_]) -> bytes:
    """The file with the sample headers of the font, and those of the ranges that are changed."""
    headers = font.lists[b"shdr"].copy()
    for column, place in enumerate(_PLACES):
        rows = np.flatnonzero(changed[:, column])
        headers[rows, place : place + 4] = ranges[rows, column, None].astype("<u4").view(np.uint8)
    written = bytearray(data)
    written[font.headers : font.headers + headers.size] = headers.tobytes()
    return bytes(written)
