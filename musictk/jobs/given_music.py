"""The music beside which another part is written: read, and stored for `sample --like`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from symusic.core import ScoreTick, TrackTick

from musictk.controls import Controls
from musictk.controls.parts import with_tracks
from musictk.errors import MusictkError, UsageError
from musictk.generation.chosen_controls import ChosenControl, check_no_section
from musictk.generation.constraints import TRAIN_PROGRAMS
from musictk.instruments import find_programs, instrument_name
from musictk.jobs.prompt import read_copy, store_copy
from musictk.reading.limits import Limits
from musictk.reading.read import read_midi
from musictk.rendering.note_places import track_channels
from musictk.rendering.raw_notes import TrackChannel
from musictk.tokens import METRE, TEMPO, Tokenizer
from musictk.workspace import Workspace

_LIMITS = ("lowest", "highest")  # the controls that limit pitches


@dataclass(frozen=True)
class GivenMusic:
    """A MIDI file, its tracks that are given, and the instrument of the part that is added."""

    data: bytes
    tracks: tuple[int, ...]  # indices of `tracks_with_notes`
    program: int | None  # DRUM_KIT for drums; None: as the model writes it
    doubles: bool = True  # new notes may double given ones, as in earlier rows
    one_note: bool = False  # the new part plays one note at a time; not so in earlier rows
    bars: int = 0  # of the file, from the first, beside which the part is written; 0: all

    @cached_property
    def score(self) -> ScoreTick:
        """The music of the file."""
        return read_midi(self.data, Limits()).score

    @cached_property
    def part(self) -> ScoreTick:
        """The tracks that are given."""
        known = tracks_with_notes(self.score)
        return with_tracks(self.score, [known[index] for index in self.tracks])

    def store(self, workspace: Workspace) -> dict[str, Any]:
        """Copy the file into the workspace, once; the values for a sample's row."""
        return {
            **store_copy(workspace, self.data),
            "tracks": list(self.tracks),
            "program": self.program,
            "doubles": self.doubles,
            "one_note": self.one_note,
            "bars": self.bars,
        }

    @staticmethod
    def read(workspace: Workspace, stored: Mapping[str, Any]) -> GivenMusic:
        """The inverse of `store`. Raises MusictkError if the copy is missing or has changed."""
        data = read_copy(workspace, stored, "accompanies", "--accompany")
        tracks, doubles = tuple(map(int, stored["tracks"])), bool(stored.get("doubles", True))
        one_note, bars = bool(stored.get("one_note")), int(stored.get("bars", 0))
        return GivenMusic(data, tracks, stored["program"], doubles, one_note, bars)


def tracks_with_notes(score: ScoreTick) -> list[TrackTick]:
    """The tracks of a score that are not empty: one for each program of a channel on a track."""
    return [track for track in score.tracks if len(track.notes)]


def channels_with_notes(score: ScoreTick, data: bytes) -> list[TrackChannel]:
    """The track and channel in the file of each of `tracks_with_notes`."""
    places = zip(track_channels(score, data), score.tracks, strict=True)
    return [place for place, track in places if len(track.notes)]


def numbered_tracks(score: ScoreTick, data: bytes) -> list[list[int]]:
    """For each track of the file that has notes, indices of `tracks_with_notes`.

    `--track` numbers these from 1. Where all notes are on one track, as in a file of format 0, its
    channels are numbered.
    """
    places = channels_with_notes(score, data)
    one = len({place.track for place in places}) == 1
    found: dict[int, list[int]] = {}
    for index, place in enumerate(places):
        found.setdefault(place.channel if one else place.track, []).append(index)
    return list(found.values())


