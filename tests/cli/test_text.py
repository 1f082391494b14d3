"""A corpus of ABC notation or of plain text alone."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np

from .shell import Shell

SCALE = "CDEFGABc"


def tune(number: int) -> str:
    rng = np.random.default_rng(number)
    bars = ["".join(SCALE[step] for step in rng.integers(0, 8, 8)) for _ in range(8)]
    return f"X:{number}\nT:Tune {number}\nM:4/4\nL:1/8\nK:C\n" + "|".join(bars) + "|]\n"


def trained(folder: Path, pieces: dict[str, str]) -> Shell:
    shell = Shell(folder)
    (folder / "texts/Anon").mkdir(parents=True)
    for name, text in pieces.items():
        (folder / "texts/Anon" / name).write_text(text)
    shell("ingest", "texts", "--text")
    small = ["model.dim=32", "model.depth=1", "model.heads=2", "length=64", "size=280"]
    settings = [word for value in small for word in ("--set", value)]
    shell("train", "--arch", "gpt", "--tokenizer", "text", "--steps", "40", *settings)
    return shell


def test_tunes_in_abc_become_midi(tmp_path: Path) -> None:
    shell = trained(tmp_path, {f"{n}.abc": tune(n) for n in range(1, 41)})
    (tmp_path / "prompt.abc").write_text(tune(99))
    asked = ("sample", "--prompt", "prompt.abc", "--form", "AA", "--bars", "2", "--seed", "1")
    shell(*asked, "-o", "out.abc")
    shell(*asked, "-o", "out.mid")
    assert (tmp_path / "out.abc").read_text().startswith("X:99\n")
    out = mido.MidiFile(tmp_path / "out.mid")
    notes = [m for track in out.tracks for m in track if m.type == "note_on" and m.velocity]
    assert len(notes) >= 64  # the prompt's own
    markers = [m.text for track in out.tracks for m in track if m.type == "marker"]
    assert markers[0] == "prompt"

    filled = shell("sample", "--infill", "prompt.abc", "--bars", "2", "-o", "x.abc", code=2)
    assert "the model writes text" in filled.stderr
    assert filled.stderr.count("\n") == 1

    done = shell.run(*asked, "--count", "8", "-o", "many.mid")  # content without sound is reported
    unplayable = done.stderr.count("cannot be written")
    rows = [line for line in done.stdout.splitlines() if "repeat: musictk sample --like" in line]
    assert len(rows) + unplayable == 8
    assert done.returncode == (3 if unplayable else 0)


def test_text_that_is_no_music_is_kept(tmp_path: Path) -> None:
    lines = {f"{n}.txt": f"line {n} of some text\n" * 20 for n in range(1, 41)}
    shell = trained(tmp_path, lines)
    done = shell("sample", "--bars", "2", "--seed", "1", "-o", "out.mid", code=1)
    assert "no ABC tune" in done.stderr
    assert "out.txt" in done.stderr
    assert not (tmp_path / "out.mid").exists()
    assert (tmp_path / "out.txt").stat().st_size
