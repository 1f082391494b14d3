"""Decode ids to a Score: any ids, for every vocabulary of a RemiConfig."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from symusic.core import (
    ControlChangeTick,
    KeySignatureTick,
    PedalTick,
    PitchBendTick,
    ScoreTick,
    TempoTick,
    TimeSignatureTick,
    TrackTick,
)

from musictk.music import note_list
from musictk.tokens.metrics import Metre
from musictk_remi.quantise import DRUMS
from musictk_remi.vocabulary import PITCHES, Vocabulary

_VELOCITY = 100  # of notes in a vocabulary without velocities
_NOWHERE = -1000  # an interval from here is never in range
_LATEST = 1 << 30  # ticks; symusic's are 32 bits wide


def decode(ids: NDArray[np.int64], vocabulary: Vocabulary) -> ScoreTick:
    """The music of any ids. Tokens that have no meaning at their place are skipped."""
    kinds, values = vocabulary.kinds, vocabulary.values
    reader = Reader(vocabulary)
    known = [int(index) for index in ids if 0 <= index < len(kinds)]
    tokens = [(kinds[index], values[index]) for index in known]
    for place, (kind, value) in enumerate(tokens):
        if kind in PITCHES:
            reader.note(kind, value, tokens[place + 1 : place + 3])
        elif (action := reader.actions.get(kind)) is not None:
            action(value)
        elif kind == "Pedal":
            reader.pedal(value, tokens[place + 1 : place + 2])
    return reader.score()


class Reader:
    """The state of decoding: the time, the metre and the notes so far."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary, self.config = vocabulary, vocabulary.config
        self.actions = {
            "Bar": self.bar,
            "Position": self.position,
            "Rest": self.rest,
            "Tempo": self.tempo,
            "TimeSig": self.metre,
            "Program": self.program,
            "KeySig": self.key,
            "PedalOff": self.pedal_off,
            "PitchBend": self.bend,
            "ControlChange": self.control,
        }
        self._lengths: dict[tuple[str, int], dict[str, int]] = {}
        self._bars = self._bar_tick = self._tick = self._end = 0
        self._program = 0
        self._intervals: dict[int, tuple[int, int]] = {}  # program: (of the onset, of the chord)
        self._notes: dict[int, list[tuple[int, int, int, int]]] = {}
        self._tempos: dict[int, float] = {}
        self._metres: dict[int, Metre] = {}
        self._keys: dict[int, tuple[int, int]] = {}
        self._tracks: dict[int, TrackTick] = {}
        self._pressed: dict[int, int] = {}
        self._measure((4, 4))

    def bar(self, value: str) -> None:
        if value == "End":
            return
        if self._bars:
            self._bar_tick = min(self._bar_tick + self._bar_length, _LATEST)
        self._bars += 1
        self._tick = self._bar_tick

    def position(self, value: str) -> None:
        self._tick = self._bar_tick + int(value) * self._step

    def rest(self, value: str) -> None:
        since = max(self._end, self._tick)
        self._tick = min(since + self._length("Rest", value), _LATEST)

    def tempo(self, value: str) -> None:
        self._tempos[self._tick] = float(value)
        self._end = max(self._end, self._tick)

    def metre(self, value: str) -> None:
        numerator, denominator = value.split("/")
        metre = int(numerator), int(denominator)
        self._metres[self._bar_tick] = metre
        self._measure(metre)

    def program(self, value: str) -> None:
        self._program = int(value)

    def key(self, value: str) -> None:
        key, tonality = value.split(":")
        self._keys[self._tick] = int(key), int(tonality)
        self._end = max(self._end, self._tick)

    def note(self, kind: str, value: str, after: list[tuple[str, str]]) -> None:
        """A pitch, with the velocity and duration after it; without them it is no note."""
        loud, duration = _VELOCITY, max(self._beat // 2, 1)
        if "Velocity" in self.vocabulary.first:
            if not after or after[0][0] != "Velocity":
                return
            loud, after = int(after[0][1]), after[1:]
        if after and after[0][0] == "Duration":
            duration = self._length("Duration", after[0][1])
        elif "use_note_duration_programs" not in self.config.extra:
            return
        pitch = self._pitch(kind, int(value))
        if pitch is None:
            return
        program = DRUMS if kind == "PitchDrum" else self._program
        self._notes.setdefault(program, []).append((self._tick, duration, pitch, loud))
        self._end = max(self._end, self._tick + duration)

    def pedal(self, value: str, after: list[tuple[str, str]]) -> None:
        program = int(value) if self.config.programs else self._program
        if self.config.extra.get("sustain_pedal_duration"):
            if after and after[0][0] == "Duration":
                held = PedalTick(self._tick, self._length("Duration", after[0][1]))
                self._track(program).pedals.append(held)
        else:
            self._pressed.setdefault(program, self._tick)

    def pedal_off(self, value: str) -> None:
        program = int(value) if self.config.programs else self._program
        pressed = self._pressed.pop(program, self._tick)
        if pressed < self._tick:
            self._track(program).pedals.append(PedalTick(pressed, self._tick - pressed))

    def bend(self, value: str) -> None:
        self._track(self._program).pitch_bends.append(PitchBendTick(self._tick, int(value)))

    def control(self, value: str) -> None:
        number, level = value.split("-")
        control = ControlChangeTick(self._tick, int(number), int(level))
        self._track(self._program).controls.append(control)

    def score(self) -> ScoreTick:
        """What was read, each list in order of time; instruments by program, drums last."""
        score = ScoreTick(self.vocabulary.ticks_per_quarter)
        for program in sorted({*self._notes, *self._tracks}, key=lambda item: (item < 0, item)):
            track = self._track(program)
            notes = np.array(sorted(self._notes.get(program, []), key=lambda note: note[::2]))
            if len(notes):
                track.notes = note_list(*notes.T)
            score.tracks.append(track)
        for tick, tempo in sorted(self._tempos.items()):
            score.tempos.append(TempoTick(tick, tempo))
        for tick, metre in sorted({0: (4, 4), **self._metres}.items()):
            last = score.time_signatures[-1] if len(score.time_signatures) else None
            if last is None or (last.numerator, last.denominator) != metre:
                score.time_signatures.append(TimeSignatureTick(tick, *metre))
        for tick, key in sorted(self._keys.items()):
            score.key_signatures.append(KeySignatureTick(tick, *key))
        return score

    def _track(self, program: int) -> TrackTick:
        if program not in self._tracks:
            name = "Drums" if program == DRUMS else "Piano" if program == 0 else f"Part {program}"
            self._tracks[program] = TrackTick(name, max(program, 0), program == DRUMS)
        return self._tracks[program]

    def _pitch(self, kind: str, value: int) -> int | None:
        """The pitch of a note token; None where an interval leads out of range."""
        if kind == "PitchDrum":
            return value
        onset, chord = self._intervals.get(self._program, (_NOWHERE, _NOWHERE))
        if kind == "PitchIntervalTime":
            value += onset
        elif kind == "PitchIntervalChord":
            value += chord
        low, high = self.config.pitch_range
        if not low <= value <= high:
            return None
        onset = onset if kind == "PitchIntervalChord" else value
        self._intervals[self._program] = (onset, value)
        return value

    def _length(self, kind: str, value: str) -> int:
        """The ticks of a `Duration` or `Rest` in the metre in force."""
        key = (kind, self._under)
        if key not in self._lengths:
            vocabulary = self.vocabulary
            names = vocabulary.values[vocabulary.span(kind)]
            ticks = vocabulary.ticks(kind, self._under).tolist()
            self._lengths[key] = dict(zip(names, ticks, strict=True))
        return self._lengths[key][value]

    def _measure(self, metre: Metre) -> None:
        self._under, self._beat = metre[1], self.vocabulary.ticks_per_beat(metre[1])
        self._bar_length = self._beat * metre[0]
        self._step = self._beat // self.config.positions_per_beat
