"""Commands that take one piece find it by the same names, and refuse it with the same words."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

import mido
import pytest

from tests.cli.shell import Shell
from tests.cli.test_streams import typed

SATIE = "midis/Satie/gymnopedie_3.mid"
TUNE = "X:1\nT:Scale\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n"
TAKING_ONE = [
    ("show",),
    ("render",),
    ("play",),
    ("evaluate", "--form"),
    ("originality",),
    ("attribute",),
]
REFUSED = [
    ("nothing.mid", "there is no file 'nothing.mid'"),
    ("nowhere/x.mid", "there is no file 'nowhere/x.mid'; the folder 'nowhere' does not exist"),
    (SATIE.replace("die", "di"), f"did you mean '{SATIE}'?"),
    (SATIE.removesuffix(".mid"), f"did you mean '{SATIE}'?"),
    ("midis", "midis is a directory; name a file in it"),
    ("catalog.db", "not_midi: begins with 53 51 4c 69 74 65 20 66; choose a MIDI or ABC file"),
    ("sound.mp3", "musictk reads notes, not sound: choose a MIDI or ABC file"),
    ("score.musicxml", "export it as MIDI from a notation program"),
    ("words.txt", "words.txt is text, not music; choose a MIDI or ABC file"),
    ("silent.mid", "choose a file with notes"),
    ("music.zip", "music.zip is an archive; name a file in it: music.zip/NAME.mid"),
    ("music.zip/b.mid", "no member 'b.mid'"),
    ("sample:77", "no sample '77'"),
    ("sample:x", "no sample 'x'; give its id, such as sample:3"),
    ("file:gymnopedie", "no file 'gymnopedie'; did you mean 'gymnopedie_3'?"),
    ("gymnopedi_3", "there is no file 'gymnopedi_3'; did you mean 'gymnopedie_3'?"),
]


@pytest.fixture(scope="module")
def found(trained: Shell, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A workspace with an example of everything that has a name. Nothing in it is changed."""
    folder = tmp_path_factory.mktemp("named") / "work"
    shutil.copytree(trained.directory, folder)
    (folder / "tune.abc").write_text(TUNE, "utf-8")
    (folder / "words.txt").write_text("no music", "utf-8")
    (folder / "sound.mp3").write_bytes(b"ID3\x04" + bytes(400))
    (folder / "score.musicxml").write_text("<score-partwise/>", "utf-8")
    mido.MidiFile(tracks=[mido.MidiTrack()]).save(folder / "silent.mid")
    with zipfile.ZipFile(folder / "music.zip", "w") as archive:
        archive.write(folder / SATIE, "in/side.mid")
    shell = Shell(folder)
    shell("sample", "--bars", "2", "--seed", "1", "-o", "out-0.mid")
    return shell


@pytest.mark.parametrize("command", TAKING_ONE)
@pytest.mark.parametrize(("name", "said"), REFUSED)
def test_the_same_names_are_refused(
    found: Shell, capsys: pytest.CaptureFixture[str], command: list[str], name: str, said: str
) -> None:
    code, out, err = found.here(capsys, command[0], name, *command[1:])
    assert (code > 0, out) == (True, "")
    assert said in err
    assert err.count("error: ") == 1
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "name",
    [
        *(SATIE, "tune.abc", "music.zip/in/side.mid", "out-0.mid"),
        *("gymnopedie_3", "Satie/gymnopedie_3.mid", "sample:1", "file:1", "2"),
    ],
)
def test_the_same_names_are_drawn_and_rendered(
    found: Shell, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    code, drawn, err = found.here(capsys, "show", name)
    assert code == 0, err
    assert drawn.strip()
    code, _, err = found.here(capsys, "evaluate", name, "--as", "AB")
    assert code == 0, err
    # Everything before the soundfont and the port has worked.
    _, _, err = found.here(capsys, "render", name, "-o", "x.wav", "--soundfont", "no.sf2")
    assert "the soundfont no.sf2 cannot be read" in err
    _, _, err = found.here(capsys, "play", name, "--port", "no such port")
    assert "MIDI" in err


def test_a_number_that_has_two_meanings_is_refused(
    found: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = found.here(capsys, "show", "1")
    assert code == 2
    assert "1 is both a sample and a file in the catalog; write sample:1 or file:1" in err


def test_a_prompt_has_the_same_names(found: Shell, tmp_path: Path) -> None:
    target = str(tmp_path / "x.mid")
    for name in ("music.zip/in/side.mid", "gymnopedie_3", "sample:1", "tune.abc"):
        found("sample", "--bars", "1", "--prompt", name, "-o", target)
    done = found("sample", "--prompt", "gymnopedie_4.mid", "-o", target, code=2)
    assert "there is no file 'gymnopedie_4.mid'; did you mean 'gymnopedie_3'?" in done.stderr


def test_a_file_needs_no_catalog(
    midis: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(midis / "Satie" / "gymnopedie_3.mid", tmp_path / "a.mid")
    shell = Shell(tmp_path)
    assert shell.here(capsys, "show", "a.mid")[0] == 0
    assert shell.here(capsys, "show", "b.mid")[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.mid"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems change such names")
def test_a_name_in_another_encoding_survives(midis: Path, tmp_path: Path) -> None:
    name = b"Dvo\xf8\xe1k.mid".decode("utf-8", "surrogateescape")
    shutil.copy(midis / "Satie" / "gymnopedie_3.mid", tmp_path / name)
    shell = Shell(tmp_path).fresh
    shell("show", name)
    shell("show", name, "-o", name.replace(".mid", ".png"))
    assert (tmp_path / name.replace(".mid", ".png")).is_file()
    assert shell.json("show", name, "-o", name.replace(".mid", ".svg"))["path"].endswith(".svg")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_without_braille_gets_letters(
    midis: Path, tmp_path: Path, encoding: str
) -> None:
    shutil.copy(midis / "Satie" / "gymnopedie_3.mid", tmp_path / "a.mid")
    with (tmp_path / "out").open("wb") as out:
        code, said = typed(
            tmp_path, "show", "a.mid", stdout=out.fileno(), PYTHONIOENCODING=encoding
        )
    assert (code, said) == (0, "")
    drawn = (tmp_path / "out").read_text(encoding)
    assert "?" not in drawn
    assert set(drawn) >= set(".:'|")
    assert drawn.isascii()
