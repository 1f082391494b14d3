"""The music that a composition adds after a prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from symusic.core import NoteTick, NoteTickList, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from musictk.generation.compose import Composition
from musictk.music import bar_lines, in_effect_from
from musictk.tokens import METRE, TEMPO, Frames, Tokenizer

Sections = list[tuple[str, int, int]]


class NewBars(NamedTuple):
    """New bars, the first of which begins at tick 0."""

    music: ScoreTick
    sections: Sections  # label, first tick, tick after the last
    lines: list[int]  # ticks of the bar lines


def new_bars(tokenizer: Tokenizer, composition: Composition, held: Collection[int] = ()) -> NewBars:
    """The new bars, and their sections.

    Keys are left out: that of the prompt stays in force. So does its tempo if none was chosen for
    the new bars, and its metre if the model's tokens encode none. The prompt is not a section;
    where it is the theme of a form, its section begins before tick 0. Of frames a note held over
    the bar line is repeated, unless its pitch is one of `held`, which sound there already.
    """
    sequence, cut = composition.sequence, len(composition.request.used_prompt)
    if isinstance(tokenizer.space, Frames):
        sequence = sequence[cut:]  # frames need nothing before them
    first = cut - (len(composition.sequence) - len(sequence))
    music, before = tokenizer.decode(sequence), tokenizer.decode(sequence[:first])
    assert isinstance(music, ScoreTick)
    assert isinstance(before, ScoreTick)
    starts = tokenizer.bar_starts(sequence)
    lines = bar_lines(music, len(starts))
    start = lines[int(np.searchsorted(starts, first))]
    new = _after(music, before, start)
    if held:
        _leave_out(new, held)
    if METRE in tokenizer.attributes():
        _put_metres(new, music, start)
    if any(one.name == TEMPO for one in composition.request.controls):
        for tempo in music.tempos:
            if tempo.time >= start:
                new.tempos.append(TempoTick(tempo.time - start, mspq=tempo.mspq))
    sections: Sections = []
    for span in composition.sections:
        if span.end <= cut:
            if composition.request.theme:
                sections.append((span.label, -1, 0))
            continue
        edges = np.array([span.start, span.end]) - cut + first
        here, there = (lines[count] - start for count in np.searchsorted(starts, edges).tolist())
        if there > here:
            sections.append((span.label, here, there))
    return NewBars(new, sections, [line - start for line in lines if line >= start])


def cut_short(new: ScoreTick, sections: Sections, end: int) -> tuple[ScoreTick, Sections]:
    """The music and the sections up to the tick `end`."""
    short = new.copy()
    for track in short.tracks:
        kept = [note for note in track.notes if note.time < end]
        track.notes.clear()
        for note in kept:
            length = min(note.duration, end - note.time)
            track.notes.append(NoteTick(note.time, length, note.pitch, note.velocity))
    return short, [(label, here, min(there, end)) for label, here, there in sections]


def _after(music: ScoreTick, before: ScoreTick, start: int) -> ScoreTick:
    """The notes of `music` from the tick `start` on that are not in `before`."""
    new = ScoreTick(music.ticks_per_quarter)
    old = Counter(
        (track.is_drum, track.program, note.time, note.pitch)
        for track in before.tracks
        for note in track.notes
        if note.time >= start
    )
    for track in music.tracks:
        part = TrackTick(track.name, track.program, track.is_drum)
        for note in track.notes:
            key = track.is_drum, track.program, note.time, note.pitch
            if note.time < start or old[key] > 0:
                old[key] -= note.time >= start
                continue
            moved = NoteTick(note.time - start, note.duration, note.pitch, note.velocity)
            part.notes.append(moved)
        if len(part.notes):
            new.tracks.append(part)
    return new


def _leave_out(new: ScoreTick, held: Collection[int]) -> None:
    """Leave out the notes at tick 0 of these pitches, in place."""
    for track in new.tracks:
        kept = [note for note in track.notes if note.time > 0 or note.pitch not in held]
        track.notes = NoteTickList(kept)


def _put_metres(new: ScoreTick, music: ScoreTick, start: int) -> None:
    """The metres of `music` from the tick `start` on."""
    for sign in in_effect_from(music.time_signatures, start):
        time = max(sign.time - start, 0)
        new.time_signatures.append(TimeSignatureTick(time, sign.numerator, sign.denominator))
