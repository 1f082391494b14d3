"""Get a plain network from one in training: gather sharded weights, merge adapters."""

from __future__ import annotations

from torch import Tensor
from torch.distributed.tensor import DTensor

from musictk.model.bundle import build_network
from musictk.model.manifest import Manifest
from musictk.model.network import Network
from musictk.training.adapters import adapted, merged_state
from musictk.training.checkpoint import gathered, live_tensors


def whole_network(network: Network, manifest: Manifest) -> tuple[Network, dict[str, Tensor]]:
    """An ordinary network with the weights of `network`, and its tensors if they differ.

    It is `network` itself unless that is sharded (every process must call this) or has adapters.
    If adapters are merged, the second result has every unmerged tensor.
    """
    sharded = any(isinstance(each, DTensor) for each in network.parameters())
    if adapted(network):
        state, live = merged_state(network), live_tensors(network)
    elif sharded:
        state, live = dict(network.state_dict()), {}
    else:
        return network, {}
    whole = build_network(manifest)
    shapes = {name: tensor.shape for name, tensor in whole.state_dict().items()}
    whole.load_state_dict({name: gathered(t).reshape(shapes[name]) for name, t in state.items()})
    return whole, live
