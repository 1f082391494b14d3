"""The common mistakes of newcomers: what the command line says, and what it says to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import Shell

RUNS = "choose from: conformer-1"
COMPOSERS = "choose from: Bach, Chopin, Satie, Schumann"
ARCHITECTURES = "choose from: conformer, gpt, relative, roll"
BUNDLE = "name the directory of an export, or one such as runs/RUN/best"
SATIE = "midis/Satie/gymnopedie_3.mid"

# (what is typed, the whole error)
HINTS = [
    # Runs and models.
    ("sample --run first", f"no run 'first'; {RUNS}"),
    ("sample --run conformer", "no run 'conformer'; did you mean 'conformer-1'?"),
    ("export --run first", f"no run 'first'; {RUNS}"),
    ("runs show first", f"no run 'first'; {RUNS}"),
    ("train --from first", f"no run 'first'; {RUNS}"),
    ("train --resume first", f"no run 'first'; {RUNS}"),
    (
        "train --resume conformer-1",
        "run 'conformer-1' is finished; fine-tune it with: musictk train --from conformer-1",
    ),
    ("sample --bundle first", f"there is no bundle 'first'; {BUNDLE}"),
    ("sample --bundle midis", f"midis contains no model; {BUNDLE}"),
    (
        "sample --bundle runs/conformer-1",
        "runs/conformer-1 contains no model; did you mean 'runs/conformer-1/best'?",
    ),
    ("sample --bundle runs", "runs contains no model; did you mean 'runs/conformer-1/best'?"),
    (
        "sample --bundle runs/conformer-1/best/manifest.json",
        "runs/conformer-1/best/manifest.json contains no model; "
        "did you mean 'runs/conformer-1/best'?",
    ),
    (
        "sample --runtime onnx",
        "run conformer-1 has no export for onnx; run `musictk export --onnx --run conformer-1`",
    ),
    ("sample --runtime tf", "no runtime 'tf'; choose from: onnx, torch, torchscript"),
    (
        "train --from conformer-1 --tokenizer events",
        "a run that fine-tunes conformer-1 keeps its tokenizer, which is 'remi'; "
        "leave out tokenizer=events (--tokenizer)",
    ),
    # Components and settings.
    ("train --arch lstm", f"no architecture 'lstm'; {ARCHITECTURES}"),
    ("train --arch confomer", "no architecture 'confomer'; did you mean 'conformer'?"),
    (
        "train --arch remi",
        "no architecture 'remi'; 'remi' names another kind of component: tokenizer",
    ),
    (
        "train --tokenizer gpt",
        "no tokenizer 'gpt'; 'gpt' names another kind of component: architecture",
    ),
    ("tokenize midi", "no tokenizer 'midi'; choose from: events, pianoroll, remi, text"),
    ("train --size big", "no size 'big'; choose from: base, large, small, tiny"),
    ("train --set lr", "--set 'lr' is not KEY=VALUE; such as bpe=5000 or clip=0.5"),
    ("train --set batch=0", "setting of training batch=0 must be above 0 (from --set)"),
    ("train --export onxn", "no kind of export 'onxn' (from --export); did you mean 'onnx'?"),
    ("train --device gpu", "no device 'gpu'; did you mean 'cuda'?"),
    ("train --device tpu", "no device 'tpu'; choose from: cpu, cuda (cuda:1, …), auto"),
    ("train --config a.toml", "there is no file a.toml; check the path after --config"),
    (
        "train --steps 1 --epochs 1",
        "--steps cannot be combined with --epochs; leave one out",
    ),
    ("export --int8 --fp16", "--int8 cannot be combined with --fp16; export twice"),
    # Names of composers and labels.
    ("sample --composer Mozart", f"no composer 'Mozart'; {COMPOSERS}"),
    ("sample --composer Chopan", "no composer 'Chopan'; did you mean 'Chopin'?"),
    (
        "sample --composer Bach:x",
        "'Bach:x' is not LABEL:WEIGHT; such as Bach:0.6,Chopin:0.4",
    ),
    (
        "sample --label Baroque",
        "--label 'Baroque' is not CATEGORY=VALUE; such as period=Baroque",
    ),
    (
        "sample --composer Bach --label composer=Satie",
        "composer is given twice; to mix labels: composer=Bach:0.6,Chopin:0.4",
    ),
    # Numbers out of range.
    ("sample --bars 1000000", "bars=1000000 must be from 0 to 1024"),
    ("sample --seed -1", "seed=-1 must be from 0 to 9223372036854775807"),
    (
        "sample --temperature 1000000",
        "temperature=1000000.0 must be from 0 to less than 1,000,000",
    ),
    ("sample --like 99", "no sample '99'; there are none yet"),
    # Forms.
    ("sample --form verse-corus", "no form or section 'corus'; did you mean 'chorus'?"),
    (
        "sample --form A0",
        "the form 'A0' has a section of 0 bars or of more than 1024; "
        "write the bars after the letter: A8 B4 A8",
    ),
    (
        f"sample --theme {SATIE}",
        "--theme needs a form, of which it is the first section; add --form ABA",
    ),
    ("sample --new-only", "--new-only needs a prompt or theme to leave out; add --prompt"),
    # Files.
    ("sample --prompt a.mid", "there is no file 'a.mid'; check the path"),
    ("sample --prompt b/a.mid", "there is no file 'b/a.mid'; the folder 'b' does not exist"),
    (
        "sample --prompt midis/Satie/gymnopedie_1.mid",
        f"there is no file 'midis/Satie/gymnopedie_1.mid'; did you mean '{SATIE}'?",
    ),
    ("sample --prompt midis", "midis is a directory; name a file in it"),
    (
        f"show {SATIE} -o a.jpg",
        "unknown picture format '.jpg' of a.jpg; choose from: .png, .svg, .pdf",
    ),
    (
        f"render {SATIE} -o a.aac",
        "unknown audio format '.aac' of a.aac; choose from: .wav, .flac, .mp3, .ogg",
    ),
    (
        f"render {SATIE} --soundfont a.sf2",
        "the soundfont a.sf2 cannot be read: No such file or directory; "
        "choose an .sf2 or .sf3 file",
    ),
    (
        f"render {SATIE} --soundfont {SATIE}",
        f"{SATIE} is not a soundfont; choose an .sf2 or .sf3 file",
    ),
    (
        "sample -o a.midi.txt",
        "a.midi.txt does not end in .mid; choose a name that ends in .mid, such as -o out.mid",
    ),
]
NO_MUSIC = "the catalog has no midi files; add some with: musictk ingest ./midis"


@pytest.mark.parametrize(("typed", "said"), HINTS, ids=[typed for typed, _ in HINTS])
def test_the_hint_fits_the_mistake(
    trained: Shell, capsys: pytest.CaptureFixture[str], typed: str, said: str
) -> None:
    code, out, err = trained.here(capsys, *typed.split())
    assert code in (1, 2)
    assert out == ""
    assert err == f"error: {said}\n"


def test_without_music_or_a_run_the_next_command_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(tmp_path)
    (tmp_path / "empty").mkdir()
    _, out, _ = shell.here(capsys, "ingest", "empty")
    assert "next: musictk ingest FOLDER, with MIDI files" in out
    assert "musictk train" not in out
    code, _, err = shell.here(capsys, "train")
    assert (code, err) == (1, f"error: {NO_MUSIC}\n")
    code, _, err = shell.here(capsys, "train", "--resume", "newest")
    assert (code, err) == (1, "error: there is no run yet; train one with: musictk train\n")
    code, _, err = shell.here(capsys, "runs", "compare")
    assert code == 1
    assert "there is no finished run yet; train one with: musictk train" in err


def test_of_several_exports_the_one_that_is_used_is_named(shell: Shell) -> None:
    shell("export", "--onnx")
    sampled = ("sample", "--bars", "1", "--runtime", "onnx", "-o", "a.mid")
    assert "uses the newest export" not in shell(*sampled).stderr
    shell("export", "--fp16")
    said = shell(*sampled).stderr
    other = "exports/conformer-1-onnx"
    assert f"uses the newest export, onnx-fp16; for another: --bundle {other}" in said
    shell("sample", "--bars", "1", "--bundle", other, "-o", "b.mid")
