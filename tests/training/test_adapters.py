"""LoRA: adapters are trained, and what is saved is an ordinary bundle."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from musictk.model import bundle
from musictk.model.manifest import Manifest
from musictk.model.network import Network, NetworkConfig
from musictk.model.sizes import config_for
from musictk.plugin import registry
from musictk.tokens import Tokens
from musictk.training.adapters import adapt, merged_state
from musictk.training.finetune import start_from
from musictk.training.language import LanguageModeling
from musictk.training.loop import train


@pytest.mark.parametrize("averaging", [0.0, 0.5])
def test_adapters_leave_an_ordinary_bundle_and_resume_exactly(
    small: SimpleNamespace, tmp_path: Path, averaging: float
) -> None:
    first = small.run(tmp_path / "first")
    settings = small.SMALL.but(checkpoint_every=6, averaging=averaging)
    split, valid = small.splits()
    outcomes = []
    for name, listener in (("whole", None), ("cut", small.Stopper(6))):
        torch.manual_seed(1)  # of the adapters
        network, manifest = start_from(first.best, lora=4)
        directory = tmp_path / name
        outcomes.append(
            train(
                LanguageModeling(network, manifest, split, valid),
                settings,
                directory,
                listener,
                device="cpu",
            )
        )
    whole, cut = outcomes
    assert cut.interrupted
    # What resumes knows the bundle only; that there were adapters is in the checkpoint.
    manifest = Manifest.read(tmp_path / "cut/last")
    network = bundle.build_network(manifest)
    directory = tmp_path / "cut"
    resumed = train(
        LanguageModeling(network, manifest, split, valid),
        settings,
        directory,
        resume=True,
        device="cpu",
    )
    assert resumed.digest == whole.digest
    before, _ = bundle.read(first.best)
    after, _ = bundle.read(resumed.last)
    changed = {
        name
        for name, tensor in after.state_dict().items()
        if not torch.equal(tensor, before.state_dict()[name])
    }
    assert set(after.state_dict()) == set(before.state_dict())
    assert "body.blocks.0.qkv.weight" in changed
    assert "tables.0.weight" in changed
    assert not any(name.startswith(("stem", "head", "body.positions")) for name in changed)


def test_merged_weights_compute_what_the_adapters_did(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    plain, manifest = small.fresh()
    bundle.write(tmp_path, plain, manifest)
    network, _ = start_from(tmp_path, lora=4)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    network.eval()
    merged, _ = small.fresh()
    merged.load_state_dict(merged_state(network))
    merged.eval()
    sequence, none = torch.randint(3, 131, (2, 16)), torch.zeros(2, 1, 32)
    with torch.no_grad():
        ours = network(sequence, none, network.begin(2, 0))[0]
        theirs = merged(sequence, none, merged.begin(2, 0))[0]
        first = plain.eval()(sequence, none, plain.begin(2, 0))[0]
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert not torch.allclose(ours, first, atol=1e-2)


@pytest.mark.parametrize("arch", ["conformer", "gpt", "relative"])
def test_every_adapter_is_used(arch: str) -> None:
    """Each has a gradient, and the merged weights compute what the adapters do."""
    kind = registry().load("architecture", arch)
    config = config_for(kind, "tiny", {"dropout": 0.0})
    network, merged = (
        Network(kind(config), Tokens(131), {"composer": 3}, NetworkConfig()) for _ in range(2)
    )
    adapt(network, 4)
    for name, parameter in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    merged.load_state_dict(merged_state(network))
    sequence, labels = torch.randint(3, 131, (2, 16)), torch.ones(2, 1, dtype=torch.int64)
    ours, theirs = (
        each(sequence, each.condition(labels), each.begin(2, 0))[0] for each in (network, merged)
    )
    assert torch.allclose(ours, theirs, atol=1e-4)
    ours.sum().backward()
    trained = {name: each.grad for name, each in network.named_parameters() if each.requires_grad}
    assert [name for name, gradient in trained.items() if gradient is None] == []
