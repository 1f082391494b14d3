"""`runs compare` where not all runs can be compared."""

from __future__ import annotations

from tests.cli.shell import Shell
from tests.cli.test_text import tune


def test_a_run_over_text_beside_runs_over_midi(shell: Shell) -> None:
    folder = shell.directory / "tunes" / "Anon"
    folder.mkdir(parents=True)
    for number in range(1, 41):
        (folder / f"{number}.abc").write_text(tune(number))
    shell("ingest", "tunes")
    small = [word for value in ("dim=32", "depth=1", "heads=2") for word in ("--set", value)]
    small += ["--arch", "gpt", "--steps", "2", "--set", "length=64"]
    shell("train", "--tokenizer", "text", "--set", "size=280", *small)
    shell("train", "--tokenizer", "events", *small)
    said = shell("runs", "compare")
    assert "gpt-1 is excluded: no valid piece in common with conformer-1" in said.stderr
    assert "events leaves out tempo" in said.stderr
    assert "gpt-2" in said.stdout
    rows = shell.json("runs", "compare")
    assert {(row["run"], row["tokenizer"]) for row in rows} == {
        ("conformer-1", "remi"),
        ("gpt-2", "events"),
    }
    assert len({row["pieces"] for row in rows}) == 1
    said = shell("runs", "compare", "conformer-1", "gpt-1", "gpt-2", code=1)
    assert "gpt-1: no piece in common with conformer-1, gpt-2" in said.stderr
    said = shell("runs", "compare", "gpt-1")
    assert "events leaves out" not in said.stderr
