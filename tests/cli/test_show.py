"""The `show` command."""

from __future__ import annotations

from pathlib import Path

import pytest
from mido import MetaMessage, MidiFile
from symusic.core import ScoreTick

from musictk.jobs.attention import POSITIONS
from musictk.model.manifest import Manifest
from tests.cli.shell import Shell


def test_what_a_run_attends_to_is_a_picture(shell: Shell) -> None:
    shell("show", "midis/Satie/gymnopedie_3.mid", "--attention", "-o", "maps.png")
    picture = (shell.directory / "maps.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 5000


def test_a_model_of_a_few_positions_shows_these(shell: Shell) -> None:
    small = ["--arch", "gpt", "--steps", "1", "--set", "length=32", "--set", "max_length=64"]
    shell("train", *small, "--set", "dim=32", "--set", "depth=1", "--set", "rotary=false")
    shell("show", "midis/Satie/gymnopedie_3.mid", "--attention", "-o", "few.png")
    assert (shell.directory / "few.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_of_attention_has_the_bar_lines(shell: Shell) -> None:
    """A horizontal and a vertical one in each map, for each bar that begins in the picture."""
    shell("show", "midis/Satie/gymnopedie_3.mid", "--attention", "-o", "maps.svg")
    manifest = Manifest.read(shell.directory / "runs" / shell.runs()[-1]["name"] / "best")
    tokenizer = manifest.make_tokenizer()
    score = ScoreTick(shell.directory / "midis/Satie/gymnopedie_3.mid")
    starts = tokenizer.bar_starts(tokenizer.encode(score)) + 1  # after bos
    bars = int((starts < POSITIONS).sum())
    drawn = (shell.directory / "maps.svg").read_text("utf-8")
    assert min(bars, drawn.count("<image")) > 1
    assert drawn.count('id="line2d_') == 2 * bars * drawn.count("<image")


@pytest.mark.parametrize(
    ("suffix", "start"),
    [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF-"), ("PNG", b"\x89PNG")],
)
def test_the_suffix_chooses_the_format(
    shell: Shell, capsys: pytest.CaptureFixture[str], suffix: str, start: bytes
) -> None:
    pictures = []
    for name in ("one", "two"):
        code, _, errors = shell.here(
            capsys, "show", "midis/Satie/gymnopedie_3.mid", "-o", f"{name}.{suffix}"
        )
        assert code == 0, errors
        pictures.append((shell.directory / f"{name}.{suffix}").read_bytes())
    assert pictures[0].startswith(start)
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("name", ["out.jpg", "out.mid", "out"])
@pytest.mark.parametrize("more", [[], ["--attention"]])
def test_another_suffix_is_refused(
    shell: Shell, capsys: pytest.CaptureFixture[str], name: str, more: list[str]
) -> None:
    file = "midis/Satie/gymnopedie_3.mid"
    code, _, errors = shell.here(capsys, "show", file, "-o", name, *more)
    assert code == 2
    assert "choose from: .png, .svg, .pdf" in errors
    assert not (shell.directory / name).exists()


def test_the_sections_of_a_sample_are_those_of_its_form(shell: Shell) -> None:
    file = MidiFile(shell.directory / "midis/Satie/gymnopedie_3.mid")
    file.tracks[0].insert(0, MetaMessage("marker", text="Verse"))
    file.save(shell.directory / "mine.mid")
    shell("sample", "--theme", "mine.mid", "--form", "A B1 A", "-o", "out.mid")
    for name in ("out.mid", "sample:1"):
        sections = shell.json("show", name)["sections"]
        assert [label for label, _, _ in sections] == ["A", "B", "A"]
        assert shell.json("evaluate", name, "--form")["labels"] == ["A", "B", "A"]
    sections = shell.json("show", "mine.mid")["sections"]
    assert [label for label, _, _ in sections] == ["Verse"]


def test_a_terminal_without_colours_gets_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piece = str(Path(__file__).parents[2] / "docs" / "listen" / "bach-aaba.mid")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in Shell(tmp_path).here(capsys, "show", piece)[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in Shell(tmp_path).here(capsys, "show", piece)[1]
