"""The music of which some bars are written again: read, and stored for `sample --like`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from symusic.core import ScoreTick

from musictk.controls.parts import skyline
from musictk.errors import UsageError
from musictk.generation.chosen_controls import ChosenControl, bar_numbers, bars_are, check_order
from musictk.generation.file_bars import find_owners
from musictk.generation.gaps import BarRange, choose_notes
from musictk.generation.keep import KEEPS
from musictk.jobs.given_music import channels_with_notes, find_tracks, without_drums_hint
from musictk.jobs.prompt import read_copy, store_copy
from musictk.music import Notes, bars, notes
from musictk.reading.limits import Limits
from musictk.reading.read import read_midi
from musictk.rendering.note_places import note_places, track_channels
from musictk.rendering.raw_notes import NotePlace, TrackChannel
from musictk.workspace import Workspace

_THIRD = 4  # semitones
BarNumbers = tuple[int, int]  # the first and the last, counted from 1

MELODY = "melody"
KEPT = (*KEEPS, MELODY)  # what `--keep` offers: of the melody the notes themselves stay


@dataclass(frozen=True)
class GivenBars:
    """A MIDI file, and its bars that are to be written again."""

    data: bytes
    ranges: tuple[BarNumbers, ...]  # ascending, with other bars between them
    controls: tuple[ChosenControl, ...] = ()  # as the user chose them; bars are those of the file
    channels: tuple[TrackChannel, ...] | None = None  # those that are written; None: all
    keep: str = ""  # what the new bars keep of these: one of `KEPT`
    drums_stay: bool = False  # drums to write are not in `channels`: the model cannot write them
    # New notes are divided among the tracks by chords, and end with their range; not so in earlier
    # rows of the catalog.
    chords: bool = False

    @cached_property
    def score(self) -> ScoreTick:
        """The music of the file."""
        return read_midi(self.data, Limits()).score

    @cached_property
    def lines(self) -> list[int]:
        """Ticks: where each bar begins, and the end of the last."""
        return [int(line) for line in bars(self.score)]

    @cached_property
    def places(self) -> list[BarRange]:
        """The ranges in ticks; the music after one is given up to the next."""
        starts = [self.lines[first - 1] for first, _ in self.ranges]
        stops = [self.lines[last] for _, last in self.ranges]
        untils = [*starts[1:], self.lines[-1]]
        return [BarRange(*each) for each in zip(starts, stops, untils, strict=True)]

    @cached_property
    def split(self) -> bool:
        """Whether notes of the bars stay that the model could write: it writes beside them."""
        if self.channels is None or self.keep == MELODY:
            return self.keep == MELODY
        places = zip(track_channels(self.score, self.data), self.score.tracks, strict=True)
        stay = [track for place, track in places if place not in self.channels]
        return any(not (track.is_drum and self.drums_stay) for track in stay)

    @cached_property
    def melody(self) -> frozenset[NotePlace]:
        """The notes of the melody, if it is kept."""
        if self.keep != MELODY:
            return frozenset()
        found = notes(self.score, drums=False)
        return frozenset(note_places(self.score, self.data, found.where(skyline(found))))

    @cached_property
    def two_parts(self) -> tuple[ScoreTick, ScoreTick]:
        """The part of the file that is written, and the rest."""
        return self.parts(self.data, self.score)

    def own_notes(self, places: Sequence[BarRange]) -> Notes:
        """The pitched notes of the part that is written that begin in these bars.

        Where none does, all that it has elsewhere.
        """
        found = notes(self.two_parts[0], drums=False)
        here = np.logical_or.reduce([place.begins(found) for place in places])
        return found.where(here) if here.any() else found

    def parts(self, data: bytes, score: ScoreTick) -> tuple[ScoreTick, ScoreTick]:
        """Of the file with some notes removed or added: the part that is written, and the rest."""
        places = track_channels(score, data)
        written, beside = score.copy(), score.copy()
        for index, place in enumerate(places):
            table = score.tracks[index].notes.numpy()
            mine = np.full(len(table["time"]), self.channels is None or place in self.channels)
            if self.melody:
                keys = zip(table["time"].tolist(), table["pitch"].tolist(), strict=True)
                mine &= [NotePlace(*place, *key) not in self.melody for key in keys]
            choose_notes(written.tracks[index], mine)
            choose_notes(beside.tracks[index], ~mine)
        return written, beside

    def with_track(self, text: str) -> GivenBars:
        """The same with only the tracks of this text written: see `find_tracks`.

        Where these are all tracks, the bars are written as a whole.
        """
        places = channels_with_notes(self.score, self.data)
        chosen = {places[index] for index in find_tracks(self.score, self.data, text)}
        every = chosen == set(places)
        return self if every else replace(self, channels=tuple(sorted(chosen)))

    def beside_melody(self) -> GivenBars:
        """Where the melody is kept, the same with only the tracks written that lose notes.

        Those with other notes elsewhere, if none does in these bars.
        """
        if self.keep != MELODY:
            return self
        tracks, chosen = self.two_parts[0].tracks, set(self.own_notes(self.places).track.tolist())
        chosen |= {at for at, each in enumerate(tracks) if each.is_drum and each.notes}
        places = track_channels(self.score, self.data)
        return replace(self, channels=tuple(sorted({places[index] for index in chosen})))

    @property
    def part_range(self) -> tuple[int, int] | None:
        """The pitches that the part to write has in these bars, and a third beyond.

        Where it rests, those that it has elsewhere. None if the part is all of the music.
        """
        if not self.split:
            return None
        pitch = self.own_notes(self.places).pitch
        if not len(pitch):
            return None
        return max(int(pitch.min()) - _THIRD, 0), min(int(pitch.max()) + _THIRD, 127)

    def without_drums(self) -> GivenBars:
        """The same with drums kept as they are, for a model that writes none.

        Raises UsageError where nothing else would be written.
        """
        found: dict[bool, set[TrackChannel]] = {True: set(), False: set()}
        for place, track in zip(
            track_channels(self.score, self.data), self.score.tracks, strict=True
        ):
            if self.channels is None or place in self.channels:
                found[track.is_drum and len(track.notes) > 0].add(place)
        if not found[True]:
            return self
        if not found[False]:
            raise UsageError("this model writes no drums", without_drums_hint(self.score))
        return replace(self, channels=tuple(sorted(found[False])), drums_stay=True)

    def owners_of(self, number: int, edges: Sequence[int]) -> list[int]:
        """The bar of the file for each bar that a model writes for a range."""
        first, last = self.ranges[number]
        found = find_owners(edges, self.lines[first - 1 : last + 1])
        return [bar + first - 1 for bar in found]

    @property
    def numbered_controls(self) -> list[ChosenControl]:
        """The controls, each for bars of the file."""
        found: list[ChosenControl] = []
        for one in self.controls:
            if one.where:
                found.append(one)
                continue
            for number, (first, last) in enumerate(self.ranges):
                start = _count(self.ranges[:number])
                found.append(one.from_bar(start, f"{first}-{last}"))
        return found

    def store(self, workspace: Workspace) -> dict[str, Any]:
        """Copy the file into the workspace, once; the values for a sample's row."""
        return {
            **store_copy(workspace, self.data),
            "bars": [list(each) for each in self.ranges],
            "controls": [list(each) for each in self.controls],
            "channels": None if self.channels is None else [list(each) for each in self.channels],
            "keep": self.keep,
            "drums_stay": self.drums_stay,
            "chords": self.chords,
        }

    @staticmethod
    def read(workspace: Workspace, stored: Mapping[str, Any]) -> GivenBars:
        """The inverse of `store`. Raises MusictkError if the copy is missing or has changed."""
        channels = stored.get("channels")
        return GivenBars(
            read_copy(workspace, stored, "rewrites", "--infill"),
            tuple((int(first), int(last)) for first, last in stored["bars"]),
            tuple(ChosenControl(*each) for each in stored["controls"]),
            None if channels is None else tuple(TrackChannel(*each) for each in channels),
            str(stored["keep"]),
            bool(stored.get("drums_stay")),
            bool(stored.get("chords")),
        )


