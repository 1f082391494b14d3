"""`sample --accompany`: another part is written beside the user's music, and added to its file."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.catalog import Catalog
from musictk.controls import Bars
from musictk.controls.part_table import encode_bars
from musictk.controls.parts import with_tracks
from musictk.errors import MusictkError, UsageError
from musictk.files import write_bytes
from musictk.generation.compose import Composition, compose, remake
from musictk.generation.dropped_prompt import dropped_prompt
from musictk.generation.form import MOST_BARS
from musictk.generation.request import PieceRequest, to_prompt
from musictk.generation.sampling import Sampling, resolve_sampling
from musictk.instruments import DRUM_KIT, instrument_name
from musictk.jobs.bundles import LoadedModel
from musictk.jobs.delivery import deliver
from musictk.jobs.given_music import GivenMusic, find_program, find_tracks
from musictk.jobs.mixture import mixtures
from musictk.jobs.named_music import find_music
from musictk.jobs.pieces import require_targets, target
from musictk.jobs.sample_rows import SampleRows
from musictk.jobs.samples import (
    SampleBatch,
    SampleFile,
    SampleListener,
    SampleRequest,
    draw_seed,
    folded,
)
from musictk.jobs.stored import Remade, StoredSample
from musictk.model.manifest import Manifest
from musictk.model.memory import enough_memory
from musictk.music import bars
from musictk.rendering.added_part import add_tracks
from musictk.runtime import Runtime
from musictk.tokens import PROGRAM, Tokenizer
from musictk.workspace import Workspace

_OTHERS = ("prompt", "theme", "form", "new_only")  # uses of music that exclude each other


def check_accompany(asked: SampleRequest) -> None:
    """Raise UsageError for options that cannot be combined with `accompany`, or need it."""
    if asked.accompany is None:
        if asked.track and asked.infill is None:
            raise UsageError(
                "--track needs music to write a part beside, or of which to rewrite a part",
                "add --accompany FILE or --infill FILE",
            )
        if asked.program:
            raise UsageError("--program needs music to write a part beside", "add --accompany FILE")
        return
    if asked.program and asked.options.get("programs"):
        raise UsageError(
            "--program cannot be combined with --programs", "--program gives the part's instrument"
        )
    for name in _OTHERS:
        if getattr(asked, name):
            raise UsageError(
                f"--accompany cannot be combined with --{name.replace('_', '-')}",
                "it writes another part of the same bars",
            )


def accompany(
    catalog: Catalog | None,
    workspace: Workspace,
    asked: SampleRequest,
    opened: LoadedModel,
    out: Path | None,
    listener: SampleListener | None,
) -> SampleBatch:
    """Write a part beside the music `asked.accompany`, `asked.count` times."""
    runtime = opened.runtime
    tokenizer = runtime.manifest.make_tokenizer()
    if "midi" not in tokenizer.reads:
        raise UsageError(
            f"the model writes text with the tokenizer {tokenizer.name}, which has no parts",
            "choose a model of music with --run",
        )
    music = find_music(str(asked.accompany), workspace, lambda: nullcontext(catalog))
    given = GivenMusic(
        music.midi, find_tracks(music.score, asked.track), find_program(asked.program)
    )
    melody = Melody(tokenizer, given)
    bars, wanted = melody.count, int(asked.bars)
    if wanted > bars:
        raise UsageError(f"the given part has {bars} bars, not {wanted}", "give fewer --bars")
    count = min(wanted or bars, MOST_BARS)
    request = PieceRequest(
        conditions=mixtures(catalog, runtime.manifest.conditions, asked.labels),
        bars=count,
        controls=asked.controls,
        seed=draw_seed(asked.seed),
        count=asked.count,
        sampling=_sampling(runtime.manifest, asked, tokenizer, given.program),
        samplers=asked.samplers,
        beside=to_prompt(melody.sequence(count)),
    )
    require_targets(out, opened.name, request, tokenizer)
    if listener is not None and (dropped := dropped_prompt(given.part, melody.music)):
        listener.notice(
            f"the model cannot represent {', '.join(dropped)} of the given part;"
            " the part itself is written unchanged"
        )
    rows = SampleRows(catalog, workspace, opened, request, new_only=False)
    rows.store_part(given)
    with enough_memory("ask for a smaller --count or fewer --bars"):
        composed = compose(runtime, tokenizer, request, listener)
    made: list[SampleFile] = []
    moved: list[MusictkError] = []
    notices: list[str] = []
    for one in composed:
        path = target(out, opened.name, request, one.row, tokenizer)
        written = deliver(path, Added(melody, one).write)
        notices += written.notices
        moved += [] if written.error is None else [written.error]
        sample_id = rows.add(written.path, one)
        made.append(SampleFile(sample_id, written.path, one, opened.name))
    unique = tuple(dict.fromkeys([*notices, *rows.notices]))
    return SampleBatch(tuple(made), (), tuple(moved), folded(runtime, request), unique)


def _sampling(
    manifest: Manifest, asked: SampleRequest, tokenizer: Tokenizer, program: int | None
) -> Sampling:
    """The sampling options, limited to the instrument of the part where the model writes it."""
    options = dict(asked.options)
    if program is not None:
        writes = PROGRAM in tokenizer.attributes()
        name = instrument_name(max(program, 0), program == DRUM_KIT)
        options["programs"] = name if writes else ""
    controlled = manifest.controls.need_guidance(one.name for one in asked.controls)
    return resolve_sampling(manifest.sampling, options, planned=True, controlled=controlled)


def repeat_accompaniment(
    catalog: Catalog,
    workspace: Workspace,
    stored: StoredSample,
    out: Path | None,
    listener: SampleListener | None,
) -> SampleBatch:
    """Repeat a stored sample that was written beside given music."""
    given = GivenMusic.read(workspace, stored.music["accompany"])

    def again(runtime: Runtime) -> Remade:
        tokenizer = runtime.manifest.make_tokenizer()
        made = remake(runtime, tokenizer, stored.request, stored.index, listener)
        return Remade(made, Added(Melody(tokenizer, given), made).write)

    return stored.repeat(catalog, workspace, out, again)


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
    def count(self) -> int:
        """The bars of the model up to the last note."""
        music = self.music
        whole = self.tokenizer.encode(self.given.part)
        found = Bars.of(music, len(self.tokenizer.bar_starts(whole)))
        return int(found.bar_of(found.notes.start[-1:])[0]) + 1

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

    def _decoded(self, score: ScoreTick) -> ScoreTick:
        try:
            music = self.tokenizer.decode(self.tokenizer.encode(score))
        except ValueError as error:
            raise UsageError(
                f"the model cannot read the given part: {error}", "choose other music or a run"
            ) from error
        assert isinstance(music, ScoreTick)
        return music


@dataclass(frozen=True)
class Added:
    """The given file with a part that a model wrote beside it."""

    melody: Melody
    made: Composition

    def write(self, path: Path) -> list[str]:
        """Write the file; returns notices of what it cannot represent."""
        data, notices = add_tracks(self.melody.given.data, self.new)
        write_bytes(path, data)
        return notices

    @property
    def new(self) -> ScoreTick:
        """The new tracks, in ticks of the file."""
        music = self.melody.tokenizer.decode(self.made.sequence)
        assert isinstance(music, ScoreTick)
        program = self.melody.given.program
        found = ScoreTick(self.melody.given.score.ticks_per_quarter)
        whole = TrackTick("", max(program or 0, 0), program == DRUM_KIT)
        for track in music.tracks:
            if program is not None:
                if whole.is_drum or not track.is_drum:  # the notes of drums have no pitch
                    self._move(track, whole)
                continue
            part = TrackTick("", track.program, track.is_drum)
            self._move(track, part)
            found.tracks.append(part)
        if program is not None:
            found.tracks.append(whole)
        return found

    def _move(self, track: TrackTick, part: TrackTick) -> None:
        """Add the notes of a track to a part, in ticks of the file."""
        notes = {name: each.astype(np.int64) for name, each in track.notes.numpy().items()}
        start = self._file_ticks(notes["time"])
        end = self._file_ticks(notes["time"] + notes["duration"])
        for row in zip(start, end, notes["pitch"], notes["velocity"], strict=True):
            begin, stop, pitch, velocity = map(int, row)
            # An opening bar can begin before the file, and the model's last bar end after it.
            if 0 <= begin < self.melody.lines[-1]:
                part.notes.append(NoteTick(begin, max(stop - begin, 1), pitch, velocity))

    def _file_ticks(self, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Ticks of the model's music, as those of the file; straight on outside of the bars."""
        marks, lines = self.melody.ticks
        place = np.clip(np.searchsorted(marks, ticks, "right") - 1, 0, len(marks) - 2)
        slope = (lines[place + 1] - lines[place]) / (marks[place + 1] - marks[place])
        return np.rint(lines[place] + (ticks - marks[place]) * slope).astype(np.int64)
