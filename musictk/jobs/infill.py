"""Write some bars of a given piece again, and keep all the rest of its file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from symusic.core import ScoreTick

from musictk.controls.arrangement import REMAINING
from musictk.controls.parts import with_tracks
from musictk.errors import UsageError
from musictk.files import write_bytes
from musictk.generation.chosen_controls import ChosenControl
from musictk.generation.compose import Composition, compose, context_length
from musictk.generation.dropped_prompt import dropped_prompt
from musictk.generation.ending import key_of_given
from musictk.generation.file_bars import check_for_file, for_file, for_model
from musictk.generation.form import check_bars
from musictk.generation.gaps import Gap, encode_gap, encode_range
from musictk.generation.keep import RHYTHM
from musictk.generation.metres import STEADY, known_metres
from musictk.generation.new_bars import new_bars
from musictk.generation.opening import Notice
from musictk.generation.part_gaps import PartsAround
from musictk.generation.prompts import last_positions
from musictk.generation.request import PieceRequest, to_prompt
from musictk.generation.sampling import Sampling
from musictk.jobs.given_bars import MELODY, GivenBars
from musictk.jobs.given_music import as_read, instruments_of, tracks_with_notes
from musictk.jobs.prompt import same_instruments
from musictk.jobs.samples import Rewritten
from musictk.music import notes
from musictk.reading.limits import Limits
from musictk.reading.read import read_midi
from musictk.reading.reasons import RejectedError
from musictk.rendering import splice
from musictk.runtime import Runtime
from musictk.tokens import METRE, Frames, Tokenizer


@dataclass(frozen=True)
class Candidate:
    """The given piece with its bars written again."""

    data: bytes  # of the MIDI file
    composition: Composition  # of the first range, with the notices of all
    rewritten: Rewritten
    added: tuple[str, ...] = ()  # instruments that the given piece does not have

    def write(self, path: Path) -> list[str]:
        """Write the file; returns a notice of the instruments that were added."""
        write_bytes(path, self.data)
        if not self.added:
            return []
        return [f"the new bars add {', '.join(self.added)}; to choose the instruments: --programs"]


@dataclass(frozen=True)
class Infill:
    """Bars of a given piece, and the model that writes them.

    Ranges are written from left to right, each given what was written before.
    """

    runtime: Runtime
    tokenizer: Tokenizer
    given: GivenBars
    sampling: Sampling

    @cached_property
    def music(self) -> ScoreTick:
        """The whole piece, encoded and decoded. Raises UsageError where it cannot be encoded."""
        return as_read(self.tokenizer, self.given.score, "the piece", "choose another piece or run")

    @cached_property
    def dropped(self) -> list[str]:
        """What the model cannot represent of the piece."""
        score = self.given.score
        if self.given.drums_stay:
            score = with_tracks(score, [track for track in score.tracks if not track.is_drum])
        return dropped_prompt(self.tokenizer, score, self.music)

    def check_controls(self) -> None:
        """Raise UsageError for controls that leave nothing to write in a bar of any range."""
        known, chosen = self.runtime.manifest.controls, self.given.numbered_controls
        for first, last in self.given.ranges:
            bars = range(first, last + 1)
            check_for_file(known, self.tokenizer, self.sampling, chosen, bars)

    def first(self, base: PieceRequest) -> PieceRequest:
        """The request for the first range; `base` has all that does not depend on the music."""
        return self._request(base, 0, self._first_gap, self.given.data)

    def finish(self, made: Composition) -> Candidate:
        """Add the composition of the first range to the piece, then write the other ranges."""
        given, removed = self.given, self._removed
        spliced = self._spliced(removed.data, 0, made, self._first_gap)
        count, left_out = spliced.count, spliced.left_out
        positions = max(made.written, 1)
        nats = (made.nats or 0.0) * positions
        notices = self._of_file(made, 0, self._first_gap)
        for number in range(1, len(given.ranges)):
            data = spliced.data
            gap = self._gap(number, self._score(data))
            base = replace(made.request, seed=_seed(made, number), count=1)
            request = self._request(base, number, gap, data)
            (later,) = compose(self.runtime, self.tokenizer, request, scored=True)
            spliced = self._spliced(data, number, later, gap)
            count, left_out = count + spliced.count, left_out + spliced.left_out
            notices += self._of_file(later, number, gap)
            nats += (later.nats or 0.0) * later.written
            positions += later.written
        done = Rewritten(given.ranges, removed.count, count, nats / positions, left_out)
        before, after = given.score, self._score(spliced.data)
        known, found = (set(instruments_of(tracks_with_notes(each))) for each in (before, after))
        added = tuple(sorted(found - known))
        return Candidate(spliced.data, replace(made, notices=tuple(notices)), done, added)

    def _of_file(self, made: Composition, number: int, gap: Gap) -> list[Notice]:
        """The notices of a range, for bars of the file."""
        owners = self.given.owners_of(number, gap.edges)
        controls, bars = self.given.numbered_controls, self.given.ranges[number]
        return for_file(made.notices, controls, owners, bars)

    @cached_property
    def _first_gap(self) -> Gap:
        """The music around the first range, the same for every candidate."""
        return self._gap(0, self.given.score)

    @cached_property
    def _removed(self) -> splice.Spliced:
        """The file without the notes that are written again."""
        given = self.given
        ranges = [place[:2] for place in given.places]
        return splice.remove(given.data, ranges, given.channels, given.melody)

    def _spliced(self, data: bytes, number: int, made: Composition, gap: Gap) -> splice.Spliced:
        """The file with the new notes of a range."""
        frames = isinstance(self.tokenizer.space, Frames)
        held = self._held(data, gap.begins) if frames else frozenset[int]()
        new = self._playable(new_bars(self.tokenizer, made, held)[0])
        place, given = self.given.places[number], self.given
        by_program = same_instruments(given.score, self.music)
        quarter = given.score.ticks_per_quarter
        return splice.insert(
            data,
            given.data,
            new,
            place[:2],
            quarter,
            by_program,
            given.channels,
            gap.begins,
            chords=given.chords,
            rhythm=given.chords and given.keep == RHYTHM,
        )

    def _held(self, data: bytes, line: int) -> frozenset[int]:
        """The pitches of the part that is written that sound over a bar line of the file so far."""
        written, _ = self.given.parts(data, self._score(data))
        found, least = notes(written, drums=False), written.ticks_per_quarter // 8  # half a frame
        over = (found.start < line) & (found.end > line + least)
        return frozenset(found.pitch[over].tolist())

    def _playable(self, new: ScoreTick) -> ScoreTick:
        """The new notes that the chosen tracks can play: drums have no pitch."""
        if self.given.channels is None:
            return new
        played, _ = self.given.two_parts
        kinds = {track.is_drum for track in played.tracks if len(track.notes)}
        kept = [track for track in new.tracks if track.is_drum in kinds]
        return with_tracks(new, kept)

    def _score(self, data: bytes) -> ScoreTick:
        """The music of the file so far, in which later ranges are empty."""
        try:
            return read_midi(data, Limits()).score
        except RejectedError:  # no notes: rests were written, and nothing else is in it
            empty = self.given.score.copy()
            for track in empty.tracks:
                track.notes.clear()
            return empty

    def _gap(self, number: int, score: ScoreTick) -> Gap:
        place = self.given.places[number]
        return encode_gap(self.tokenizer, score, self.music, place, self._most_after)

    @property
    def _most_after(self) -> int:
        """The most positions of the music after the bars that the model is given."""
        return context_length(self.runtime.manifest, self.sampling) * 3 // 8

    def _request(self, base: PieceRequest, number: int, gap: Gap, data: bytes) -> PieceRequest:
        """The request for the bars of one range of the file so far."""
        check_bars(gap.bars)
        metre, controls = self._metres(gap.metres)
        most = base.sampling.prompt_tokens
        split = self.given.split
        around = self._beside(number, gap, data, most) if split else self._around(gap, most)
        owners = self.given.owners_of(number, gap.edges)
        return replace(
            base,
            form="",
            bars=gap.bars,
            controls=(*for_model(self.given.numbered_controls, owners), *controls),
            sampling=replace(base.sampling, metre=metre),
            whole=True,
            keep=self._keep,
            original=self._original(number, gap),
            positions=gap.positions,
            ends_in=self._ends_in,
            **around,
        )

    def _around(self, gap: Gap, most: int) -> dict[str, Any]:
        """The music before some bars and after them."""
        past = last_positions(self.tokenizer, gap.past, most)
        after = to_prompt(gap.after)
        return {"prompt": to_prompt(past), "after": after, "following": gap.following}

    def _beside(self, number: int, gap: Gap, data: bytes, most: int) -> dict[str, Any]:
        """The part that is written up to some bars, and the other notes, which are kept."""
        place, lines = self.given.places[number], self.given.lines
        ahead = next((line for line in lines if line > place.stop), place.stop)
        written, beside = self.given.parts(data, self._score(data))
        around = PartsAround(written, beside, self.music)
        later = self._most_after if REMAINING in self.runtime.manifest.controls.names else 0
        parts = around.gap(self.tokenizer, gap, place, ahead, later).cut(self.tokenizer, most)
        given, known = (len(self.tokenizer.bar_starts(each)) for each in (parts.after, gap.after))
        return {
            "prompt": to_prompt(parts.past),
            "beside": to_prompt(parts.beside),
            "after": to_prompt(parts.after),
            "following": gap.following + known - given,
        }

    @cached_property
    def _ends_in(self) -> str:
        """The key in which the piece ends, the same for every range and candidate."""
        return key_of_given(self.given.score, whole=True)

    @property
    def _keep(self) -> str:
        """What the model keeps of the bars; the melody is not its part."""
        return "" if self.given.keep == MELODY else self.given.keep

    def _original(self, number: int, gap: Gap) -> tuple[Any, ...]:
        """The bars of a range as they are, where something of them is kept."""
        if not self._keep:
            return ()
        place = self.given.places[number]
        given, _ = self.given.two_parts
        bars = (
            None
            if gap.positions
            else encode_range(self.tokenizer, given, self.music, place, gap.bars)
        )
        if bars is None:
            raise UsageError(
                f"cannot keep the {self.given.keep}: the model's bars are not those of the piece",
                "leave --keep out, or use a model with the tokenizer remi or events",
            )
        return to_prompt(bars)

    @property
    def free_metres(self) -> list[str]:
        """The metres of the first range, where they differ and the model chooses among them."""
        found = list(dict.fromkeys(self._first_gap.metres))
        free = len(found) > 1 and self._metres(self._first_gap.metres) == (STEADY, ())
        return found if free else []

    def _metres(self, metres: Sequence[str]) -> tuple[str, tuple[ChosenControl, ...]]:
        """The metres of the file: as the metre of all bars, or as controls of each bar."""
        if not metres or not set(metres) <= set(known_metres(self.tokenizer)):
            return STEADY, ()
        controls = self.runtime.manifest.controls
        if METRE in controls.names:
            control = controls.named(METRE)
            if set(metres) <= set(control.values):
                return STEADY, (ChosenControl("", METRE, " | ".join(metres)),)
        return (metres[0] if len(set(metres)) == 1 else STEADY), ()


def _seed(made: Composition, number: int) -> int:
    """The seed of a later range: another for each piece and range."""
    text = f"{made.request.seed} {made.row} {number}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7])
