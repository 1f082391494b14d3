"""Load weights that were stored before a module was renamed."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


def current_names(network: nn.Module, stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """`stored` tensors by the current names of their parameters.

    A module that renames submodules has `renamed`, a mapping from old to current names. Keys may
    have a suffix, as those of the optimizer's state have.
    """
    prefixes = [
        (f"{path}.{old}.", f"{path}.{new}.")
        for path, module in network.named_modules()
        for old, new in getattr(module, "renamed", {}).items()
    ]
    found = {}
    for name, tensor in stored.items():
        for old, new in prefixes:
            if name.startswith(old):
                name = new + name.removeprefix(old)
        found[name] = tensor
    return found


def rename_when_loading(network: nn.Module, state: dict[str, Any], *_: Any) -> None:
    """A hook for `register_load_state_dict_pre_hook`."""
    renamed = current_names(network, state)
    state.clear()
    state.update(renamed)
