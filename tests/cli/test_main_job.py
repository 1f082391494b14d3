"""The four main commands, and the files they write."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import mido
import pytest

from musictk.builtin import MODELS
from musictk.catalog import Catalog
from tests.cli.shell import SMALL, Shell


def test_the_main_job(shell: Shell) -> None:
    """sample and export after ingest and train (which the fixture typed)."""
    shell = shell.fresh
    said = shell("sample", "--composer", "Bach", "--form", "AABA", "--bars", "2", "-o", "out.mid")
    assert "out.mid" in said.stdout
    assert "conformer-1" in said.stdout
    out = mido.MidiFile(shell.directory / "out.mid")
    assert [m.text for track in out.tracks for m in track if m.type == "marker"] == list("AABA")
    assert any(m.type == "note_on" for track in out.tracks for m in track)
    said = shell("export", "--onnx", "--torchscript")
    assert "100.0% of greedy choices equal" in said.stdout
    for runtime in ("onnx", "torchscript"):
        shell("sample", "--runtime", runtime, "--bars", "2", "--seed", "1", "-o", f"{runtime}.mid")
        assert (shell.directory / f"{runtime}.mid").stat().st_size > 50


def test_a_sample_is_made_again_bit_for_bit(shell: Shell) -> None:
    shell = shell.fresh  # where hashes differ too
    made = shell.json("sample", "--form", "AB", "--bars", "1", "--count", "2", "-o", "a.mid")
    assert [Path(row["path"]).name for row in made] == ["a-1.mid", "a-2.mid"]
    shell("sample", "--like", str(made[1]["id"]), "-o", "again.mid")
    first, again = ((shell.directory / name).read_bytes() for name in ("a-2.mid", "again.mid"))
    assert first == again


def test_a_composer_with_few_pieces_works_with_a_warning(shell: Shell) -> None:
    said = shell("sample", "--composer", "satie", "--bars", "1", "-o", "s.mid")
    assert "satie has too few training pieces" in said.stderr


def test_an_alias_of_the_catalog_is_a_composer(shell: Shell) -> None:
    shell("catalog", "alias", "Bach", "Der Thomaskantor")
    bars = ("--bars", "1", "--seed", "3")
    shell("sample", "--composer", "Der Thomaskantor", *bars, "-o", "alias.mid")
    shell("sample", "--composer", "Bach", *bars, "-o", "name.mid")
    written = [(shell.directory / f"{name}.mid").read_bytes() for name in ("alias", "name")]
    assert written[0] == written[1]


def test_a_sampler_is_named_and_set(shell: Shell) -> None:
    asked = ("sample", "--bars", "1", "--seed", "3", "--temperature", "1", "--top-p", "1")
    shell(*asked, "--top-k", "3", "-o", "flag.mid")
    shell(*asked, "--sampler", "top-k:k=3", "-o", "name.mid")
    written = [(shell.directory / f"{name}.mid").read_bytes() for name in ("flag", "name")]
    assert written[0] == written[1]


def test_a_model_is_sampled_with_its_saved_defaults(shell: Shell) -> None:
    options = ("--set", "sample.top_k=2", "--set", "sample.max_tokens=64")
    told = ("train", "--steps", "2", "--size", "tiny", *SMALL, *options, "--export", "torchscript")
    assert [each["kind"] for each in shell.json(*told)["exports"]] == ["torchscript"]
    assert (shell.directory / "exports" / "conformer-2-torchscript").is_dir()
    asked = ("sample", "--seed", "3")
    for runtime in ("torch", "torchscript"):
        (row,) = shell.json(*asked, "--runtime", runtime, "-o", f"{runtime}.mid")
        assert row["positions"] == 64
    assert len(shell.json(*asked, "--bars", "1", "-o", "bar.mid")) == 1
    shell(*asked, "--top-k", "2", "--max-tokens", "64", "-o", "said.mid")
    shell(*asked, "--top-k", "0", "-o", "free.mid")
    names = ("torch", "said", "free")
    own, said, free = ((shell.directory / f"{name}.mid").read_bytes() for name in names)
    assert own == said != free


def test_an_assumed_form_overrides_the_markers(shell: Shell) -> None:
    shell("sample", "--bars", "4", "-o", "one.mid")  # one section, and one marker
    found = shell.json("evaluate", "one.mid", "--form", "--as", "AB")
    assert found["labels"] == ["A", "B"]


def test_how_well_a_run_begins_pieces_is_shown(shell: Shell) -> None:
    said = shell("train", "--arch", "gpt", "--size", "tiny", "--steps", "2", "--set", "length=64")
    line = re.compile(r"by position: 0: \d+\.\d\d, 1–7: \d+\.\d\d, 8–63: \d+\.\d\d, later: \d")
    assert line.search(said.stdout)
    assert line.search(shell("runs", "show", "gpt-1").stdout)
    assert "0: " in shell("runs", "compare", "gpt-1").stdout
    shown = shell.json("runs", "show", "gpt-1")
    assert list(shown["metrics"]["by_position"]) == ["0", "1-7", "8-63", "later"]
    assert shown["labels"] == {"composer": ["Bach"]}  # of the others there are too few pieces


def test_an_interrupted_run_is_resumed(shell: Shell) -> None:
    shell("train", "--arch", "gpt", "--size", "tiny", "--steps", "4", "--set", "length=64")
    rows = {row["name"]: row for row in shell.json("runs", "list")}
    assert rows["gpt-1"]["status"] == "finished"
    said = shell("train", "--resume", "gpt-1", code=2)
    assert "is finished" in said.stderr


STOPS = [name for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]


@pytest.mark.parametrize("name", STOPS)
def test_a_signal_saves_and_prints_how_to_resume(shell: Shell, name: str) -> None:
    command = [sys.executable, "-m", "musictk", "train", "--arch", "gpt", "--size", "tiny"]
    with subprocess.Popen(
        [*command, "--steps", "100000", "--set", "length=64", "--set", "evaluate_every=2"],
        cwd=shell.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        next(line for line in running.stderr if line.startswith("step"))
        running.send_signal(getattr(signal, name))
        said, _ = running.communicate(timeout=300)
    assert running.returncode == 130
    assert "musictk train --resume gpt-1" in said


def test_a_setting_of_the_file_that_is_not_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "musictk.toml").write_text('[train]\narchh = "gpt"\n')
    ended, _, said = Shell(tmp_path).here(capsys, "train")
    assert ended == 2
    assert "did you mean 'train.arch'" in said


def test_the_unused_part_of_a_prompt_is_noted_and_not_kept(shell: Shell) -> None:
    prompt = ("--prompt", "midis/Satie/gymnopedie_3.mid", "--prompt-tokens", "40", "--bars", "1")
    said = shell("sample", *prompt, "-o", "on.mid")
    assert re.search(r"the last \d+ of the prompt's", said.stderr)
    assert "the model cannot represent " in said.stderr
    (sample,) = shell.json("runs", "show", "conformer-1")["samples"]
    assert 0 < len(sample["request"]["prompt"]) <= 40
    shown = shell("runs", "show", "conformer-1").stdout
    assert "on.mid" in shown
    # The settings of the tokenizer name every metre it knows; nothing else is that long.
    lines = [line for line in shown.splitlines() if not line.startswith("tokens")]
    assert max(map(len, lines)) < 400


def test_a_preset_that_is_typed_goes_before_the_file(shell: Shell) -> None:
    table = 'arch = "gpt"\nepochs = 1\ncondition = ["composer"]\nexport = ["torchscript"]\n'
    (shell.directory / "musictk.toml").write_text(f"[train]\n{table}")
    small = ("--set", "dim=32", "--set", "depth=1", "--set", "heads=2", "--set", "length=64")
    made = shell.json("train", "--preset", "seed-003", "--steps", "2", *small)
    assert made["run"] == "relative-1"
    assert made["step"] == 2
    assert [each["kind"] for each in made["exports"]] == ["torchscript"]
    assert shell.json("train", "--steps", "2", *small)["run"] == "gpt-1"


def test_a_tune_in_abc_is_a_prompt(shell: Shell) -> None:
    tune = shell.directory / "tune.abc"
    tune.write_text("X:1\nM:4/4\nL:1/8\nK:G\nG2BG dGBG|c2ec B2dB|A2cA F2AF|G8|\n")
    shell("sample", "--prompt", "tune.abc", "--bars", "1", "-o", "on.mid")
    assert (shell.directory / "on.mid").is_file()


def test_fine_tuning_starts_from_a_run(shell: Shell) -> None:
    shell("train", "--from", "conformer-1", "--steps", "3")
    names = [row["name"] for row in shell.json("runs", "list")]
    assert names == [*MODELS, "conformer-1", "conformer-2"]
    compared = shell.json("runs", "compare")
    assert len(compared) == 2


def test_labels_become_conditions(shell: Shell) -> None:
    shell("catalog", "label", "Bach", "period=Baroque")
    shell("train", "--condition", "composer,period", "--steps", "2", "--size", "tiny", *SMALL)
    shell("sample", "--composer", "Bach", "--label", "period=Baroque", "--bars", "1", "-o", "p.mid")
    said = shell("sample", "--label", "period=Barock", "--bars", "1", code=2)
    assert "did you mean 'Baroque'" in said.stderr
    said = shell("train", "--condition", "composer,mood", code=2)
    assert "label category 'mood'" in said.stderr


@pytest.mark.parametrize("data", [b"", b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\4\0\xff\x2f\0"])
def test_a_prompt_without_music_is_one_line(
    trained: Shell, capsys: pytest.CaptureFixture[str], tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "empty.mid").write_bytes(data)
    ended, _, said = trained.here(capsys, "sample", "--prompt", str(tmp_path / "empty.mid"))
    assert ended == 1
    assert said.startswith("error: cannot use")
    assert said.count("\n") == 1


def test_a_prompt_is_continued(shell: Shell) -> None:
    given = "midis/Bach/musette_anh126.mid"
    said = shell("sample", "--prompt", given, "--bars", "2", "--seed", "1", "-o", "on.mid")
    assert said.stderr.count("the model cannot represent ") == 1
    before, after = (mido.MidiFile(shell.directory / path) for path in (given, "on.mid"))
    assert before.ticks_per_beat == after.ticks_per_beat
    for track, longer in zip(before.tracks, after.tracks, strict=True):
        assert longer[: len(track) - 1] == track[:-1]
    shell("sample", "--prompt", given, "--bars", "2", "--seed", "1", "--new-only", "-o", "new.mid")
    new = mido.MidiFile(shell.directory / "new.mid")
    assert sum(_strikes(new)) == sum(_strikes(after)) - sum(_strikes(before)) > 0
    sample = shell.json("sample", "--theme", given, "--form", "ABA", "--seed", "2", "-o", "aba.mid")
    assert sample[0]["sections"] == ["A", "B", "A"]
    shell("sample", "--like", str(sample[0]["id"]), "-o", "again.mid")
    again = (shell.directory / "again.mid").read_bytes()
    assert again == (shell.directory / "aba.mid").read_bytes()


def _strikes(file: mido.MidiFile) -> list[bool]:
    return [m.type == "note_on" and m.velocity > 0 for track in file.tracks for m in track]


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["sample", "--composer", "Bahc"], 2, "did you mean 'Bach'"),
        (["sample", "--form", "A?B"], 2, "AABA"),
        (["sample", "--run", "conformer-9"], 2, "did you mean 'conformer-1'"),
        (["sample", "--runtime", "onnx"], 1, "musictk export --onnx"),
        (["sample", "--like", "77"], 2, "sample '77'"),
        (["sample", "--composer", "Bach:x"], 2, "LABEL:WEIGHT"),
        (["sample", "--like", "1", "--top-k", "3"], 2, "cannot be combined with --top-k"),
        (["train", "--epochs", "0"], 2, "above 0"),
        (
            ["sample", "--composer", "Bach", "--label", "composer=Satie"],
            2,
            "composer is given twice",
        ),
        (["sample", "-o", "out.aiff"], 2, "aiff"),
        (["sample", "--sampler", "top_k:k=4"], 2, "did you mean 'top-k'"),
        (["sample", "--sampler", "top-k:4"], 2, "NAME:key=value"),
        (["sample", "--sampler", "top-k:width=4"], 2, "no setting of top-k 'width'"),
        (["sample", "--bars", "100000"], 2, "1024"),
        (["sample", "--memory", "3"], 2, "sample memory=3 must be 0 or at least 16"),
        (["sample", "--metre", "waltz"], 2, "steady, free or a metre such as 3/4"),
        (["sample", "--max-tokens", "3"], 2, "sample max_tokens=3"),
        (["train", "--export", "onx"], 2, "did you mean 'onnx'"),
        (["train", "--set", "sample.topk=3"], 2, "did you mean 'top_k'"),
        (["train", "--arch", "conformr"], 2, "did you mean 'conformer'"),
        (["train", "--preset", "seed-01"], 2, "seed-001"),
        (["train", "--size", "huge"], 2, "tiny"),
        (["train", "--set", "clipp=1"], 2, "did you mean 'clip'"),
        (["train", "--steps", "5", "--epochs", "1"], 2, "cannot be combined"),
        (["train", "--resume", "nothing"], 2, "conformer-1"),
        (
            ["train", "--resume", "conformer-1", "--steps", "3"],
            2,
            "cannot be combined with --steps",
        ),
        (["train", "--from", "conformer-1", "--arch", "gpt"], 2, "leave out arch=gpt"),
        (["tokenize", "remi", "--set", "modle.dim=3"], 2, "does not use the setting modle.dim"),
        (
            ["tokenize", "remi", "--set", "data.stretch=[1.1]"],
            2,
            "does not use the setting data.stretch",
        ),
        (["catalog", "show", "no-such-file"], 2, "no file"),
        (["catalog", "files", "--split", "tests"], 2, "did you mean 'test'"),
        (["catalog", "files", "--status", "good"], 2, "accepted"),
        (["show", "no-such.mid"], 2, "no-such.mid"),
        (["sample", "--prompt", "no-such.mid"], 2, "no-such.mid"),
        (["sample", "--theme", "no-such.mid", "--form", "ABA"], 2, "no-such.mid"),
        (["sample", "--theme", "no-such.mid"], 2, "add --form ABA"),
        (["sample", "--new-only"], 2, "add --prompt"),
        (["sample", "--metre", "17/32"], 2, "17/32"),
    ],
)
def test_an_error_names_the_thing_and_the_hint(
    trained: Shell,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    named: str,
) -> None:
    ended, _, said = trained.here(capsys, *arguments)
    assert ended == code
    assert named in said
    assert said.count("error: ") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (["train"], 1, "musictk ingest ./midis"),
        (["train", "--resume", "newest"], 1, "musictk train"),
        (["sample", "--run", "mine"], 2, "musictk train"),
        (["ingest", "nothing here"], 2, "nothing here"),
    ],
)
def test_an_empty_catalog_has_a_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, hint: str
) -> None:
    Catalog.open(f"sqlite:///{tmp_path}/catalog.db", tmp_path).close()
    ended, _, said = Shell(tmp_path).here(capsys, *arguments)
    assert ended == code
    assert hint in said


def test_some_rejected_is_done_in_part(tmp_path: Path, midis: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "[red]bad.mid").write_bytes(b"<html>")
    (tmp_path / "in" / "good.mid").write_bytes((midis / "Satie/gymnopedie_3.mid").read_bytes())
    shell = Shell(tmp_path)
    said = shell("ingest", "in", code=3)
    assert "1 rejected" in said.stdout
    rows = shell.json("catalog", "rejected")
    assert len(rows) == 1
    assert rows[0]["code"]
    assert "[red]bad.mid" in shell("catalog", "rejected").stdout
    assert shell("catalog", "check").returncode == 0


def test_a_piece_is_compared_with_one_split(shell: Shell) -> None:
    asked = ("evaluate", "midis/Bach/invention_04_d_minor.mid")
    whole, train = shell.json(*asked), shell.json(*asked, "--split", "train")
    assert 3 <= train["corpus"] < whole["corpus"]
    found = train["features"]["scale consistency"]
    assert found["low"] <= found["high"]
    assert found["inside"] == float(found["low"] <= found["generated"] <= found["high"])
    shown = shell(*asked).stdout
    assert "dissonant pairs" in shown
    assert "inside" in shown
