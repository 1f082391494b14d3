"""One process, or several under torchrun. torch.distributed is used only under torchrun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard

from musictk.errors import MusictkError, UnknownNameError, UsageError
from musictk.training.objective import Objective, blocks
from musictk.training.settings import TrainSettings
from musictk.training.torchrun import variable

_DEVICES = "choose from: cpu, cuda (cuda:1, …), auto"


@dataclass(frozen=True)
class World:
    """The rank of this process, and communication with the others."""

    rank: int
    size: int
    device: torch.device
    parallel: str

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def check(self, settings: TrainSettings) -> None:
        """Raise UsageError where the batch does not divide among the processes."""
        if settings.loop.batch % self.size:
            raise UsageError(
                f"batch={settings.loop.batch} does not divide among {self.size} processes",
                f"choose a multiple of {self.size}",
            )

    def local_rows(self, rows: int) -> slice:
        """The rows of the whole batch that this process computes."""
        share = rows // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def wrap(self, objective: Objective) -> nn.Module:
        """The objective with its gradients averaged over all processes."""
        if self.size == 1:
            return objective
        if self.parallel == "fsdp":
            _widen_scalars(objective)
            for block in blocks(objective.network):
                fully_shard(block)
            fully_shard(objective)
            return objective
        return nn.parallel.DistributedDataParallel(objective)

    def no_sync(self, wrapped: nn.Module, last: bool) -> Any:
        """Where gradients only accumulate, DDP synchronises in the last forward pass only."""
        if isinstance(wrapped, nn.parallel.DistributedDataParallel) and not last:
            return wrapped.no_sync()
        return nullcontext()

    def costs(self, wrapped: nn.Module, objective: nn.Module) -> Callable[..., Tensor]:
        """The costs of a batch, for an evaluation.

        FSDP gathers weights in its own call. Otherwise bypass the compiled call: shapes differ.
        """
        return wrapped if self.size > 1 and self.parallel == "fsdp" else objective.forward

    def reshard(self, wrapped: nn.Module) -> None:
        """After a forward pass without a backward one, free the weights that FSDP gathered."""
        for module in wrapped.modules():
            if isinstance(module, FSDPModule):
                module.reshard()

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.size == 1:
            return flag
        largest = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return bool(largest.item())

    def broadcast(self, value: float) -> float:
        """The first process's value, in every process, so that all take the same decision."""
        if self.size == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.broadcast(shared, 0)
        return float(shared.item())

    def all_reduce(self, value: Tensor) -> Tensor:
        """The sum of all processes' values; `value` is overwritten."""
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def run_on_main(self, action: Callable[[], str]) -> str:
        """Run `action` in the first process; return its text, never empty, in every process.

        If it raises, the other processes raise MusictkError instead of waiting.
        """
        if self.size == 1:
            return action()
        text = ""
        try:
            text = action() if self.is_main else ""
        finally:
            text = self._broadcast_text(text)
        if not text:
            raise MusictkError("the first process could not begin", "see the error it printed")
        return text

    def _broadcast_text(self, text: str) -> str:
        """The first process's text, in every process."""
        data = torch.tensor(list(text.encode()), dtype=torch.uint8, device=self.device)
        length = torch.tensor(len(data), device=self.device)
        dist.broadcast(length, 0)
        if not self.is_main:
            data = torch.empty(int(length.item()), dtype=torch.uint8, device=self.device)
        dist.broadcast(data, 0)
        return bytes(data.tolist()).decode()

    def barrier(self) -> None:
        """Wait until every process has called this."""
        if self.size > 1:
            dist.barrier()


def _widen_scalars(module: nn.Module) -> None:
    """Give scalar parameters one dimension, since FSDP cannot shard them without.

    By broadcasting, (1,) computes what () does. Bundles keep the shape that the body declares.
    """
    widened: dict[nn.Parameter, nn.Parameter] = {}  # keep sharing between modules
    for owner in module.modules():
        for name, each in owner.named_parameters(recurse=False, remove_duplicate=False):
            if each.ndim == 0:
                if each not in widened:
                    wide = nn.Parameter(each.detach().reshape(1), each.requires_grad)
                    widened[each] = wide
                setattr(owner, name, widened[each])


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """The device of that name; by default a CUDA GPU if there is one, else the CPU.

    Raises UnknownNameError for a device of another kind, UsageError for a GPU that does not exist.
    """
    gpus = torch.cuda.device_count()
    name = str(device or ("cuda" if gpus else "cpu"))
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdecimal()):
        hint = "did you mean 'cuda'?" if name == "gpu" else _DEVICES
        raise UnknownNameError("device", name, (), hint)
    if kind == "cuda" and int(index or 0) >= gpus:
        hint = "choose cpu or auto"
        if torch.version.cuda or torch.version.hip:
            why = f"torch finds {gpus} GPU{'s' if gpus != 1 else ''} here"
        else:
            why = f"torch {torch.__version__} is a build for CPUs"
            hint += ", or install a CUDA build of torch: https://pytorch.org/get-started"
        raise UsageError(f"there is no device {name!r}: {why}", hint)
    return torch.device(name)


@contextmanager
def join(device: str | torch.device | None, parallel: str) -> Iterator[World]:
    """The processes that torchrun describes in the environment, or this one alone."""
    size = variable("WORLD_SIZE", 1)
    chosen = choose_device(device)
    if size == 1:
        yield World(0, 1, chosen, parallel)
        return
    rank, local = variable("RANK"), variable("LOCAL_RANK", 0)
    if chosen.type == "cuda":
        chosen = torch.device("cuda", local)
        torch.cuda.set_device(chosen)
    already = dist.is_initialized()
    if not already:
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield World(rank, size, chosen, parallel)
    finally:
        if not already:
            dist.destroy_process_group()
