"""The whole of what is in parts: sharded weights gathered, adapters merged."""

from __future__ import annotations

from torch import Tensor
from torch.distributed.tensor import DTensor

from musictk.model.bundle import build_network
from musictk.model.manifest import Manifest
from musictk.model.network import Network
from musictk.training.adapters import adapted, merged_state
from musictk.training.checkpoint import live_tensors


def whole_network(network: Network, manifest: Manifest) -> tuple[Network, dict[str, Tensor]]:
    """An ordinary network with the weights of `network`, and what resuming needs besides.

    It is `network` itself unless that is sharded (every process must call) or has adapters.
    """
    if adapted(network):
        state, live = merged_state(network), live_tensors(network)
    elif any(isinstance(each, DTensor) for each in network.parameters()):
        state = {name: _gathered(tensor) for name, tensor in network.state_dict().items()}
        live = {}
    else:
        return network, {}
    whole = build_network(manifest)
    whole.load_state_dict(state)
    return whole, live


def _gathered(tensor: Tensor) -> Tensor:
    whole: Tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return whole.detach().cpu()
