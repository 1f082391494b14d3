"""The average of the weights that is scored, kept and exported."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from musictk.model import bundle
from musictk.training.average import EVERY, Average


def _walk(share: float, additions: int) -> tuple[Average, nn.Parameter]:
    """A weight that is n at the n-th addition, from 0."""
    weight = nn.Parameter(torch.full((2, 3), -1.0))
    average = Average({"weight": weight}, share)
    for step in range(additions * EVERY):
        weight.data.fill_(step / EVERY)
        average.add(step)
    return average, weight


def test_a_share_of_one_is_the_mean_of_all_additions() -> None:
    average, weight = _walk(1.0, 9)
    average.apply()
    assert torch.allclose(weight, torch.full((2, 3), 4.0))


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_mean_age_is_a_fixed_part_of_the_steps(share: float) -> None:
    for additions in (200, 2000):
        average, weight = _walk(share, additions)
        average.apply()
        age = (additions - float(weight[0, 0].detach())) / additions
        assert age == pytest.approx(share / (1 + share), rel=0.1)


def test_the_weights_in_training_return() -> None:
    average, weight = _walk(0.5, 5)
    before = weight.detach().clone()
    with average.applied():
        assert not torch.equal(weight, before)
    assert torch.equal(weight, before)


def test_without_a_share_nothing_is_averaged() -> None:
    average, weight = _walk(0.0, 5)
    before = weight.detach().clone()
    average.apply()
    assert torch.equal(weight, before)
    with average.applied():
        assert torch.equal(weight, before)


def test_averaging_changes_what_is_kept_but_not_what_is_trained(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    averaged = small.run(tmp_path / "averaged", small.SMALL.but(averaging=0.5))
    plain = small.run(tmp_path / "plain")
    assert _losses(tmp_path / "averaged") == _losses(tmp_path / "plain")
    assert averaged.best_nll != plain.best_nll
    assert averaged.digest != plain.digest
    assert averaged.digest == bundle.weights_digest(bundle.read(averaged.last)[0])


def _losses(run: Path) -> list[float]:
    lines = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if "loss" in line]
