"""Values that cannot work: refused by name, before anything is begun."""

from __future__ import annotations

import pytest

from tests.cli.shell import Shell

CONFORMER = ("train", "--arch", "conformer", "--set")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([*CONFORMER, "windows=[]"], "conformer windows=()"),
        ([*CONFORMER, "streams=0"], "conformer streams=0 must be above 0"),
        ([*CONFORMER, "feedforward=0"], "conformer feedforward=0 must be above 0"),
        (["train", "--set", "dim=30", "--set", "heads=4"], "heads=4 must be a divisor of dim=30"),
        (["train", "--set", "condition_scale=-1"], "network condition_scale=-1.0"),
        (["train", "--set", "lr=-1"], "training lr=-1.0 must be above 0"),
        (["train", "--set", "patience=-3"], "training patience=-3 must be at least 0"),
        (["train", "--device", "tpu"], "no device 'tpu'; choose from: cpu, cuda"),
        (["train", "--device", "cuda:99"], "no device 'cuda:99'"),
        (["sample", "--composer", "Bach:nan"], "composer Bach:nan"),
        (["sample", "--composer", "Bach:1,Chopin:inf"], "composer Chopin:inf"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(
    trained: Shell, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    ended, _, said = trained.here(capsys, *arguments)
    assert ended == 2
    assert named in said
    assert said.count("error: ") == 1
    assert [row["name"] for row in trained.runs()] == ["conformer-1"], "no run was added"
