"""What users may ask of bars and instruments, through the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from mido import MidiFile
from symusic.core import NoteTick, ScoreTick, TrackTick

from musictk.catalog import Catalog
from musictk.keys import KEYS, scale
from tests.cli.conftest import EXAMPLES
from tests.cli.shell import Shell

TINY = [
    *("--size", "tiny", "--steps", "12", "--set", "length=64", "--set", "max_length=512"),
    *("--set", "model.dim=32", "--set", "model.depth=1", "--set", "model.heads=2"),
]
ENSEMBLES = (
    "Bach/art_of_fugue_contrapunctus_1.mid",
    "Schubert/heidenroeslein_d257.mid",
    "Schumann/dichterliebe_01.mid",
)


def with_drums(path: Path, target: Path) -> None:
    """A piece with a bass drum on every beat."""
    score = ScoreTick.from_file(path)
    beat, drums = score.ticks_per_quarter, TrackTick("", 0, True)
    for tick in range(0, score.end(), beat):
        drums.notes.append(NoteTick(tick, beat // 2, 36, 90))
    score.tracks.append(drums)
    score.dump_midi(target)


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Trained on pieces of several instruments and drums."""
    shell = Shell(tmp_path_factory.mktemp("ensemble"))
    (shell.directory / "midis").mkdir()
    for index, name in enumerate(ENSEMBLES * 3):
        path = shell.directory / "midis" / f"{index}.mid"
        path.write_bytes((EXAMPLES / name).read_bytes())
        if index >= len(ENSEMBLES):
            with_drums(EXAMPLES / name, path)
    shell("ingest", "midis")
    shell("train", "--arch", "gpt", *TINY, "--tokenizer", "remi", "--set", "tokens.programs=true")
    return shell


@pytest.mark.parametrize(
    ("asked", "programs", "names"),
    [
        ("violin,drums", {40}, {"Violin", "Drums"}),
        ("Acoustic Grand Piano,73", {0, 73}, {"Acoustic Grand Piano", "Flute"}),
        ("strings", set(range(40, 48)), None),
    ],
)
def test_only_the_chosen_instruments_are_written(
    ensemble: Shell, asked: str, programs: set[int], names: set[str] | None
) -> None:
    ensemble("sample", "--bars", "4", "--seed", "3", "--programs", asked, "-o", "out.mid")
    score = ScoreTick.from_file(ensemble.directory / "out.mid")
    assert score.note_num() > 0
    assert {track.program for track in score.tracks if not track.is_drum} <= programs
    assert names is None or {track.name for track in score.tracks} <= names
    assert any(track.is_drum for track in score.tracks) <= ("drums" in asked)


def test_tracks_have_the_names_of_instruments_and_drums_channel_10(ensemble: Shell) -> None:
    ensemble("sample", "--bars", "8", "--seed", "1", "--programs", "cello,drums", "-o", "two.mid")
    tracks = [track for track in MidiFile(ensemble.directory / "two.mid").tracks if track.name]
    channels = {
        track.name: {each.channel for each in track if each.type == "note_on"} for track in tracks
    }
    assert channels["Drums"] == {9}
    assert len(channels["Cello"]) == 1
    assert 9 not in channels["Cello"]


@pytest.mark.parametrize(
    ("asked", "guidance"),
    [("programs=violin", 1.5), ("metre=3/4, lowest=C3", 1.5), ("programs=violin, density=2", 3.0)],
)
def test_what_is_enforced_does_not_change_the_guidance(
    ensemble: Shell, asked: str, guidance: float
) -> None:
    ensemble("sample", "--form", "A", "--bars", "1", "--section", f"A: {asked}", "-o", "one.mid")
    with Catalog.open(f"sqlite:///{ensemble.directory}/catalog.db", ensemble.directory) as catalog:
        newest = max(catalog.samples(), key=lambda sample: sample.id)
    assert newest.request["sampling"]["guidance"] == guidance


def test_an_unknown_instrument_is_named(ensemble: Shell) -> None:
    error = ensemble("sample", "--programs", "violine", code=2).stderr
    assert "no instrument 'violine'" in error
    assert "Violin" in error


def test_a_model_without_instruments_says_how_to_train_them(trained: Shell) -> None:
    error = trained("sample", "--programs", "piano", code=2).stderr
    assert "writes no instruments" in error
    assert "musictk train --tokenizer remi --set tokens.programs=true" in error


