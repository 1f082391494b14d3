"""Audio from `musictk sample` and `musictk render`, and `--play`, as a user types them."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musictk.rendering.loudness import integrated_loudness
from tests.cli.shell import Shell
from tests.rendering.test_audio import tiny_soundfont

GIVEN = "midis/Bach/musette_anh126.mid"
SILENT = {"ALSA_CONFIG_PATH": os.devnull, "PULSE_SERVER": "none", "JACK_NO_START_SERVER": "1"}


def test_render_needs_nothing_beside_the_package(shell: Shell) -> None:
    assert shell.json("render", GIVEN, "-o", "out.wav")["path"] == "out.wav"
    with wave.open(str(shell.directory / "out.wav")) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert integrated_loudness(frames.reshape(-1, 2) / 32767, 44_100) == pytest.approx(-18, abs=0.1)


def test_a_sample_is_written_as_audio_with_its_midi_beside_it(shell: Shell) -> None:
    (made,) = shell.json("sample", "--bars", "2", "-o", "out.wav")
    assert (made["path"], made["audio"]) == ("out.mid", "out.wav")
    said = shell("sample", "--like", str(made["id"]), "-o", "again.wav").stdout
    assert said.startswith("again.wav and again.mid  by ")
    for first, again in (("out.mid", "again.mid"), ("out.wav", "again.wav")):
        files = [(shell.directory / name).read_bytes() for name in (first, again)]
        assert files[0] == files[1]
    # The same again replaces both: they are a pair.
    shell("sample", "--bars", "2", "-o", "out.wav")


@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".ogg"])
def test_rewritten_bars_are_heard_in_all_formats(shell: Shell, suffix: str) -> None:
    asked = ("sample", "--infill", GIVEN, "--bars", "9-10", "--count", "2", "-o", f"out{suffix}")
    for number, row in enumerate(shell.json(*asked), 1):
        assert (row["path"], row["audio"]) == (f"out-{number}.mid", f"out-{number}{suffix}")
        assert soundfile.info(str(shell.directory / row["audio"])).duration > 10


def test_a_part_beside_another_and_a_section_written_again_are_heard(shell: Shell) -> None:
    (part,) = shell.json("sample", "--accompany", GIVEN, "--bars", "2", "-o", "part.wav")
    assert (shell.directory / part["audio"]).exists()
    (form,) = shell.json("sample", "--form", "A1 B1", "-o", "form.mid")
    like = ("--like", str(form["id"]), "--section", "B")
    (again,) = shell.json("sample", *like, "-o", "b.wav")
    assert (again["path"], again["audio"]) == ("b.mid", "b.wav")


def test_the_soundfont_of_the_user_is_used(shell: Shell) -> None:
    tiny_soundfont(shell.directory / "tiny.sf2")
    (made,) = shell.json("sample", "--bars", "2", "--seed", "1", "-o", "a.wav")
    again = ("--like", str(made["id"]), "-o", "b.wav", "--soundfont", "tiny.sf2")
    shell("sample", *again)
    files = [(shell.directory / name).read_bytes() for name in ("a.wav", "b.wav")]
    assert files[0] != files[1]


def test_a_piece_that_the_user_did_not_name_is_not_replaced(shell: Shell) -> None:
    before = (shell.directory / GIVEN).read_bytes()
    sound = Path(GIVEN).with_suffix(".wav")
    done = shell("sample", "--infill", GIVEN, "--bars", "1", "-o", str(sound), code=2)
    assert f"error: {GIVEN} exists, and the MIDI of {sound} would replace it" in done.stderr
    assert (shell.directory / GIVEN).read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("-o", "out.aac"), 2, "unknown audio format '.aac'"),
        (("--soundfont", "tiny.sf2"), 2, "--soundfont needs audio; add -o out.wav or --play"),
        (("-o", "o.wav", "--soundfont", "no.sf2"), 1, "no.sf2 cannot be read"),
        (("-o", "o.wav", "--soundfont", "cut.sf2"), 1, "the soundfont cut.sf2 is damaged"),
        (("-o", "o.wav", "--soundfont", "catalog.db"), 1, "catalog.db is not a soundfont"),
    ],
)
def test_errors_are_one_line_before_composing(
    shell: Shell,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    path = tiny_soundfont(shell.directory / "cut.sf2")
    path.write_bytes(path.read_bytes()[:500])
    before = sorted(shell.directory.iterdir())
    ended, out, err = shell.here(capsys, "sample", "--bars", "999", *arguments)
    assert (ended, out) == (code, "")
    (line,) = err.strip().splitlines()
    assert said in line
    assert sorted(shell.directory.iterdir()) == before


@pytest.mark.parametrize(
    ("package", "arguments", "said"),
    [
        ("soundfile", ("-o", "out.mp3"), "MP3 needs the package soundfile; pip install"),
        ("miniaudio", ("--play",), "playing audio needs the package miniaudio; pip install"),
    ],
)
def test_a_missing_package_is_named_before_composing(
    trained: Shell,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    package: str,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    (tmp_path / f"{package}.py").write_text("raise ImportError")
    places = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, places)))
    before = sorted(trained.directory.iterdir())
    done = trained.fresh("sample", "--bars", "999", *arguments, code=1)
    (line,) = done.stderr.strip().splitlines()
    assert said in line
    assert sorted(trained.directory.iterdir()) == before


@pytest.mark.parametrize(
    ("command", "written"),
    [
        (("render", GIVEN, "-o", "out.wav"), ["out.wav"]),
        (("sample", "--bars", "2", "-o", "out.mid"), ["out.mid"]),
        (("sample", "--bars", "2", "-o", "out.wav"), ["out.mid", "out.wav"]),
    ],
)
def test_without_an_audio_device_the_files_are_written(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], written: list[str]
) -> None:
    for name, value in SILENT.items():
        monkeypatch.setenv(name, value)
    done = shell(*command, "--play", code=1)
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: this machine has no audio device")
    assert sorted(path.name for path in shell.directory.glob("out.*")) == written
    assert written[-1] in done.stdout
