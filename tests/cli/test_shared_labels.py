"""`train` lists the labels with too few pieces for their own embedding."""

from __future__ import annotations

import json

import pytest

from tests.cli.shell import Shell

TRAIN = (
    *("--json", "train", "--arch", "gpt", "--steps", "1"),
    *("--set", "model.dim=16", "--set", "model.depth=1", "--set", "model.heads=2"),
    *("--set", "max_length=256", "--set", "length=64"),
)


def test_labels_that_share_a_vector_are_named_before_the_first_step(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, said = shell.here(capsys, *TRAIN)
    assert code == 0
    note = (
        "composers with fewer than 10 training pieces share one embedding: Chopin, Satie, Schumann"
    )
    assert said.count(note) == 1
    assert said.index(note) < said.index("step 1:")
    assert json.loads(out)["shared_labels"] == {"composer": ["Chopin", "Satie", "Schumann"]}


def test_a_composer_of_held_out_pieces_alone_is_never_learned(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, said = shell.here(capsys, *TRAIN, "--set", "data.threshold=1")
    assert code == 0
    assert "composers with fewer than 1 training piece share one embedding: Satie\n" in said
    assert json.loads(out)["shared_labels"] == {"composer": ["Satie"]}
