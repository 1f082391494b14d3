"""The time of a run: given, expected and stored."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.shell import SMALL, Shell

TINY = ("train", "--size", "tiny", *SMALL)
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("minutes", ["0", "0.001"])
def test_a_time_without_room_for_an_evaluation_names_the_shortest(
    shell: Shell, minutes: str
) -> None:
    said = shell(*TINY, "--minutes", minutes, code=2).stderr.splitlines()
    assert said[-1].startswith(f"error: {minutes} minutes are too short for one evaluation; ")
    found = re.search(r"the shortest that works here is --minutes ([\d.]+)$", said[-1])
    assert found
    assert [row["name"] for row in shell.runs()] == ["conformer-1"], "no run was added"
    made = shell.json(*TINY, "--minutes", found[1])
    assert made["ended"] == "finished"
    assert made["best_nll"] is not None


def test_the_plan_of_a_given_time_is_stored_and_repeats_the_run(shell: Shell) -> None:
    made = shell.json(*TINY, "--minutes", "0.3")
    stored = shell.json("runs", "show", "conformer-2")
    settings = stored["settings"]
    assert settings["minutes"] == 0.3
    train = settings["train"]
    assert made["step"] == train.get("replanned", [[0, train["steps"]]])[-1][1]
    given = [f"{key}={value}" for key, value in train.items()]
    repeat = [part for each in given for part in ("--set", each)]
    again = shell.json(*TINY, *repeat)
    assert again["digest"] == made["digest"]
    assert again["step"] == made["step"]


def test_the_expected_time_is_printed_before_the_first_step(shell: Shell) -> None:
    said = shell(*TINY, "--steps", "40").stderr
    assert re.search(r"about \d+ (s|min): 40 steps of \d+ x 128 tokens in \w+ on cpu", said)
    assert said.index("about") < said.index("step 20")
    found = shell.json("runs", "show", "conformer-2")["settings"]
    assert set(found["pace"]) == {"step", "evaluation", "checkpoint"}
    assert found["budget"] is None  # the steps were given


def test_measuring_changes_nothing_of_the_run(shell: Shell) -> None:
    """Equal settings give equal weights, with and without steps that are thrown away."""
    shell(*TINY, "--minutes", "0.2", "--set", "precision=fp32")
    first, second = (
        shell.json(*TINY, "--steps", steps, "--set", "evaluate_every=10")["digest"]
        for steps in ("30", "30")
    )
    assert first == second


@pytest.mark.parametrize("other", [("--steps", "3"), ("--epochs", "2")])
def test_minutes_replace_steps_and_epochs(
    trained: Shell, capsys: Capture, other: tuple[str, str]
) -> None:
    code, _, error = trained.here(capsys, "train", "--minutes", "1", *other)
    assert code == 2
    assert f"{other[0]} cannot be combined with --minutes; leave one out" in error


def test_minutes_that_are_none_are_one_line(trained: Shell, capsys: Capture) -> None:
    for value in ("-1", "nan", "inf", "x"):
        code, _, error = trained.here(capsys, "train", "--minutes", value)
        assert code == 2
        assert "minutes" in error


def test_minutes_are_a_setting_like_steps(shell: Shell, capsys: Capture) -> None:
    """Of musictk.toml and of --config; a flag with another length replaces them."""
    (shell.directory / "musictk.toml").write_text("[train]\nminutes = 0\n")
    code, _, error = shell.here(capsys, *TINY)
    assert code == 2
    assert "0 minutes are too short" in error
    assert shell.json(*TINY, "--steps", "2")["step"] == 2
    (shell.directory / "musictk.toml").unlink()
    (shell.directory / "short.toml").write_text("minutes = 0.001\n")
    code, _, error = shell.here(capsys, *TINY, "--config", "short.toml")
    assert code == 2
    assert "0.001 minutes are too short" in error
    assert shell.json(*TINY, "--config", "short.toml", "--steps", "2")["step"] == 2


def test_seeds_of_equal_minutes_are_one_group(shell: Shell) -> None:
    seeds = ("sweep", "--size", "tiny", *SMALL, "--minutes", "0.3", "--seeds", "0,1")
    found = shell.json(*seeds)
    assert [row["status"] for row in found["runs"]] == ["finished", "finished"]
    assert len(found["comparison"]) == 1


def test_old_runs_without_a_pace_are_shown(shell: Shell, tmp_path: Path) -> None:
    assert shell.json("runs", "show", "conformer-1")["settings"].get("pace", {}) == {}
