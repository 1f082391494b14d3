"""What is chosen for a new part, beside a given one or a kept melody, where the user chose nothing:
its range, and how many voices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from musictk.controls import Controls
from musictk.controls.parts import skyline
from musictk.generation.chosen_controls import ChosenControl
from musictk.instruments import DRUM_KIT, FAMILY, instrument_name, pitch_range, plays_one_note
from musictk.jobs.given_bars import MELODY, GivenBars
from musictk.jobs.given_music import (
    GivenMusic,
    for_all_bars,
    instruments_of,
    numbered_tracks,
    tracks_with_notes,
    within,
)
from musictk.music import notes
from musictk.rendering.roll import pitch_name

_MIDDLE_C = 60
# The notes of left hands in the examples that are above this share of the right hand's notes:
# 5 %; above its lowest note, which a single run may reach, 33 %.
_LOW = 0.1
_TWO_HANDS = 52  # E3: the lowest tenth of one hand's notes is above it, of both it is below


def part_controls(
    given: GivenMusic, chosen: Sequence[ChosenControl], known: Controls
) -> tuple[tuple[ChosenControl, ...], list[str]]:
    """The controls of a part beside `given`: those that were chosen, after the defaults.

    `known` are those of the model, which may lack them. Also returns notices of the defaults.
    """
    program, notices = given.program, []
    name = "" if program is None else instrument_name(max(program, 0), program == DRUM_KIT)
    limits = None if program is None else pitch_range(program)
    controls = within(limits, chosen, known)
    if limits is not None and len(controls) > len(chosen):
        low, high = map(pitch_name, limits)
        notices.append(f"the part stays in the range of {name}, {low} to {high}")
    offered = set(known.names) - set(known.missing) - for_all_bars(chosen)
    if has_one_note(program, chosen) and "polyphony" in offered:
        controls = ChosenControl("", "polyphony", "1"), *controls
        notices.append(
            f"the part has polyphony=1, as {name} plays one note at a time;"
            " to choose otherwise: --control polyphony=2"
        )
    top = None if program is not None else _bottom_of_melody(given)
    if top is not None and {"lowest", "highest"} <= offered:
        controls = ChosenControl("", "highest", str(top)), *controls
        notices.append(
            f"the part stays at or below {pitch_name(top)}, near the lowest notes of the given"
            " one; to choose otherwise: --control highest=C6"
        )
    return tuple(controls), notices


def rewrite_controls(
    given: GivenBars, chosen: Sequence[ChosenControl], known: Controls
) -> tuple[tuple[ChosenControl, ...], list[str]]:
    """The controls of bars that are written again: those that were chosen, after the defaults.

    `known` are those of the model, which may lack them. Also returns notices of the defaults.
    """
    tops: list[ChosenControl] = []
    offered = set(known.names) - set(known.missing) - for_all_bars(chosen)
    if given.keep == MELODY and "highest" in offered:
        tops = _below_melody(given)
    said = "the new notes stay below the melody; to choose otherwise: --control highest=C6"
    return within(given.part_range, (*tops, *chosen), known), [said] if tops else []


def has_one_note(program: int | None, chosen: Sequence[ChosenControl]) -> bool:
    """Whether the instrument plays one note at a time, and nothing else was chosen."""
    one_note = program is not None and plays_one_note(program)
    return one_note and "polyphony" not in {one.name for one in chosen}


def other_tracks_notice(given: GivenMusic) -> list[str]:
    """A notice of the tracks that are in the file, but not given to the model."""
    known, found = instruments_of(tracks_with_notes(given.score)), []
    if len(given.tracks) == len(known):
        return []
    for number, group in enumerate(numbered_tracks(given.score, given.data), 1):
        chosen = [index for index in group if index in given.tracks]
        if chosen:
            played = ", ".join(known[index] for index in chosen)
            found.append(str(number) + (f" ({played})" if len(chosen) < len(group) else ""))
    word = "track" if len(found) == 1 else "tracks"
    return [f"the model was given {word} {', '.join(found)} only; the others stay in the file"]


def _below_melody(given: GivenBars) -> list[ChosenControl]:
    """The highest pitch of each bar that is written: below the melody from there on.

    Notes of the melody that are as low as the others, as where a bass plays alone, do not count.
    """
    limits = given.part_range
    if limits is None:
        return []
    found = notes(given.score, drums=False)
    melody = found.where(skyline(found))
    tops: list[ChosenControl] = []
    for (first, last), place in zip(given.ranges, given.places, strict=True):
        middle = np.median(given.own_notes([place]).pitch)
        upper = melody.where(melody.pitch > middle)
        lowest = [
            int(upper.pitch[(upper.start < stop) & (upper.end > start)].min(initial=128))
            for start, stop in pairwise(given.lines[first - 1 : last + 1])
        ]
        # A note may last into later bars.
        rest = np.minimum.accumulate(lowest[::-1])[::-1].tolist()
        values = [min(limits[1], (each if each < 128 else min(lowest)) - 1) for each in rest]
        tops.append(ChosenControl(f"{first}-{last}", "highest", " | ".join(map(str, values))))
    return tops


def _bottom_of_melody(given: GivenMusic) -> int | None:
    """Near the lowest notes of a track that is the top voice of a piano piece; None for others."""
    tracks = given.part.tracks
    if len(given.tracks) != 1 or tracks[0].is_drum or tracks[0].program >= FAMILY:
        return None
    pitches = notes(given.part).pitch
    low = int(np.quantile(pitches, _LOW))
    return low if pitches.mean() >= _MIDDLE_C and low >= _TWO_HANDS else None
