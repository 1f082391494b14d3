"""`runs compare` where not all runs can be compared."""

from __future__ import annotations

import csv
import json
import statistics

import pytest

from musictk.cli.compare import to_markdown
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


def test_settings_seeds_and_tables(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--arch", "gpt", "--steps", "2", "--set", "length=64", "--set", "batch=2"]
    small += ("--set", "depth=1", "--set", "heads=2", "--set", "tensorboard=false")
    names = []
    for dim, seed in ((32, 0), (32, 1), (64, 2)):
        name = f"dim{dim}-{seed}"
        asked = ("--set", f"dim={dim}", "--seed", str(seed), "--name", name)
        assert shell.here(capsys, "train", *small, *asked)[0] == 0
        names.append(name)
    code, out, said = shell.here(capsys, "--json", "runs", "compare", *names)
    rows = {row["run"]: row for row in json.loads(out)}
    assert code == 0
    assert "--group shows mean ± standard deviation" in said
    first = rows["dim32-0"]
    assert (first["arch"], first["size"], first["seed"]) == ("gpt", "custom", 0)
    assert first["settings"] == {"model.dim": 32}
    written = ("--csv", "t.csv", "--markdown", "t.md")
    code, out, _ = shell.here(capsys, "--json", "runs", "compare", *names, "--group", *written)
    groups = {row["n"]: row for row in json.loads(out)}
    assert sorted(groups[2]["runs"]) == ["dim32-0", "dim32-1"]
    assert sorted(groups[2]["seeds"]) == [0, 1]
    means = [rows[name]["per_token"] for name in ("dim32-0", "dim32-1")]
    assert groups[2]["per_token"] == pytest.approx(statistics.mean(means), abs=2e-4)
    assert groups[2]["per_token_sd"] == pytest.approx(statistics.stdev(means), abs=2e-4)
    assert groups[1]["per_token_sd"] is None
    table = list(csv.DictReader((shell.directory / "t.csv").open(encoding="utf-8")))
    assert {row["model.dim"]: float(row["per_token"]) for row in table} == {
        "32": groups[2]["per_token"],
        "64": groups[1]["per_token"],
    }
    lines = (shell.directory / "t.md").read_text("utf-8").splitlines()
    assert lines[0].startswith("| run | arch | size | n | model.dim | tokenizer |")
    assert len({line.count(" | ") for line in lines}) == 1
    assert " ± " in lines[2] + lines[3]
    code, out, _ = shell.here(capsys, "runs", "compare", "dim32-0", "--csv", "-")
    (row,) = csv.DictReader(out.splitlines())
    assert (row["run"], row["seed"]) == ("dim32-0", "0")
    assert float(row["per_token_low"]) <= float(row["per_token"]) <= float(row["per_token_high"])
    code, _, said = shell.here(capsys, "--json", "runs", "compare", "dim32-0", "--csv", "-")
    assert (code, "cannot be combined with --json" in said) == (2, True)
    code, out, _ = shell.here(capsys, "runs", "compare", *names, "--no-group", "--markdown", "-")
    assert out.startswith("| run | arch | size | seed | model.dim |")


def test_a_cell_of_a_markdown_table_is_one_cell() -> None:
    assert (
        to_markdown([{"a|b": "x|y\nz", "n": 1}])
        == "| a\\|b | n |\n| --- | --- |\n| x\\|y z | 1 |\n"
    )
