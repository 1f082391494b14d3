"""Each cell of the table in docs/tokenizers.md: a small score is encoded and decoded."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from symusic.core import (
    ControlChangeTick,
    KeySignatureTick,
    NoteTick,
    PedalTick,
    PitchBendTick,
    ScoreTick,
    TempoTick,
    TextMetaTick,
    TrackTick,
)

from musictk.cli.settings import assignments
from musictk.config import build
from musictk.jobs.merge import merge
from musictk.jobs.sources import Source
from musictk.plugin import registry
from musictk.tokens import METRE, Tokenizer
from tests.plugins.scores import score

NAMES = r"`(remi|events|pianoroll)`"
PAGE = (Path(__file__).parents[1] / "docs" / "tokenizers.md").read_text("utf-8")
SETTINGS = {
    "remi": ("remi", {}),
    "remi, programs": ("remi", {"programs": True}),
    "events": ("events", {}),
    "pianoroll": ("pianoroll", {}),
}
Facts = Callable[[ScoreTick], Any]


def tokenizer(column: str) -> Tokenizer:
    name, config = SETTINGS[column]
    kind = registry().load("tokenizer", name)
    made: Tokenizer = kind(build(kind.Config, config, name))
    return made


def decoded(column: str, piece: ScoreTick) -> ScoreTick:
    made = tokenizer(column)
    found = made.decode(made.encode(piece))
    assert isinstance(found, ScoreTick)
    return found


def notes(piece: ScoreTick) -> list[tuple[float, float, int]]:
    ticks = piece.ticks_per_quarter
    return sorted(
        (round(note.time / ticks, 3), round(note.duration / ticks, 3), note.pitch)
        for track in piece.tracks
        for note in track.notes
    )


def velocities(piece: ScoreTick) -> list[int]:
    return [note.velocity for track in piece.tracks for note in track.notes]


def tempos(piece: ScoreTick) -> list[tuple[float, int]]:
    return [(each.time / piece.ticks_per_quarter, round(each.qpm)) for each in piece.tempos]


def metres(piece: ScoreTick) -> list[tuple[float, int, int]]:
    ticks = piece.ticks_per_quarter
    return [(each.time / ticks, each.numerator, each.denominator) for each in piece.time_signatures]


def programs(piece: ScoreTick) -> list[int]:
    return [track.program for track in piece.tracks]


def drums(piece: ScoreTick) -> int:
    return sum(len(track.notes) for track in piece.tracks if track.is_drum)


def extras(name: str) -> Facts:
    return lambda piece: sum(len(getattr(track, name)) for track in piece.tracks)


def with_tempos(*changes: tuple[float, float]) -> ScoreTick:
    made = score((0, 1, 60), (4, 1, 62), (8, 1, 64))
    for beat, tempo in changes:
        made.tempos.append(TempoTick(round(beat * 480), tempo))
    return made


def with_tracks(program: int, is_drum: bool = False, pitch: int = 40) -> ScoreTick:
    made = score((0, 1, 60))
    made.tracks.append(TrackTick("Other", program, is_drum))
    made.tracks[1].notes.append(NoteTick(0, 480, pitch, 64))
    return made


def with_extra(name: str, event: Any) -> ScoreTick:
    made = score((0, 1, 60), (1, 1, 62))
    getattr(made.tracks[0], name).append(event)
    return made


def with_velocities(*levels: int) -> ScoreTick:
    made = score(*((beat, 1, 60) for beat in range(len(levels))))
    for note, level in zip(made.tracks[0].notes, levels, strict=True):
        note.velocity = level
    return made


def with_words() -> ScoreTick:
    made = with_extra("lyrics", TextMetaTick(0, "la"))
    made.markers.append(TextMetaTick(0, "A"))
    return made


def with_key() -> ScoreTick:
    made = score((0, 1, 60))
    made.key_signatures.append(KeySignatureTick(0, 2, 0))
    return made


# Rows that are "yes", "no" or "no (what it becomes)".
KEPT: dict[str, tuple[ScoreTick, Facts]] = {
    "tempo changes": (with_tempos((0, 120), (4, 60), (8, 96)), tempos),
    "drums": (with_tracks(0, is_drum=True), drums),
    "sixteenths": (score(*((n / 4, 1 / 4, 60 + n) for n in range(8))), notes),
    "triplets of eighths": (score(*((n / 3, 1 / 3, 60 + n) for n in range(6))), notes),
    "chords": (score((0, 1, 60), (0, 1, 64), (0, 1, 67), (0, 1, 72)), notes),
    "short note struck again at once": (score((0, 0.25, 60), (0.25, 0.25, 60)), notes),
    "note struck again while it sounds": (score((0, 4, 60), (1, 1, 60)), notes),
    "same note on two tracks": (with_tracks(0, pitch=60), notes),
    "sustain pedal": (with_extra("pedals", PedalTick(0, 480)), extras("pedals")),
    "controllers": (with_extra("controls", ControlChangeTick(0, 7, 90)), extras("controls")),
    "pitch bend": (with_extra("pitch_bends", PitchBendTick(0, 900)), extras("pitch_bends")),
    "lyrics, markers": (with_words(), lambda p: extras("lyrics")(p) + len(p.markers)),
    "key signatures": (with_key(), lambda p: len(p.key_signatures)),
}


def levels_of(column: str) -> str:
    found = set(velocities(decoded(column, with_velocities(*range(1, 128)))))
    return f"{len(found)} levels" if len(found) > 1 else f"no ({found.pop()})"


def tempos_of(column: str) -> str:
    found = {tempos(decoded(column, with_tempos((0, each))))[0][1] for each in range(10, 300)}
    if len(found) > 1:
        return f"{len(found)} tempos, {min(found)} to {max(found)}"
    return f"no ({found.pop()})"


def metres_of(column: str) -> str:
    made = tokenizer(column)
    known = made.attributes()[METRE].values if METRE in made.attributes() else ()
    kept = []
    for name in (*known, "3/4"):
        over, under = map(int, name.split("/"))
        written = [(0.0, 4, 4), (8.0, over, under)]
        bars = [(8 + 4 * n * over / under, 4 * over / under, 62 + n) for n in range(3)]
        piece = score((0, 4, 60), (4, 4, 61), *bars, metres=tuple(written))
        kept.append(metres(decoded(column, piece)) == written or name == "4/4")
    if not known:
        ((_, over, under),) = metres(decoded(column, score((0, 1, 60), metres=((0, 3, 4),))))
        return f"no ({over}/{under})"
    assert all(kept)
    return f"{len(known)} metres"


def instruments_of(column: str) -> str:
    kept = sum(program in programs(decoded(column, with_tracks(program))) for program in range(128))
    return str(kept) if kept > 1 else "no (piano)"


def range_of(column: str) -> str:
    piece = score((0, 1, 60), *((1 + pitch, 1, pitch) for pitch in range(128)))
    found = [pitch for _, _, pitch in notes(decoded(column, piece))]
    return f"{min(found)} to {max(found)}"


def grid_of(column: str) -> str:
    """The most equal steps of a quarter note whose notes keep their onsets."""
    exact = [
        count
        for count in range(1, 25)
        if len(
            {
                each[0]
                for each in notes(
                    decoded(column, score(*((n / count, 1, 40 + n) for n in range(count))))
                )
            }
        )
        == count
    ]
    return str(max(exact))


def longest_of(column: str) -> str:
    found = max(each[1] for each in notes(decoded(column, score((0, 100, 60), (100, 1, 62)))))
    return "any" if found == 100 else f"{found:g}"


FIGURES: dict[str, Callable[[str], str]] = {
    "velocity": levels_of,
    "tempo": tempos_of,
    "metre and its changes": metres_of,
    "instruments": instruments_of,
    "pitch range": range_of,
    "grid, per quarter note": grid_of,
    "longest note, in beats": longest_of,
}


def cells() -> list[tuple[str, str, str]]:
    """(row, column, cell) of the first table of the page."""
    table = re.findall(r"^\|.*\|$", PAGE.partition("\n\n| to represent")[0], re.M)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    columns = [name.replace("`", "") for name in rows[0][1:]]
    return [
        (row[0], column, cell)
        for row in rows[2:]
        for column, cell in zip(columns, row[1:], strict=True)
    ]


def test_the_table_is_complete() -> None:
    assert {column for _, column, _ in cells()} == set(SETTINGS)
    assert {row for row, _, _ in cells()} == {*KEPT, *FIGURES}


@pytest.mark.parametrize(("row", "column", "cell"), cells())
def test_a_cell(row: str, column: str, cell: str) -> None:
    if row in FIGURES:
        assert FIGURES[row](column) == cell
    else:
        piece, facts = KEPT[row]
        kept = facts(decoded(column, piece)) == facts(piece)
        assert kept == (cell == "yes"), facts(decoded(column, piece))


def test_the_settings_represent_more() -> None:
    """The second table: `train` takes its `--set` values, and a finer grid has triplets."""
    (table,) = re.findall(r"^\| to represent(?:.*\n)+?\n", PAGE, re.M)
    tried = 0
    for line in table.splitlines():
        for command, after in re.findall(r"`(--set [^`]*)`((?:(?!`--set).)*)", line):
            for name in re.findall(NAMES, after) or re.findall(NAMES, line):
                asked = Source("--set", assignments(shlex.split(command)[1::2]))
                made = merge([asked, Source("flags", {"arch": "gpt", "tokenizer": name})])
                kind = registry().load("tokenizer", name)
                assert build(kind.Config, made.tokens, name) != kind.Config()
                tried += 1
    assert tried == 12
    config = {"beat_res": [[0, 4, 12], [4, 12, 12]], "rest_res": [[0, 1, 12], [1, 12, 2]]}
    kind = registry().load("tokenizer", "remi")
    finer = kind(build(kind.Config, config, "remi"))
    piece, facts = KEPT["triplets of eighths"]
    assert facts(finer.decode(finer.encode(piece))) == facts(piece)
    pedals = kind(build(kind.Config, {"extra": {"use_sustain_pedals": True}}, "remi"))
    piece, facts = KEPT["sustain pedal"]
    assert facts(pedals.decode(pedals.encode(piece))) == facts(piece)
