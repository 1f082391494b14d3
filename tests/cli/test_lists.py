"""What lists of files say, and what ingest and tokenize say about files."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import mido
import pytest

from musictk.catalog import Catalog
from tests.catalog.conftest import make
from tests.cli.shell import Shell

MIDIS = Path(__file__).parents[2] / "examples" / "midis"


@pytest.fixture
def empty(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_files_in_an_archive_are_told_apart(empty: Shell) -> None:
    with zipfile.ZipFile(empty.directory / "a.zip", "w") as archive:
        for path in sorted((MIDIS / "Joplin").iterdir()):
            archive.write(path, f"Joplin/{path.name}")
        archive.writestr("Joplin/broken.mid", b"MThd")
    empty("ingest", "a.zip", code=3)
    paths = [line.split()[1] for line in empty("catalog", "files").stdout.splitlines()[1:]]
    assert "a.zip/Joplin/the_entertainer.mid" in paths
    assert len(set(paths)) == len(paths)
    assert "a.zip/Joplin/broken.mid" in empty("catalog", "rejected").stdout
    empty("show", "a.zip/Joplin/the_entertainer.mid")


def test_a_search_says_that_it_found_more(empty: Shell) -> None:
    with Catalog.open(f"sqlite:///{empty.directory}/catalog.db", empty.directory) as catalog:
        catalog.record([make(number, path=f"m/{number}.mid") for number in range(1, 6)])
    few = empty("catalog", "search", "piece", "--limit", "3")
    assert len(few.stdout.splitlines()) == 4
    assert "more than 3 files; to see all: --limit 0" in few.stderr
    assert "more than" not in empty("catalog", "search", "piece", "--limit", "5").stderr
    assert len(empty("catalog", "search", "piece", "--limit", "0").stdout.splitlines()) == 6


def test_a_change_of_composer_is_reported(empty: Shell) -> None:
    shutil.copytree(MIDIS / "Joplin", empty.directory / "m" / "Joplin")
    empty("ingest", "m")
    again = empty("ingest", "m", "--composer", "Scott")
    assert "2 known files given another composer" in again.stdout
    assert empty.json("ingest", "m", "--composer", "Scott")["reassigned"] == 0
    error = empty("catalog", "label", "Joplin", "a=b", code=2).stderr
    assert "did you mean 'Joplin'" not in error
    assert "Scott" in error


def test_a_file_that_keeps_its_composer_is_named(empty: Shell) -> None:
    shutil.copytree(MIDIS / "Satie", empty.directory / "m" / "Satie")
    shutil.copytree(MIDIS / "Satie", empty.directory / "m" / "Ravel")
    said = empty("ingest", "m").stderr
    assert "m/Satie/gymnopedie_3.mid" in said
    assert "musictk ingest PATH --composer NAME" in said


def test_tokenize_names_what_it_cannot_encode(empty: Shell) -> None:
    shutil.copytree(MIDIS / "Bach", empty.directory / "m" / "Bach")
    file, track = mido.MidiFile(), mido.MidiTrack()
    file.tracks.append(track)
    for pitch in [0, 127] * 16:
        track.append(mido.Message("note_on", note=pitch, velocity=80))
        track.append(mido.Message("note_off", note=pitch, time=480))
    file.save(empty.directory / "m" / "extreme.mid")
    (empty.directory / "c.csv").write_text("file,composer,split\nextreme.mid,X,train\n", "utf-8")
    empty("ingest", "m", "--composers", "c.csv")
    said = empty("tokenize").stderr
    assert "m/extreme.mid: refused: no note of a pitch from 21 to 108" in said
    rows = empty.json("tokenize")
    refused = [row for row in rows if row["refused"]]
    assert [(row["split"], list(row["reasons"])) for row in refused] == [
        ("train", ["m/extreme.mid"])
    ]


def test_the_first_of_several_tunes_is_announced(empty: Shell) -> None:
    text = "X:1\nT:a\nK:C\nCDEF|\n\nX:2\nT:b\nK:G\nGABc|\n"
    (empty.directory / "two.abc").write_text(text, "utf-8")
    assert "two.abc has 2 tunes; this is the first" in empty("show", "two.abc").stderr
    (empty.directory / "one.abc").write_text(text.split("\n\n")[0], "utf-8")
    assert "tunes" not in empty("show", "one.abc").stderr
