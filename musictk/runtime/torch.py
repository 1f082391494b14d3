"""Run a checkpoint with eager PyTorch; on a GPU, single steps replay a CUDA graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musictk.model import bundle
from musictk.model.manifest import Manifest
from musictk.model.network import Network
from musictk.runtime.engine import Engine, Rows


class Stepper(Protocol):
    """A network, or its TorchScript."""

    def begin(self, batch: int, capacity: int) -> list[Tensor]: ...

    def __call__(
        self, sequence: Tensor, condition: Tensor, state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]: ...


@dataclass
class Tensors:
    """The state of some rows, and the graph of a step captured over these tensors, if any."""

    slots: list[Tensor]
    graph: CudaGraph | None = field(default=None, repr=False)


class TorchEngine(Engine[Tensors]):
    """The common part of eager and scripted networks."""

    network: Stepper  # set by the subclass

    def __init__(
        self, directory: Path, manifest: Manifest, threads: int, device: str | None
    ) -> None:
        super().__init__(directory, manifest)
        self.threads = threads
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._graphs = self.device.type == "cuda"

    def empty(self, batch: int, capacity: int) -> Tensors:
        return Tensors(self.network.begin(batch, capacity))

    def run(
        self, sequence: NDArray[Any], condition: NDArray[np.float32], rows: Rows[Tensors]
    ) -> tuple[NDArray[np.float32], Tensors]:
        state = rows.state
        inputs = torch.from_numpy(sequence), torch.from_numpy(condition)
        with torch.inference_mode(), _threads(self.threads):
            if self._graphs and sequence.shape[1] == 1 and state.graph is None:
                state.graph = self._capture(inputs, state.slots)
            if state.graph is not None and sequence.shape[1] == 1:
                logits = state.graph.replay(*inputs)
            else:
                moved = [value.to(self.device) for value in inputs]
                logits, slots = self.network(moved[0], moved[1], state.slots)
                state = Tensors(slots)
            return logits.float().cpu().numpy(), state

    def _capture(self, inputs: tuple[Tensor, Tensor], slots: list[Tensor]) -> CudaGraph | None:
        """None if the body reads values back from the GPU, which no graph can hold."""
        try:
            return CudaGraph(self.network, inputs, slots)
        except RuntimeError:
            self._graphs = False
            return None

    def take(self, state: Tensors, rows: Sequence[int]) -> Tensors:
        index = torch.tensor(list(rows), device=self.device)
        return Tensors([slot.index_select(0, index) for slot in state.slots])

    def stack(self, states: Sequence[Tensors]) -> Tensors:
        return Tensors([torch.cat(slot) for slot in zip(*(s.slots for s in states), strict=True)])


class Torch(TorchEngine):
    """A checkpoint in eager PyTorch."""

    name = "torch"

    def __init__(self, directory: Path, threads: int, device: str | None = None) -> None:
        network, manifest = bundle.read(directory)
        super().__init__(directory, manifest, threads, device)
        self.network: Network = network.to(self.device)


class CudaGraph:
    """One captured step that reads and writes the same memory at every replay.

    Launching the hundreds of kernels of a small step costs more than running them. State that the
    step returns in new memory is copied back into `slots` inside the graph.
    """

    def __init__(
        self, forward: Stepper, inputs: tuple[Tensor, Tensor], slots: list[Tensor]
    ) -> None:
        device = slots[0].device
        self._sequence, self._condition = (value.to(device) for value in inputs)
        spare = [slot.clone() for slot in slots]
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):  # warm-up: libraries allocate before capture, not in it
            for _ in range(3):
                self._advance(forward, slots)
                for slot, value in zip(slots, spare, strict=True):  # undo the step
                    slot.copy_(value)
        torch.cuda.current_stream(device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._logits = self._advance(forward, slots)

    def replay(self, sequence: Tensor, condition: Tensor) -> Tensor:
        """(B, 1, V) logits, valid until the next replay."""
        self._sequence.copy_(sequence)
        self._condition.copy_(condition)
        self._graph.replay()
        return self._logits

    def _advance(self, forward: Stepper, slots: list[Tensor]) -> Tensor:
        logits, after = forward(self._sequence, self._condition, slots)
        for slot, value in zip(slots, after, strict=True):
            if slot.data_ptr() != value.data_ptr():
                slot.copy_(value)
        return logits


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Use this many threads for one step, and restore the process's number afterwards."""
    before = torch.get_num_threads()
    if before != count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if before != count:
            torch.set_num_threads(before)
