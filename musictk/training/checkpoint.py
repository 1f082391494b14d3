"""Checkpoints: each is written completely, then the links `last` and `best` are changed.

    checkpoints/step-0000400/    manifest.json, weights.safetensors: a bundle
                                 optimizer.safetensors, trainer.json: what resuming needs
    last -> checkpoints/step-0000400
    best -> checkpoints/step-0000200

A directory gets its name only when it is complete, and a link is replaced atomically, so `last` is
always a checkpoint that can be resumed. No pickle.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, load_model, save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from musictk.files import (
    atomic,
    cause,
    read_json,
    require_regular,
    staged,
    symlink,
    write_json,
    writing,
)
from musictk.model import bundle
from musictk.model.manifest import WEIGHTS, Manifest
from musictk.model.network import Network
from musictk.training.adapters import adapt, adapted
from musictk.training.directory import DAMAGED, LAST, TRAINER, CheckpointError
from musictk.training.objective import Objective

BEST, CHECKPOINTS = "best", "checkpoints"
OPTIMIZER = "optimizer.safetensors"
# Prefixes of names in OPTIMIZER: the network's weights in training, where the bundle's differ, and
# the objective's own parameters.
LIVE, OWN = "live/", "objective/"


def save(
    directory: Path,
    network: Network,
    manifest: Manifest,
    tensors: dict[str, Tensor],
    trainer: dict[str, Any],
    *,
    best: bool,
    keep_every: int = 0,
) -> Path:
    """Write the checkpoint of `trainer["step"]`, point `last` (and `best`) at it, remove old ones.

    Old ones at multiples of `keep_every` steps (0: none) stay, as bundles. `tensors` are the
    optimizers' state, and weights in training that the bundle does not have.

    Raises MusictkError where it cannot be written; earlier checkpoints are then untouched.
    """
    final = directory / CHECKPOINTS / f"step-{trainer['step']:07d}"
    with writing(final):
        if not _is(directory / LAST, final):  # else it was just written, or resumed from
            with staged(final) as part:
                bundle.write(part, network, manifest)
                with atomic(part / OPTIMIZER, SafetensorError) as temporary:
                    save_file(tensors, temporary)
                write_json(part / TRAINER, trainer)
        if best:
            symlink(directory / BEST, final)
        symlink(directory / LAST, final)
    _prune(directory, keep_every)
    return final


def load(directory: Path, network: Network) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Load `last`'s weights into `network`; return the tensors saved with it, and trainer.json."""
    last = directory / LAST
    trainer = stored(directory)
    try:
        require_regular(last / OPTIMIZER)
        require_regular(last / WEIGHTS)
        tensors = load_file(last / OPTIMIZER)
        live = {
            name.removeprefix(LIVE): tensors.pop(name)
            for name in list(tensors)
            if name.startswith(LIVE)
        }
        if live:
            with safe_open(last / WEIGHTS, "pt"):  # not loaded, but the run may end with them
                pass
            ranks = [len(t) for name, t in live.items() if ".lora_A." in name]
            if ranks and not adapted(network):
                adapt(network, ranks[0])
            shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
            network.load_state_dict(
                {name: t.reshape(shapes.get(name, t.shape)) for name, t in live.items()}
            )
        else:
            load_model(network, str(last / WEIGHTS))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"checkpoint {last.resolve()} is damaged: {cause(error)}", DAMAGED
        ) from error
    except RuntimeError as error:
        raise CheckpointError(
            f"checkpoint {last.resolve()} does not fit this network: {cause(error)}",
            "resume with the settings the run began with",
        ) from error
    return tensors, trainer


def stored(directory: Path) -> dict[str, Any]:
    """`last`'s trainer.json: step, progress, settings, scaler. Raises CheckpointError."""
    path = directory / LAST / TRAINER
    value = read_json(path)
    parts = ("settings", "progress", "scaler")
    if not isinstance(value, dict) or not all(isinstance(value.get(each), dict) for each in parts):
        raise CheckpointError(f"{path} is damaged: it lacks one of {', '.join(parts)}", DAMAGED)
    return value


def clean(directory: Path) -> None:
    """Remove partial files of a process that was killed. Call it with the directory locked."""
    for path in (*directory.glob(".*.part"), *directory.glob(f"{CHECKPOINTS}/.*.part")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    for name in (LAST, BEST):
        (directory / f".{name}.link").unlink(missing_ok=True)


def live_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Every tensor of a network in training, such as its adapters', for `save`."""
    return {LIVE + name: gathered(tensor).clone() for name, tensor in network.state_dict().items()}


def own_tensors(objective: Objective) -> dict[str, Tensor]:
    """The tensors of an objective without its network's, with the prefix that `pop_own` removes."""
    return {OWN + name: gathered(tensor).clone() for name, tensor in objective.own_state().items()}


def pop_own(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove the tensors of `own_tensors` from the result of `load`; return them without prefix."""
    names = [name for name in tensors if name.startswith(OWN)]
    return {name.removeprefix(OWN): tensors.pop(name) for name in names}


def gathered(tensor: Tensor) -> Tensor:
    """The complete tensor, on the CPU; if it is sharded, every process must call this."""
    whole: Tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return whole.detach().cpu()


def _prune(directory: Path, keep_every: int) -> None:
    """Remove checkpoints that no link points at; only `last` keeps what resuming needs.

    Failures are ignored: the next `save` tries again.
    """
    with suppress(OSError):
        _remove_unused(directory, keep_every)


def _remove_unused(directory: Path, keep_every: int) -> None:
    for path in (directory / CHECKPOINTS).iterdir():
        if _is(directory / LAST, path):
            continue
        step = path.name.removeprefix("step-")  # a partial one has no number
        kept = keep_every > 0 and step.isdecimal() and int(step) % keep_every == 0
        if kept or _is(directory / BEST, path):
            (path / OPTIMIZER).unlink(missing_ok=True)
            (path / TRAINER).unlink(missing_ok=True)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _is(link: Path, path: Path) -> bool:
    return link.exists() and path.exists() and link.samefile(path)