def test_a_strict_key_has_only_its_scale(shell: Shell) -> None:
    shell("sample", "--bars", "3", "--control", "key=E minor", "--strict", "-o", "out.mid")
    score = ScoreTick.from_file(shell.directory / "out.mid")
    classes = {note.pitch % 12 for track in score.tracks for note in track.notes}
    assert classes <= set(scale(KEYS.index("E minor")))


def test_a_section_has_its_own_controls(shell: Shell) -> None:
    shell(
        *("sample", "--form", "A B", "--bars", "2", "--control", "highest=C5"),
        *("--section", "B: metre=2/4, highest=C4", "--control", "1: lowest=C3", "-o", "out.mid"),
    )
    score = ScoreTick.from_file(shell.directory / "out.mid")
    start = next(marker.time for marker in score.markers if marker.text == "B")
    signs = [(sign.time, sign.numerator, sign.denominator) for sign in score.time_signatures]
    assert max(sign for sign in signs if sign[0] <= start)[1:] == signs[-1][1:] == (2, 4)
    for track in score.tracks:
        assert all(note.pitch <= (60 if note.time >= start else 72) for note in track.notes)
    repeated = (shell.directory / "out.mid").read_bytes()
    shell("sample", "--like", "1", "-o", "again.mid")
    assert (shell.directory / "again.mid").read_bytes() == repeated


def test_what_departs_from_the_request_is_in_the_json(shell: Shell) -> None:
    asked = ("--bars", "2", "--control", "density=more, polyphony=1", "--control", "tempo=30")
    made = shell("sample", *asked, "--seed", "1", "-o", "out.mid").stderr
    (row,) = shell.json("sample", *asked, "--seed", "1", "-o", "out.mid")
    assert all(f"out.mid, {text}" in made for text in row["notices"])
    assert made.count("warning: out.mid, section") == len(row["notices"])


def test_a_piece_that_repeats_its_theme_to_the_end_is_named(shell: Shell) -> None:
    asked = ("sample", "--form", "ABA", "--bars", "2", "-o", "out.mid")
    exact = "the piece ends as its theme does, without a cadence: --variation 0"
    assert exact in shell(*asked, "--variation", "0").stderr
    assert exact not in shell(*asked).stderr
    assert exact not in shell(*asked, "--variation", "0", "--no-cadence").stderr


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        (["--control", "key=H minor"], "no key 'H minor'"),
        (["--chords", "Am | C7th"], "no chord 'C7th'"),
        (["--control", "metre=7/16"], "no metre '7/16'"),
        (["--control", "metre=4/2"], "metre '4/2'"),
        (["--control", "metre=7/8"], "for the whole piece: --metre 7/8"),
        (["--control", "tempo=1000"], "tempo=1000 is not a tempo; write 30 to 240 quarter notes"),
        (["--control", "colour=red"], "no control 'colour'; it has: chord"),
        (["--control", "B: key=E minor"], "--section 'B: key=E minor'"),
        (["--control", "key"], "is not WHERE: NAME=VALUE"),
        (["--section", "key=E minor"], "--section needs the section"),
        (["--section", "C: key=E minor", "--form", "AB"], "no section 'C'; it has: A, B"),
        (["--control", "9-12: key=C", "--bars", "4"], "no bars 9-12; the piece has bars 1 to 4"),
        (["--control", "lowest=C5, highest=C4"], "leave no pitch to write"),
        (["--control", "1: metre=2/4", "--control", "2: metre=4/4"], "shorter than the second"),
        (["--strict"], "--strict needs a key"),
        (["--chords", "Am | F | C", "--bars", "2"], "is for 3 bars, and there are 2; choose more"),
        (["--form", "ABA", "--bars", "2", "--section", "B: key=C | D | E"], "is for 3 bars, and"),
        (["--control", "1: key=C | D", "--bars", "2"], "is for 2 bars, and there is one"),
    ],
)
def test_what_cannot_be_followed_is_one_line(
    trained: Shell, capsys: pytest.CaptureFixture[str], asked: list[str], named: str
) -> None:
    ended, _, said = trained.here(capsys, "sample", *asked)
    assert ended == 2
    assert named in said
    assert said.count("error: ") == 1


def test_the_metres_that_an_error_offers_are_accepted(
    trained: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("sample", "--bars", "1", "--seed", "1", "-o", "metre.mid", "--control")
    ended, _, said = trained.here(capsys, *asked, "metre=zzz")
    assert ended == 2
    offered = said.rpartition("choose from: ")[2].strip().split(", ")
    assert {"2/4", "3/4", "4/4"} <= set(offered)
    for metre in offered:
        ended, _, said = trained.here(capsys, *asked, f"metre={metre}")
        assert ended == 0, said
