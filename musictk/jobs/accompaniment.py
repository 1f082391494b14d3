"""A given part as a model reads it, and the file with the part that is written beside it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTick, NoteTickList, ScoreTick, TrackTick

from musictk.controls import Bars
from musictk.controls.part_table import encode_bars
from musictk.controls.parts import with_tracks
from musictk.errors import UsageError
from musictk.files import write_bytes
from musictk.generation.compose import Composition
from musictk.generation.constraints import writes_drums
from musictk.generation.file_bars import find_owners
from musictk.instruments import DRUM_KIT, FAMILY
from musictk.jobs.given_music import GivenMusic, as_read, without_drums_hint
from musictk.music import bars, notes
from musictk.rendering.added_part import add_tracks
from musictk.tokens import Tokenizer
from musictk.wording import counted

_BASSES = 4  # the family of basses: programs 32 to 39


@dataclass(frozen=True)
class Melody:
    """The given part, as a model reads it."""

    tokenizer: Tokenizer
    given: GivenMusic

    @cached_property
    def music(self) -> ScoreTick:
        """Encoded and decoded. Raises UsageError where it cannot be encoded."""
        return self._decoded(self.given.part)

    @cached_property
    def lines(self) -> list[int]:
        """The bar lines of the file: ticks."""
        return [int(line) for line in bars(self.given.score)]

    @cached_property
    def bars(self) -> int:
        """The bars of the file up to the last note."""
        return int(np.searchsorted(self.lines, notes(self.given.part).start.max(), "right"))

    @cached_property
    def edges(self) -> NDArray[np.int64]:
        """Ticks of the file: where the model's bars up to the last note begin, the last ends."""
        music = self.music
        whole = self.tokenizer.encode(self.given.part)
        found = Bars.of(music, len(self.tokenizer.bar_starts(whole)))
        last = int(found.bar_of(found.notes.start[-1:])[0])
        return self.file_ticks(found.lines[: last + 2])

    @property
    def count(self) -> int:
        """The bars of the model up to the last note."""
        return len(self.edges) - 1

    def count_beside(self, bars: int) -> int:
        """The bars of the model that begin before the end of the first `bars` of the file."""
        moved = self.given.score.ticks_per_quarter // 8  # so far can a line of the model be off
        begun = np.searchsorted(self.edges[:-1], self.lines[bars] - moved)
        return max(int(begun), 1)

    def owners(self, count: int) -> list[int]:
        """The bar of the file for each of the first `count` bars of the model."""
        return find_owners(self.edges[: count + 1].tolist(), self.lines)

    def doubled(self, track: TrackTick, held: bool) -> NDArray[np.bool_]:
        """(N,) the notes of a new track that begin together with a given one of their pitch.

        If `held`, also those that begin while the given one sounds.
        """
        new, old = track.notes.numpy(), notes(self.music, drums=False)
        time, pitch = (new[name].astype(np.int64)[:, None] for name in ("time", "pitch"))
        ends = old.end if held else old.start + 1
        found = (pitch == old.pitch) & (old.start <= time) & (time < ends)
        return np.asarray(found.any(axis=1))

    def sequence(self, count: int) -> NDArray[Any]:
        """Its first `count` bars, encoded."""
        found = encode_bars(self.tokenizer, [self.given.part], self.lines, count)
        if found is None:
            raise UsageError("the model cannot read the bars of the given part", "try another run")
        return found[0]

    @cached_property
    def ticks(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ticks of the model's music, and the ticks of the file at which they are.

        Found by encoding a note at each bar line of the file: an opening bar can be longer in the
        model's music, and its bars can be others.
        """
        first = self.music.tracks[0].notes[0]
        track = TrackTick("", self.music.tracks[0].program, self.music.tracks[0].is_drum)
        length = max(self.given.score.ticks_per_quarter // 4, 1)
        for line in self.lines:
            track.notes.append(NoteTick(line, length, first.pitch, 64))
        ruler = self._decoded(with_tracks(self.given.score, [track]))
        marks = np.unique(ruler.tracks[0].notes.numpy()["time"]).astype(np.int64)
        lines = np.array(self.lines, np.int64)
        if len(marks) != len(lines):  # bars shorter than the model's grid
            return marks[[0, -1]], lines[[0, -1]]
        return marks, lines

    def file_ticks(self, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Ticks of the model's music, as those of the file; straight on outside of the bars."""
        marks, lines = self.ticks
        place = np.clip(np.searchsorted(marks, ticks, "right") - 1, 0, len(marks) - 2)
        slope = (lines[place + 1] - lines[place]) / (marks[place + 1] - marks[place])
        return np.rint(lines[place] + (ticks - marks[place]) * slope).astype(np.int64)

    def _decoded(self, score: ScoreTick) -> ScoreTick:
        hint = "choose other music or a run"
        if all(track.is_drum for track in score.tracks) and not writes_drums(self.tokenizer):
            hint = without_drums_hint(self.given.score)
        return as_read(self.tokenizer, score, "the given part", hint)


@dataclass(frozen=True)
class Added:
    """The given file with a part that a model wrote beside it."""

    melody: Melody
    made: Composition

    def write(self, path: Path) -> list[str]:
        """Write the file; returns notices of what it cannot represent."""
        added = add_tracks(self.melody.given.data, self.new)
        write_bytes(path, added.data)
        notices = added.notices
        if count := sum(int(each.sum()) for each in self._doubled):
            notices.append(
                f"{path.name}: without {counted(count, 'note')} that the given part plays, too"
            )
        if left_out := self._built[1]:
            word = "note that begins" if left_out == 1 else "notes that begin"
            notices.append(
                f"{path.name}: without {left_out:,} {word} with another,"
                " as the instrument plays one note at a time"
            )
        if added.left_out:
            notices.append(
                f"{path.name}: without {counted(added.left_out, 'note')} that another track"
                " of the same channel plays, too"
            )
        return notices

    @cached_property
    def _music(self) -> ScoreTick:
        """The new part, in ticks of the model."""
        music = self.melody.tokenizer.decode(self.made.sequence)
        assert isinstance(music, ScoreTick)
        return music

    @cached_property
    def _doubled(self) -> list[NDArray[np.bool_]]:
        """Of each track, (N,) the notes that double given ones, and are left out."""
        given, found = self.melody.given, []
        for track in self._music.tracks:
            if given.doubles or track.is_drum or given.program == DRUM_KIT:  # drums have no pitch
                found.append(np.zeros(len(track.notes), bool))
                continue
            program = track.program if given.program is None else given.program
            # A key or string that sounds cannot be struck by another part of the instrument.
            held = program in {each.program for each in given.part.tracks}
            found.append(self.melody.doubled(track, held))
        return found

    @property
    def new(self) -> ScoreTick:
        """The new tracks, in ticks of the file."""
        return self._built[0]

    @cached_property
    def _built(self) -> tuple[ScoreTick, int]:
        """The new tracks, and the number of notes that their instrument cannot play."""
        music, program = self._music, self.melody.given.program
        found, left_out = ScoreTick(self.melody.given.score.ticks_per_quarter), 0
        whole = TrackTick("", max(program or 0, 0), program == DRUM_KIT)
        for track, doubled in zip(music.tracks, self._doubled, strict=True):
            if program is not None:
                if whole.is_drum or not track.is_drum:  # the notes of drums have no pitch
                    self._move(track, whole, ~doubled)
                continue
            part = TrackTick("", track.program, track.is_drum)
            self._move(track, part, ~doubled)
            found.tracks.append(part)
        if program is not None:
            if self.melody.given.one_note:
                left_out = _leave_one_voice(whole)
            found.tracks.append(whole)
        return found, left_out

    def _move(self, track: TrackTick, part: TrackTick, kept: NDArray[np.bool_]) -> None:
        """Add the `kept` notes of a track, (N,), to a part, in ticks of the file."""
        new = {name: each[kept].astype(np.int64) for name, each in track.notes.numpy().items()}
        start = self.melody.file_ticks(new["time"])
        end = self.melody.file_ticks(new["time"] + new["duration"])
        last = self.melody.lines[self.melody.given.bars or -1]
        for row in zip(start, end, new["pitch"], new["velocity"], strict=True):
            begin, stop, pitch, velocity = map(int, row)
            # An opening bar can begin before the file, and the model's last bar end after it.
            if 0 <= begin < last:
                part.notes.append(NoteTick(begin, max(stop - begin, 1), pitch, velocity))


def _leave_one_voice(part: TrackTick) -> int:
    """Leave one of the notes that begin together, up to the next; return how many were removed.

    Of a bass the lowest, of others the highest.
    """
    notes = part.notes.numpy()
    height = notes["pitch"].astype(np.int64)
    if part.program // FAMILY != _BASSES:
        height = -height
    order = np.lexsort((height, notes["time"]))
    time = notes["time"][order]
    first = np.diff(time, prepend=-1) > 0
    kept = {name: values[order][first] for name, values in notes.items()}
    until_next = np.diff(kept["time"])
    np.minimum(kept["duration"][:-1], until_next, out=kept["duration"][:-1])
    columns = ("time", "duration", "pitch", "velocity")
    part.notes = NoteTickList.from_numpy(*(kept[name] for name in columns))
    return int(np.count_nonzero(~first))
