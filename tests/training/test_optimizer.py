from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from musictk.training.optimizer import make_optimizers, pack, set_rate, split_parameters, unpack
from musictk.training.settings import Optimisation


def test_only_matrices_decay(small: SimpleNamespace) -> None:
    network, _ = small.fresh()
    names = {id(each): name for name, each in network.named_parameters()}
    decayed, rest = split_parameters(network)
    assert len(decayed) + len(rest) == len(names)
    kept = [names[id(each)] for each in decayed]
    assert any("qkv.weight" in name for name in kept)
    assert not any(word in name for name in kept for word in ("norm", "bias", "stem", "tables"))


def test_every_parameter_is_stepped_once_whichever_optimizer(small: SimpleNamespace) -> None:
    network, _ = small.fresh()
    for kind in ("adamw", "muon"):
        optimizers = make_optimizers(network, Optimisation(optimizer=kind))
        found = [p for o in optimizers for group in o.param_groups for p in group["params"]]
        assert sorted(map(id, found)) == sorted(map(id, network.parameters()))
    assert len(optimizers) == 2
    muon = {id(p) for group in optimizers[1].param_groups for p in group["params"]}
    assert muon <= {id(p) for p in network.body.parameters()}


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_state_packed_and_unpacked_steps_alike(small: SimpleNamespace, kind: str) -> None:
    def step(network: torch.nn.Module, optimizers: list[torch.optim.Optimizer]) -> None:
        for index, parameter in enumerate(network.parameters()):
            parameter.grad = torch.full_like(parameter, 0.1 + index) * parameter
        for optimizer in optimizers:
            optimizer.step()

    settings = Optimisation(optimizer=kind)  # type: ignore[arg-type]
    first, _ = small.fresh()
    ours = make_optimizers(first, settings)
    step(first, ours)
    second, _ = small.fresh()
    second.load_state_dict(first.state_dict())
    theirs = make_optimizers(second, settings)
    unpack(theirs, second, pack(ours, first))
    step(first, ours)
    step(second, theirs)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_rate_scales_every_group(small: SimpleNamespace) -> None:
    network, _ = small.fresh()
    optimizers = make_optimizers(network, Optimisation(lr=0.2))
    set_rate(optimizers, 0.5)
    set_rate(optimizers, 0.25)
    assert {group["lr"] for each in optimizers for group in each.param_groups} == {0.05}
