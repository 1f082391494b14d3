"""Low-rank adapters (LoRA; Hu et al. 2021, arXiv 2106.09685) through peft, merged when saved."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from musictk.errors import MusictkError, install_command
from musictk.model.manifest import CONDITION_WEIGHTS
from musictk.model.network import Network


def adapt(network: Network, rank: int) -> None:
    """Freeze the network and add trainable adapters of `rank` to each linear layer of its body.

    Condition tables and the vectors of bar controls stay trainable: a new composer needs a vector,
    and a control may mean something else in the new corpus. Raises MusictkError if peft is not
    installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MusictkError(
            "LoRA needs the package peft", f"{install_command('lora')}, or train all weights"
        ) from error
    targets = [
        name for name, module in network.body.named_modules() if isinstance(module, nn.Linear)
    ]
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets)
    inject_adapter_in_model(config, network.body)
    for name, parameter in network.named_parameters():
        conditions = name.startswith((*CONDITION_WEIGHTS, "condition_logits."))
        parameter.requires_grad_("lora_" in name or conditions)


def adapted(network: nn.Module) -> bool:
    """Whether the network has adapters."""
    return any(hasattr(module, "get_delta_weight") for module in network.modules())


@torch.no_grad()
def merged_state(network: nn.Module) -> dict[str, Tensor]:
    """The state of a network without adapters that computes the same."""
    state = dict(network.state_dict())
    for name, module in network.named_modules():
        if not hasattr(module, "get_delta_weight"):
            continue
        layer: Any = module
        for key in [key for key in state if key.startswith(f"{name}.")]:
            tensor = state.pop(key)
            if key.startswith(f"{name}.base_layer."):
                state[key.replace(".base_layer.", ".")] = tensor
        weight = f"{name}.weight"
        delta = layer.get_delta_weight(layer.active_adapters[0])
        state[weight] = state[weight] + delta.to(state[weight].dtype)
    return state