def parse_bars(text: str, count: int) -> tuple[BarNumbers, ...]:
    """`"9-12,20"` -> ((9, 12), (20, 20)): ranges of a piece of `count` bars.

    Ranges that touch become one. Raises UsageError for bars that do not exist.
    """
    found = [_one(part.strip(), count) for part in text.split(",")]
    return joined(found)


def joined(ranges: Sequence[BarNumbers]) -> tuple[BarNumbers, ...]:
    """The ranges in order; those that touch or overlap become one."""
    found: list[BarNumbers] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(last, found[-1][1])
        else:
            found.append((first, last))
    return tuple(found)


def outside(bars: BarNumbers, ranges: Sequence[BarNumbers]) -> list[BarNumbers]:
    """What of some bars is in none of the ranges, which are in order."""
    at, last = bars
    found: list[BarNumbers] = []
    for low, high in (*ranges, (last + 1, last + 1)):
        if at < low and at <= last:
            found.append((at, min(low - 1, last)))
        at = max(at, high + 1)
    return found


def check_controls(given: GivenBars) -> None:
    """Raise UsageError for a control of bars that are not written, or of too many values."""
    for one in given.controls:
        if not one.where:
            one.check_values(_count(given.ranges))
            continue
        low, high = bar_numbers(one.where) or given.ranges[0]
        check_order(low, high)
        if not any(low <= last and first <= high for first, last in given.ranges):
            raise UsageError(f"{bars_are([(low, high)])} not written", bars_are(given.ranges))
        one.check_values(high - low + 1)


def _count(ranges: Sequence[BarNumbers]) -> int:
    """The number of bars."""
    return sum(last - first + 1 for first, last in ranges)


def check_written(given: GivenBars) -> None:
    """Raise UsageError where the melody is kept and there is nothing else."""
    written, _ = given.two_parts
    if given.keep == MELODY and not written.note_num():
        raise UsageError(
            "all notes are of the melody that is kept: there are no others to write again",
            "write another part with --accompany FILE",
        )


def _one(text: str, count: int) -> BarNumbers:
    numbers = bar_numbers(text)
    if numbers is None:
        raise UsageError(
            f"--bars {text!r} is not a bar or a range of bars", "write such as 9-12 or 9-12,20"
        )
    first, last = numbers
    if first > last:
        raise UsageError(f"--bars {text} ends before it begins", f"write {last}-{first}")
    if not first >= 1 or last > count:
        word, verb = ("bars", "are") if last > first else ("bar", "is")
        raise UsageError(
            f"{word} {text} {verb} outside the piece",
            f"it has bars 1 to {count}" if count > 1 else "it has 1 bar",
        )
    return first, last


def section_bars(
    given: ScoreTick, sections: Sequence[tuple[str, int, int]]
) -> tuple[BarNumbers, ...]:
    """The bars of sections (label, first tick, tick after the last)."""
    lines = [int(line) for line in bars(given)]
    inside = [
        (number, start, stop)
        for number, (start, stop) in enumerate(pairwise(lines), 1)
        for _, low, high in sections
        if low <= start < high
    ]
    return joined([(number, number) for number, _, _ in inside])
