"""Run a bundle with ONNX Runtime alone. Free of torch.

State is allocated once and bound by address. A slot that the manifest calls `in_place` is bound as
input and as output of the same step, so the graph writes it in place (GroupQueryAttention does) and
nothing is copied per token; every other slot has two buffers that are swapped at each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from musictk.errors import MusictkError
from musictk.model.manifest import ONNX, Manifest
from musictk.runtime.engine import Engine, Rows, read_tensors
from musictk.runtime.gpu import has_gpu

ort.disable_telemetry_events()  # on Windows; elsewhere the package's `__init__` has done more

CHUNK = 256  # the most positions one run of the graph takes
SEQUENCE, CONDITION, LOGITS = "sequence", "condition", "logits"


def past(slot: int) -> str:
    """The graph's input that is state slot `slot`."""
    return f"past_{slot}"


def present(slot: int) -> str:
    """The graph's output that is state slot `slot`."""
    return f"present_{slot}"


class Onnx(Engine["Buffers"]):
    """A bundle whose step is `model.onnx`."""

    name = "onnx"

    def __init__(
        self, directory: Path, manifest: Manifest, threads: int, device: str | None = None
    ) -> None:
        super().__init__(directory, manifest)
        self.session, self.device = _open(directory / ONNX, threads, device)
        self._in_place = [slot.in_place for slot in manifest.slots]
        self._initial = read_tensors(directory, "state.")

    def empty(self, batch: int, capacity: int) -> Buffers:
        arrays = []
        for index, slot in enumerate(self.manifest.slots):
            array = np.zeros(slot.concrete(batch, capacity), slot.dtype)
            if str(index) in self._initial:
                array[...] = self._initial[str(index)]
            arrays.append(array)
        return self._buffers(arrays)

    def run(
        self, sequence: NDArray[Any], condition: NDArray[np.float32], rows: Rows[Buffers]
    ) -> tuple[NDArray[np.float32], Buffers]:
        batch, time = sequence.shape[:2]
        state = rows.state
        if batch > 1 and time > 1 and any(self._in_place) and (time > CHUNK or rows.lengths.any()):
            return self._one_by_one(sequence, condition, rows)
        if time > CHUNK:
            return self._in_chunks(sequence, condition, rows)
        if time > 1:
            binding = Binding(self, sequence.shape, state.now, state.next)
        else:
            binding = state.stepping(self, sequence.shape)
        binding.run(self.session, sequence, condition)
        state.swap()
        return binding.logits.copy(), state

    def take(self, state: Buffers, rows: Sequence[int]) -> Buffers:
        return self._buffers([value.numpy()[list(rows)] for value in state.now])

    def stack(self, states: Sequence[Buffers]) -> Buffers:
        slots = zip(*(state.now for state in states), strict=True)
        return self._buffers([np.concatenate([one.numpy() for one in slot]) for slot in slots])

    def _buffers(self, arrays: Sequence[NDArray[Any]]) -> Buffers:
        return Buffers(arrays, self._in_place, self.device)

    def _in_chunks(
        self, sequence: NDArray[Any], condition: NDArray[np.float32], rows: Rows[Buffers]
    ) -> tuple[NDArray[np.float32], Buffers]:
        """In chunks: windowed attention is exported as one block, whose memory grows with T²."""
        rows = rows.fork()
        parts = range(0, sequence.shape[1], CHUNK)
        logits = [
            rows.step(sequence[:, at : at + CHUNK], condition[:, at : at + CHUNK]) for at in parts
        ]
        return np.concatenate(logits, 1), rows.state

    def _one_by_one(
        self, sequence: NDArray[Any], condition: NDArray[np.float32], rows: Rows[Buffers]
    ) -> tuple[NDArray[np.float32], Buffers]:
        """Row by row: GroupQueryAttention takes several positions after a past for one row only."""
        logits, states = [], []
        for row in range(len(sequence)):
            alone = rows.select([row])
            logits.append(alone.step(sequence[row : row + 1], condition[row : row + 1]))
            states.append(alone.state)
        return np.concatenate(logits), self.stack(states)


class Buffers:
    """The state of some rows: the buffers that a step reads, and those that it writes."""

    def __init__(
        self, arrays: Sequence[NDArray[Any]], in_place: Sequence[bool], device: str
    ) -> None:
        # On the CPU an OrtValue is a view that keeps its array alive; nobody else has the arrays.
        own = ort.OrtValue.ortvalue_from_numpy
        self.now = [own(array, device) for array in arrays]
        self.next = [
            value if same else own(np.zeros_like(array), device)
            for value, same, array in zip(self.now, in_place, arrays, strict=True)
        ]
        self._here: Binding | None = None
        self._there: Binding | None = None

    def stepping(self, engine: Onnx, shape: tuple[int, ...]) -> Binding:
        """The binding for one position, cached: binding costs as much as a small step."""
        if self._here is None:
            self._here = Binding(engine, shape, self.now, self.next)
        return self._here

    def swap(self) -> None:
        """The next step reads what this one wrote."""
        self.now, self.next = self.next, self.now
        self._here, self._there = self._there, self._here


class Binding:
    """Inputs, outputs and state bound by address."""

    def __init__(
        self,
        engine: Onnx,
        shape: tuple[int, ...],
        now: Sequence[ort.OrtValue],
        later: Sequence[ort.OrtValue],
    ) -> None:
        own = ort.OrtValue.ortvalue_from_numpy
        batch, time = shape[:2]
        self._sequence = np.zeros(shape, engine.sequence_type)
        self._flat = engine.manifest.conditioned == "row"
        shape = (batch, engine.dim) if self._flat else (batch, time, engine.dim)
        self._condition = np.zeros(shape, np.float32)
        self.logits = np.empty((batch, time, engine.classes), np.float32)
        self._io = engine.session.io_binding()
        self._io.bind_ortvalue_input(SEQUENCE, own(self._sequence))
        self._io.bind_ortvalue_input(CONDITION, own(self._condition))
        self._io.bind_ortvalue_output(LOGITS, own(self.logits))
        for slot, (reads, writes) in enumerate(zip(now, later, strict=True)):
            self._io.bind_ortvalue_input(past(slot), reads)
            self._io.bind_ortvalue_output(present(slot), writes)

    def run(
        self, session: ort.InferenceSession, sequence: NDArray[Any], condition: NDArray[np.float32]
    ) -> None:
        """Fill the inputs and run; the result is in `logits` until the next run."""
        self._sequence[...] = sequence
        self._condition[...] = condition[:, 0] if self._flat else condition
        session.run_with_iobinding(self._io)


def _open(path: Path, threads: int, device: str | None) -> tuple[ort.InferenceSession, str]:
    """The session, and the device it got ("cpu" or "cuda")."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning workers take cores from other processes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    providers: list[Any] = ["CPUExecutionProvider"]
    # Without a GPU, asking for CUDA makes ONNX Runtime print errors.
    if device != "cpu" and "CUDAExecutionProvider" in ort.get_available_providers() and has_gpu():
        # TF32 would keep 10 bits of each product: less than parity with eager needs.
        providers.insert(0, ("CUDAExecutionProvider", {"use_tf32": "0"}))
    try:
        session = ort.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # ONNX Runtime's errors have no common base class
        raise MusictkError(
            f"{path} cannot be loaded: {error}", "run `musictk export --onnx` again"
        ) from error
    return session, "cuda" if "CUDAExecutionProvider" in session.get_providers() else "cpu"
