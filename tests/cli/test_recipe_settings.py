"""Parts of the recipe that can be switched off: averaged weights, and short rows at first."""

from __future__ import annotations

from tests.cli.shell import SMALL, Shell

TINY = ("train", "--size", "tiny", *SMALL, "--steps", "10", "--set", "evaluate_every=5")


def test_train_keeps_the_average_and_can_keep_the_last_weights(shell: Shell) -> None:
    averaged = shell.json(*TINY)
    settings = shell.json("runs", "show", "conformer-2")["settings"]["train"]
    assert (settings["schedule"], settings["averaging"]) == ("wsd", 0.05)
    plain = shell.json(*TINY, "--set", "averaging=0")
    assert averaged["digest"] != plain["digest"]
    again = shell.json(*TINY, "--set", "averaging=0.05", "--set", "schedule=wsd")
    assert averaged["digest"] == again["digest"]


def test_train_begins_with_short_rows_unless_that_is_off(shell: Shell) -> None:
    made = shell.json(*TINY)
    assert shell.json("runs", "show", "conformer-2")["settings"]["train"]["short_rows"] == 0.5
    whole = shell.json(*TINY, "--set", "short_rows=0")
    assert made["digest"] != whole["digest"]


def test_a_part_above_one_is_refused(shell: Shell) -> None:
    said = shell(*TINY, "--set", "averaging=2", code=2).stderr
    assert said.startswith("error: setting of training averaging=2.0 must be from 0 to 1")
    assert len(said.splitlines()) == 1