def find_tracks(score: ScoreTick, data: bytes, text: str) -> tuple[int, ...]:
    """Indices of `tracks_with_notes`, from numbers or names such as "2" or "Bass, Drums".

    All for "". A name may be that of an instrument, where no track has it: in a file of format 0
    all channels have the name of the song. Raises UsageError, which lists the tracks, where there
    is none.
    """
    known = tracks_with_notes(score)
    if not known:
        raise MusictkError("the given music has no notes", "choose a file with notes")
    if not text.strip():
        return tuple(range(len(known)))
    groups, played = numbered_tracks(score, data), instruments_of(known)
    names = [known[group[0]].name.strip() for group in groups]

    def named(part: str) -> list[int]:
        wanted = part.strip().casefold()
        if wanted.isdecimal() and 1 <= int(wanted) <= len(groups):
            return groups[int(wanted) - 1]
        pairs = zip(names, groups, strict=True)
        own = [
            index for name, group in pairs if name and name.casefold() == wanted for index in group
        ]
        return own or [index for index, name in enumerate(played) if name.casefold() == wanted]

    parts = [text] if named(text) else text.split(",")  # a name may have a comma
    for part in parts:
        if not named(part):
            listed = ", ".join(_described(names, [[played[at] for at in each] for each in groups]))
            raise UsageError(f"the given music has no track {part.strip()!r}", f"it has: {listed}")
    return tuple(sorted({index for part in parts for index in named(part)}))


def instruments_of(tracks: Sequence[TrackTick]) -> list[str]:
    """The name of each track's instrument."""
    return [instrument_name(track.program, track.is_drum) for track in tracks]


def _described(names: Sequence[str], played: Sequence[Sequence[str]]) -> list[str]:
    """Each track's number and name, and its instruments where others have the same name."""
    shown = [name or instruments[0] for name, instruments in zip(names, played, strict=True)]
    return [
        f"{number} {name!r}" + (f" ({', '.join(instruments)})" if shown.count(name) > 1 else "")
        for number, (name, instruments) in enumerate(zip(shown, played, strict=True), 1)
    ]


def require_music(tokenizer: Tokenizer, lacking: str) -> None:
    """Raise UsageError for a tokenizer of text, which has no `lacking`, such as "parts"."""
    if "midi" not in tokenizer.reads:
        raise UsageError(
            f"the model writes text with the tokenizer {tokenizer.name}, which has no {lacking}",
            "choose a model of music with --run",
        )


def as_read(tokenizer: Tokenizer, score: ScoreTick, what: str, hint: str) -> ScoreTick:
    """Music encoded and decoded. Raises UsageError, with `what` it is, where it cannot be."""
    try:
        music = tokenizer.decode(tokenizer.encode(score))
    except ValueError as error:
        raise UsageError(f"the model cannot read {what}: {error}", hint) from error
    assert isinstance(music, ScoreTick)
    return music


def without_drums_hint(score: ScoreTick) -> str:
    """What to do with music, of which only drums were chosen, and a model without drums."""
    if any(not track.is_drum for track in tracks_with_notes(score)):
        return "choose another track with --track"
    return f"choose a file with other notes, or {TRAIN_PROGRAMS}"


def check_controls_of_file(
    controls: Sequence[ChosenControl], option: str, keeps: str, metre: str | None = None
) -> None:
    """Raise UsageError for a metre or a tempo, which `option` takes from the file, or a section.

    `metre` is that of `--metre`.
    """
    check_no_section(controls)
    chosen = [f"{one.name}={one.value}" for one in controls if one.name in (METRE, TEMPO)]
    chosen += [f"--metre {metre}"] if metre else []
    if chosen:
        raise UsageError(
            f"{chosen[0]} does not apply to {option}",
            f"{keeps} the metres and the tempos of the file: leave it out",
        )


def within(
    limits: tuple[int, int] | None, controls: Sequence[ChosenControl], known: Controls
) -> tuple[ChosenControl, ...]:
    """The controls, with a lowest and a highest pitch where the user chose neither for all bars.

    `known` are those of the model, which may lack them.
    """
    offered = set(known.names) - set(known.missing)
    chosen = for_all_bars(controls)
    if limits is None or not set(_LIMITS) <= offered or not chosen.isdisjoint(_LIMITS):
        return tuple(controls)
    own = [ChosenControl("", name, str(limit)) for name, limit in zip(_LIMITS, limits, strict=True)]
    return (*own, *controls)


def for_all_bars(controls: Sequence[ChosenControl]) -> set[str]:
    """The names of the controls that hold for all bars."""
    return {one.name for one in controls if not one.where}


def find_program(text: str) -> int | None:
    """The program (0-127, or DRUM_KIT) that a name, a word of names or a number means.

    Of several, such as "bass", the first. Raises UnknownNameError, which has the nearest names.
    """
    if "," in text:
        raise UsageError(f"--program {text!r} is not one instrument", "give one name")
    return min(find_programs(text), default=None)
