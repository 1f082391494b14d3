"""Other objectives are trained by the same loop, and resumed as exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from musictk.errors import MusictkError
from musictk.model import bundle
from musictk.training.loop import train
from musictk.training.task import Task
from tests.training.other_tasks import Preference, Regression
from tests.training.run_log import read_log

Make = Callable[[SimpleNamespace], Task]


def preference(small: SimpleNamespace) -> Task:
    network, manifest = small.fresh(dropout=0.0)
    reference, _ = small.fresh(dropout=0.0)
    split, valid = small.splits()
    return Preference(network, manifest, split, valid, reference)


def regression(small: SimpleNamespace) -> Task:
    return Regression(*small.fresh(), *small.splits())


def kept(directory: Path) -> dict[str, Any]:
    """Every tensor of the last checkpoint."""
    return load_file(directory / "last/optimizer.safetensors")


@pytest.mark.parametrize("make", [preference, regression])
@pytest.mark.parametrize("values", [{}, {"optimizer": "muon", "precision": "bf16"}])
def test_another_objective_is_trained_and_resumed_exactly(
    small: SimpleNamespace, tmp_path: Path, make: Make, values: dict[str, Any]
) -> None:
    settings = small.SMALL.but(steps=8, accumulation=2, evaluate_every=4, **values)
    whole = train(make(small), settings, tmp_path / "whole", device="cpu")
    cut = train(make(small), settings, tmp_path / "cut", small.Stopper(4), device="cpu")
    assert (cut.ended, cut.step) == ("interrupted", 4)
    end = train(make(small), settings, tmp_path / "cut", resume=True, device="cpu")
    assert (end.digest, end.best_nll) == (whole.digest, whole.best_nll)
    ours, theirs = kept(tmp_path / "cut"), kept(tmp_path / "whole")
    assert set(ours) == set(theirs)
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    scores = [line for line in read_log(tmp_path / "cut") if line["kind"] == "evaluation"]
    assert [line["step"] for line in scores] == [4, 8]
    network, manifest = bundle.read(end.last)
    assert bundle.weights_digest(network) == whole.digest
    assert manifest.trained["data"] == make(small).data


@pytest.mark.parametrize("make", [preference, regression])
def test_another_objective_is_learned(small: SimpleNamespace, tmp_path: Path, make: Make) -> None:
    task = make(small)
    before = {name: each.clone() for name, each in task.network.named_parameters()}
    settings = small.SMALL.but(steps=32, batch=16, length=16, evaluate_every=16)
    outcome = train(task, settings, tmp_path, device="cpu")
    losses = [line["loss"] for line in read_log(tmp_path) if line["kind"] == "step"]
    assert np.mean(losses[-8:]) < 0.7 * np.mean(losses[:2])
    assert outcome.best_nll is not None
    assert outcome.baseline == task.baseline()
    assert any(
        not torch.equal(each, before[name]) for name, each in task.network.named_parameters()
    )


def test_the_parameters_of_an_objective_are_in_the_checkpoint(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    settings = small.SMALL.but(steps=3, accumulation=2, log_every=3)
    outcome = train(regression(small), settings, tmp_path, device="cpu")
    names = {name for name in kept(tmp_path) if name.startswith("objective/")}
    assert names == {"objective/head.weight", "objective/head.bias", "objective/passes"}
    assert kept(tmp_path)["objective/passes"] == 6
    assert outcome.by_position.keys() == {"largest"}
    weights = load_file(tmp_path / "last/weights.safetensors")
    assert not any("objective" in name for name in weights)


def test_a_checkpoint_of_another_task_is_refused(small: SimpleNamespace, tmp_path: Path) -> None:
    train(regression(small), small.SMALL.but(steps=2), tmp_path, small.Stopper(2), device="cpu")
    with pytest.raises(MusictkError, match="another training task"):
        train(small.task(), small.SMALL.but(steps=2), tmp_path, resume=True, device="cpu")
