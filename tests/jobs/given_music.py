"""Files such as users have: what a score forgets is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mido
from mido import Message, MetaMessage, MidiFile, MidiTrack

QUARTER = 384
Events = list[tuple[float, Any]]  # quarter notes, message


def add(track: MidiTrack, *events: tuple[float, Message | MetaMessage]) -> None:
    """Events at (quarter notes, message), in any order."""
    now = 0
    for at, message in sorted(events, key=lambda event: event[0]):
        tick = round(at * QUARTER)
        track.append(message.copy(time=tick - now))
        now = tick


def note(at: float, length: float, pitch: int, channel: int = 0, velocity: int = 80) -> Events:
    """A note's two events."""
    return [
        (at, Message("note_on", channel=channel, note=pitch, velocity=velocity)),
        (at + length, Message("note_off", channel=channel, note=pitch, velocity=31)),
    ]


def two_hands(
    path: Path, metre: tuple[int, int] = (4, 4), bars: int = 4, pickup: float = 0
) -> Path:
    """Two named tracks of one channel with all that a score may forget; the last bar is short.

    A pickup of so many quarter notes has a time signature of its own.
    """
    file = MidiFile(type=1, ticks_per_beat=QUARTER)
    head, right, left = (file.add_track(name) for name in ("Air in G", "right hand", "left hand"))
    bar = 4 * metre[0] / metre[1]
    signs = [(0.0, MetaMessage("time_signature", numerator=metre[0], denominator=metre[1]))]
    if pickup:
        opening = MetaMessage("time_signature", numerator=round(pickup * 2), denominator=8)
        signs = [(0.0, opening), (pickup, signs[0][1])]
    add(
        head,
        *signs,
        (0, MetaMessage("set_tempo", tempo=mido.bpm2tempo(97))),
        (0, MetaMessage("key_signature", key="Ebm")),
        (0, MetaMessage("copyright", text="Nobody")),
        (pickup + bar, MetaMessage("marker", text="my marker")),
        (pickup + bar, MetaMessage("set_tempo", tempo=mido.bpm2tempo(120))),
        (1, Message("sysex", data=(0x7E, 0x7F, 9, 1))),
    )
    melody, bass = [], []
    if pickup:
        melody += note(0, pickup, 74)
    for number in range(bars):
        begin, third = pickup + number * bar, 1 / 3
        melody += note(begin, third, 76, velocity=83) + note(begin + third, third, 77)
        melody += note(begin + 2 * third, third, 79)
        bass += note(begin, 1, 48 + number)
        if number < bars - 1:  # the last bar has only its first beat
            melody += note(begin + 1, bar - 1.1, 81)
            bass += note(begin + 1, bar - 1, 43)
    words = [
        (pickup, MetaMessage("lyrics", text="la")),
        (pickup + 1, MetaMessage("text", text="x")),
    ]
    pedal = [(pickup + 0.5, Message("control_change", control=64, value=127))]
    pedal += [(pickup + 1.5, Message("control_change", control=64, value=0))]
    pedal += [(pickup + 2, Message("control_change", control=64, value=90))]  # never released
    bend = [(pickup + 1, Message("pitchwheel", pitch=400))]
    add(right, (0, Message("program_change", program=6)), *melody, *words, *pedal, *bend)
    add(left, (0, Message("control_change", control=7, value=99)), *bass)
    file.save(path)
    return path


def band(path: Path) -> Path:
    """Format 0: a violin, a cello and drums, a channel each."""
    file = MidiFile(type=0, ticks_per_beat=QUARTER)
    events = [
        (0.0, Message("program_change", channel=2, program=40)),
        (0.0, Message("program_change", channel=5, program=42)),
    ]
    for beat in range(8):
        events += note(beat, 1, 72 + beat % 4, 2) + note(beat, 1, 45 + beat % 3, 5)
        events += note(beat, 0.25, 38, 9)
    add(file.add_track(), *events)
    file.save(path)
    return path


def changing_guitar(path: Path) -> Path:
    """Format 1: words, a guitar whose program changes in its second bar, and an organ."""
    file = MidiFile(type=1, ticks_per_beat=QUARTER)
    add(file.add_track("words"), (0.0, MetaMessage("lyrics", text="la")))
    strings: Events = [
        (0.0, Message("program_change", channel=1, program=27)),
        (4.0, Message("program_change", channel=1, program=30)),
    ]
    keys: Events = [(0.0, Message("program_change", channel=2, program=16))]
    for beat in range(16):
        strings += note(beat, 1, 60 + beat % 5, 1)
        keys += note(beat, 1, 48 + beat % 3, 2)
    add(file.add_track("guitar"), *strings)
    add(file.add_track("organ"), *keys)
    file.save(path)
    return path
