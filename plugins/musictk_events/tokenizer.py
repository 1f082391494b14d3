"""`events`: note-on, note-off, time-shift and velocity, with a Bar token at every bar line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from musictk.config import check_settings, setting
from musictk.music import note_list, notes
from musictk.tokens import METRE, PITCH, RELEASE, Attribute, Grammar, Piece, Tokenizer
from musictk.tokens.attributes import MIDI_PITCHES
from musictk.tokens.bars import grid_of
from musictk.tokens.grid import Grid
from musictk.tokens.metrics import bar_metrics
from musictk.tokens.overlaps import distinct
from musictk_events.grammar import EventsGrammar
from musictk_events.layout import Layout

_KEY = 1024  # keys of one tick: 0 bar, 1 shift, 2 + pitch note-off, 256 + 2 · pitch (+ 1) note-on


@dataclass(frozen=True)
class EventsConfig:
    """Time is counted in beats of a quarter note, without tempos."""

    ticks_per_beat: int = setting(12, "Time resolution, in ticks per quarter note.", 1, 480)
    beats_per_bar: int = setting(
        0, "Length of every bar in quarter notes (0: the bars of the score).", high=64
    )
    pitch_range: tuple[int, int] = setting(
        (21, 108),
        "Lowest and highest MIDI pitch of the vocabulary; notes outside are left out.",
        words="two ascending pitches from 0 to 127",
        check=lambda pitches: 0 <= pitches[0] <= pitches[1] <= 127,
    )
    num_velocities: int = setting(32, "Number of velocity tokens.", 1, 127)
    tempo: int = setting(120, "Tempo of decoded music, in quarter notes per minute.", 4, 1000)

    def __post_init__(self) -> None:
        check_settings(self, "events")


class Events(Tokenizer):
    """All pitched tracks in one stream; drums and tempos are left out.

    A Bar token, which states the metre, begins every bar; see `musictk.tokens.bars` for bars whose
    length is that of no metre, and for pickups. Within a bar a shift leads to the next tick that
    has an event. At one tick note-offs come first, then note-ons, each by ascending pitch; a
    velocity comes before a note-on where it changes. A note that is repeated while it sounds ends
    there; of notes with one onset and pitch the longest is kept. `encode(decode(s)) == s` for every
    s of the grammar.
    """

    Config = EventsConfig
    name = "events"
    encoding = 2  # bars as they are written

    def __init__(self, config: EventsConfig, learned: str | None = None) -> None:
        super().__init__(config, learned)
        metrics = bar_metrics(config.ticks_per_beat, config.beats_per_bar)
        self.layout = Layout(metrics, config.pitch_range, config.num_velocities)
        self.space = self.layout.space
        self._grammar = EventsGrammar(self.layout)

    def encode(self, piece: Piece) -> NDArray[np.int64]:
        """(T,) ids. Raises ValueError for music without a note in range, or of too many bars."""
        if isinstance(piece, str):
            raise ValueError("events read music, not text")
        layout = self.layout
        grid, (onset, end, pitch, velocity) = self._on_grid(piece)
        final = int(end.max())
        bars = int(grid.begins.searchsorted(final, "right"))
        heard = np.zeros(final + 1, np.bool_)
        heard[onset] = True
        heard[end] = True
        at, shift = _shifts(heard.nonzero()[0], grid.begins)
        keyed = [
            (grid.begins[:bars] * _KEY, layout.bar + grid.metre[:bars]),
            (at * _KEY + 1, layout.shift - 1 + shift),
            (end * _KEY + 2 + pitch, layout.off - layout.low + pitch),
        ]
        notes = onset << 14 | pitch << 7 | velocity
        notes.sort()
        onset, pitch, velocity = notes >> 14, notes >> 7 & 127, notes & 127
        place = onset * _KEY + 2 * pitch
        loud = np.ones(len(notes), np.bool_)
        np.not_equal(velocity[1:], velocity[:-1], out=loud[1:])
        keyed += [
            (place[loud] + 256, layout.velocity + velocity[loud]),
            (place + 257, layout.on - layout.low + pitch),
        ]
        bits = layout.size.bit_length()
        keys = np.concatenate([key << bits | ids for key, ids in keyed])
        keys.sort()
        return keys & ((1 << bits) - 1)

    def decode(self, sequence: NDArray[Any]) -> Piece:
        layout = self.layout
        ids = np.asarray(sequence, np.int64)
        begins, metre, final, now = self._times(ids)
        ons, offs = layout.within(ids, "on"), layout.within(ids, "off")
        places = np.flatnonzero(ons | offs)  # what happens to pitches, in order
        pitch = np.where(ons, ids - layout.on, ids - layout.off)[places] + layout.low
        places = places[np.argsort(pitch, kind="stable")]
        pitch = np.sort(pitch, kind="stable")
        # A note lasts until the next event of its pitch, else to the end of the last bar.
        end = np.append(now[places][1:], final)
        end[np.append(pitch[1:] != pitch[:-1], True)[: len(end)]] = final
        end = end[: len(places)]
        onset = now[places]
        kept = ons[places] & (end > onset)
        loud = np.where(layout.within(ids, "velocity"), np.arange(len(ids)), -1)
        last = np.maximum.accumulate(loud)[places] if len(ids) else loud[places]
        level = np.where(last >= 0, ids[last] - layout.velocity, len(layout.levels) // 2)
        score = self._score(onset[kept], end[kept], pitch[kept], layout.levels[level[kept]])
        for index in np.flatnonzero(np.append(True, metre[1:] != metre[:-1])).tolist():
            sign = layout.metrics.known[metre[index]]
            score.time_signatures.append(TimeSignatureTick(int(begins[index]), *sign))
        return score

    def bar_starts(self, sequence: NDArray[Any]) -> NDArray[np.int64]:
        return np.flatnonzero(self.layout.within(np.asarray(sequence, np.int64), "bar"))

    def grammar(self) -> Grammar:
        return self._grammar

    def attributes(self) -> Mapping[str, Attribute]:
        layout, found = self.layout, {}
        for name, first in ((PITCH, layout.on), (RELEASE, layout.off)):
            states = np.zeros((layout.size, 128), bool)
            pitches = np.arange(layout.pitches)
            states[first + pitches, layout.low + pitches] = True
            found[name] = Attribute(MIDI_PITCHES, states)
        if len(layout.bar_ticks) == 1:
            return found
        names = tuple(f"{over}/{under}" for over, under in layout.metrics.known)
        bars = np.zeros((layout.size, len(names)), bool)
        bars[layout.bar : layout.on] = np.eye(len(names), dtype=bool)
        return {METRE: Attribute(names, bars), **found}

    def names(self) -> Sequence[str]:
        return self.layout.names()

    def transpose(self, sequence: NDArray[Any], semitones: int) -> NDArray[Any] | None:
        layout, ids = self.layout, np.asarray(sequence, np.int64)
        moved = ids.copy()
        for kind in ("on", "off"):
            notes = layout.within(ids, kind)
            moved[notes] += semitones
            if not layout.within(moved[notes], kind).all():
                return None
        return moved

    def shift_velocity(self, sequence: NDArray[Any], steps: int) -> NDArray[Any]:
        layout, ids = self.layout, np.asarray(sequence, np.int64)
        level = np.clip(ids - layout.velocity, 0, len(layout.levels) - 1)
        moved = layout.velocity + layout.nearest(layout.levels[level] + steps)
        return np.where(layout.within(ids, "velocity"), moved, ids)

    def _times(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """(bar lines (B,), metres (B,), the end of the last bar, the tick after each token (T,)).

        A shift never leads past the end of its bar.
        """
        layout = self.layout
        is_bar = layout.within(ids, "bar")
        metre = ids[is_bar] - layout.bar if is_bar.any() else np.zeros(1, np.int64)
        lengths = layout.metrics.lengths[metre]
        ends = np.cumsum(lengths)
        begins = ends - lengths
        shifts = np.cumsum(np.where(layout.within(ids, "shift"), ids - layout.shift + 1, 0))
        at_bar = np.maximum.accumulate(np.where(is_bar, shifts, 0)) if len(ids) else shifts
        bar = np.maximum(np.cumsum(is_bar) - 1, 0)
        now = begins[bar] + np.minimum(shifts - at_bar, lengths[bar] - 1)
        return begins, metre, ends[-1], now

    def _on_grid(self, score: ScoreTick) -> tuple[Grid, list[NDArray[np.int64]]]:
        """(N,) onset, end, pitch, velocity index: on the grid, none overlapping its own pitch."""
        found = notes(score, drums=False, ordered=False)
        if not len(found) and score.note_num():
            raise ValueError("it has no pitched note, only drums")
        low, high = self.config.pitch_range
        kept = (found.pitch >= low) & (found.pitch <= high)
        if not kept.any():
            raise ValueError("no note of a pitch from {} to {}".format(*self.config.pitch_range))
        found = found if kept.all() else found.where(kept)
        grid = grid_of(self.layout.metrics, score, int(found.end.max()))
        onset, end = grid.snap(found.start), grid.snap(found.end)
        end = np.maximum(end, onset + 1)
        order = distinct(onset, end, found.pitch)
        onset, end, pitch = onset[order], end[order], found.pitch[order]
        following = pitch[1:] == pitch[:-1]
        end[:-1] = np.where(following, np.minimum(end[:-1], onset[1:]), end[:-1])
        return grid, [onset, end, pitch, self.layout.nearest(found.velocity[order])]

    def _score(
        self,
        onset: NDArray[np.int64],
        end: NDArray[np.int64],
        pitch: NDArray[np.int64],
        velocity: NDArray[np.int64],
    ) -> ScoreTick:
        score = ScoreTick(self.config.ticks_per_beat)
        score.tempos.append(TempoTick(0, float(self.config.tempo)))
        order = np.lexsort((pitch, onset))
        track = TrackTick("Piano")
        columns = (onset, end - onset, pitch, velocity)
        track.notes = note_list(*(column[order] for column in columns))
        score.tracks.append(track)
        return score


def _shifts(
    ticks: NDArray[np.int64], begins: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(ticks, shifts that lead there): from the tick before in the same bar, or its bar line."""
    before = begins[begins.searchsorted(ticks, "right") - 1]
    before[1:] = np.maximum(before[1:], ticks[:-1])
    shift = ticks - before
    moving = shift > 0
    return ticks[moving], shift[moving]
