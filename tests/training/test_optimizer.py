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


def test_what_a_module_holds_itself_is_not_a_matrix_to_muon(small: SimpleNamespace) -> None:
    """Hyper-connections, whose mixing begins at [e_k | I], and tables of distances."""
    network, _ = small.fresh(architecture="conformer", streams=4, windows=(4, 8), kernel=3)
    decayed = {id(each) for each in split_parameters(network)[0]}
    optimizers = make_optimizers(network, Optimisation(optimizer="muon"))
    muon = {id(p) for group in optimizers[1].param_groups for p in group["params"]}
    of = dict(network.named_parameters())
    mixing = [name for name in of if "residuals" in name]
    assert {name.rpartition(".")[2] for name in mixing} >= {"alpha", "alpha_weight", "beta_weight"}
    assert not {id(of[name]) for name in mixing} & (decayed | muon)
    block = "body.blocks.0."
    linear, kernel = of[f"{block}local.qkv.weight"], of[f"{block}convolution.depthwise.weight"]
    assert id(linear) in decayed & muon
    assert id(kernel) in decayed - muon
    network, _ = small.fresh(architecture="relative", distances=8)
    table = network.get_parameter(f"{block}attention.table")
    assert id(table) not in {id(each) for each in split_parameters(network)[0]}


def test_every_parameter_is_stepped_once_whichever_optimizer(small: SimpleNamespace) -> None:
    network, _ = small.fresh()
    for kind in ("adamw", "muon"):
        optimizers = make_optimizers(network, Optimisation(optimizer=kind))
        found = [p for o in optimizers for group in o.param_groups for p in group["params"]]
        assert sorted(map(id, found)) == sorted(map(id, network.parameters()))
    assert len(optimizers) == 2
    muon = {id(p) for group in optimizers[1].param_groups for p in group["params"]}
    assert muon <= {id(p) for p in network.body.parameters()}


def test_muon_iterates_as_often_as_set(small: SimpleNamespace) -> None:
    weights = []
    for steps in (5, 5, 3):
        network, _ = small.fresh()
        optimizers = make_optimizers(network, Optimisation(optimizer="muon", muon_steps=steps))
        torch.manual_seed(0)
        for parameter in network.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizers[1].step()
        weights.append(next(p for group in optimizers[1].param_groups for p in group["params"]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    torch.testing.assert_close(weights[0], weights[2], atol=1e-3, rtol=0)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_packed_and_unpacked_state_gives_equal_steps(small: SimpleNamespace, kind: str) -> None:
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
    packed = pack(ours, dict(first.named_parameters()))
    unpack(theirs, dict(second.named_parameters()), packed)
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
