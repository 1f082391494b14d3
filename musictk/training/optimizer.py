"""The optimizers, and which parameters each of them updates."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import AdamW, Optimizer

from musictk.training.settings import Optimisation

Parameters = list[nn.Parameter]

# Layers that multiply their input by a matrix or a kernel: only their weights decay.
MULTIPLYING = (nn.Linear, nn.modules.conv._ConvNd, nn.RNNBase, nn.MultiheadAttention)


def make_optimizers(
    module: nn.Module, settings: Optimisation, body: nn.Module | None = None
) -> list[Optimizer]:
    """AdamW (Loshchilov & Hutter 2019); or Muon for the matrices of `body`, AdamW for the rest.

    `body` is by default `module.body`. Each group keeps its highest rate as `peak`; `set_rate`
    scales it.
    """
    matrices, rest = split_parameters(module)
    hidden: Parameters = []
    if settings.optimizer == "muon":
        body = body or module.get_submodule("body")
        inside = {id(parameter) for parameter in body.parameters()}
        hidden = [each for each in matrices if id(each) in inside and each.ndim == 2]
        taken = {id(each) for each in hidden}
        matrices = [each for each in matrices if id(each) not in taken]
    optimizers: list[Optimizer] = [
        AdamW(
            [
                {"params": matrices, "weight_decay": settings.weight_decay},
                {"params": rest, "weight_decay": 0.0},
            ],
            lr=settings.lr,
            betas=(settings.beta1, settings.beta2),
            fused=True,
        )
    ]
    if hidden:
        # Moonshot's scaling (Liu et al. 2025) lets Muon share AdamW's rate and decay.
        optimizers.append(
            torch.optim.Muon(
                hidden,
                lr=settings.lr,
                weight_decay=settings.weight_decay,
                ns_steps=settings.muon_steps,
                adjust_lr_fn="match_rms_adamw",
            )
        )
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def split_parameters(module: nn.Module) -> tuple[Parameters, Parameters]:
    """Trainable parameters with weight decay, and those without.

    Matrices and kernels of torch's own multiplying layers decay. Embeddings (also those that a head
    shares), norms and biases do not. Nor do a module's bare parameters: their initial values have
    a meaning, such as hyper-connections' mixing, which starts at [e_k | I].
    """
    embeddings = _parameters(module, nn.Embedding)
    weights = _parameters(module, *MULTIPLYING) - embeddings
    trainable = [each for each in module.parameters() if each.requires_grad]
    decayed = [each for each in trainable if each.ndim >= 2 and each in weights]
    chosen = set(decayed)
    return decayed, [each for each in trainable if each not in chosen]


def _parameters(module: nn.Module, *kinds: type[nn.Module]) -> set[nn.Parameter]:
    """The parameters that modules of these kinds hold directly."""
    modules = [module for module in module.modules() if isinstance(module, kinds)]
    return {each for module in modules for each in module.parameters(recurse=False)}


def set_rate(optimizers: list[Optimizer], rate: float) -> None:
    """Scale every group's learning rate from its peak."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * rate


def pack(optimizers: list[Optimizer], parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """The optimizers' state by parameter name: {"body.x.weight/exp_avg": tensor}.

    Sharded tensors are gathered, so every process must call this.
    """
    names = {id(parameter): name for name, parameter in parameters.items()}
    packed = {}
    for optimizer in optimizers:
        for parameter, state in optimizer.state.items():
            for key, value in state.items():
                tensor = value.full_tensor() if isinstance(value, DTensor) else value
                packed[f"{names[id(parameter)]}/{key}"] = (
                    tensor.detach().to("cpu", copy=True).contiguous()
                )
    return packed


def unpack(
    optimizers: list[Optimizer],
    parameters: Mapping[str, nn.Parameter],
    packed: Mapping[str, Tensor],
) -> None:
    """Restore the state that `pack` returned, sharded as the parameters are."""
    states: dict[str, dict[str, Tensor]] = {}
    for name, value in packed.items():
        parameter, _, key = name.rpartition("/")
        states.setdefault(parameter, {})[key] = value
    home = {
        id(parameter): optimizer
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    for name, state in states.items():
        owner = parameters[name]
        home[id(owner)].state[owner] = {
            key: _count(owner, value) if key == "step" else restored(owner, value)
            for key, value in state.items()
        }


def _count(parameter: Tensor, value: Tensor) -> Tensor:
    """AdamW's step count, which is on the device only where the optimizer is fused."""
    return value.to(parameter.device) if parameter.is_cuda else value


def restored(parameter: Tensor, value: Tensor) -> Tensor:
    """`value` with the device, shape (FSDP widens scalars) and sharding of the parameter."""
    value = value.to(parameter.device).reshape(parameter.shape)
    if not isinstance(parameter, DTensor):
        return value
    return distribute_tensor(value, parameter.device_mesh, parameter.placements)
