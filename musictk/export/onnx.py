"""Write the cached step as ONNX: state in, state out, any batch, time and capacity."""

from __future__ import annotations

import copy
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import onnx
import torch
from torch import Tensor, nn

from musictk.errors import MusictkError, UsageError
from musictk.export import compress
from musictk.export.fuse import fuse
from musictk.export.graph import written_in_place
from musictk.export.report import ExportListener, ExportReport, SilentListener
from musictk.export.rounding import Excerpt
from musictk.export.writing import ROUNDED, Written, write_export
from musictk.model.bundle import slots
from musictk.model.contract import Architecture
from musictk.model.manifest import ONNX, Manifest
from musictk.model.network import Network
from musictk.model.windowed import MIN_EXPORTED_WINDOW, WindowedAttention
from musictk.runtime.onnx import CONDITION, LOGITS, SEQUENCE, past, present
from musictk.tokens import Frames, Space

OPSET = 23
LIMIT = 2**31 - 2**20  # bytes a protobuf file can hold, with some room for the graph
PRECISIONS = {"fp32": None, "int8": compress.int8, "fp16": compress.half}

Precision = Literal["fp32", "int8", "fp16"]


def export_onnx(
    source: Path,
    target: Path,
    precision: Precision = "fp32",
    listener: ExportListener | None = None,
    music: Sequence[Excerpt] = (),
    least: float = ROUNDED,
) -> ExportReport:
    """Export the checkpoint in `source` to the directory `target`: one self-contained `model.onnx`.

    "fp32" must compute what eager PyTorch does. "int8" and "fp16" are rounded: over `music`, by
    default sampled from the model, the share of equal greedy choices must be at least `least`.
    Raises MusictkError, and leaves nothing, if it is not.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"no precision {precision!r}", f"choose from: {', '.join(PRECISIONS)}")
    shrink = PRECISIONS[precision]

    def write(network: Network, manifest: Manifest, directory: Path) -> Written:
        written = write_graph(network, manifest, directory / ONNX)
        if shrink is not None:
            shrink(directory / ONNX)
        return written

    kind = "onnx" if shrink is None else f"onnx-{precision}"
    return write_export(
        source, target, "onnx", kind, write, listener or SilentListener(), music, least
    )


def write_graph(network: Network, manifest: Manifest, path: Path) -> Written:
    """Write the graph of one step, with the weights in the same file."""
    size = sum(value.nbytes for value in network.state_dict().values())
    if size > LIMIT:
        raise MusictkError(
            f"{size / 2**30:.1f} GiB of weights do not fit into one ONNX file",
            "use `musictk export --torchscript`",
        )
    for each in network.modules():
        if isinstance(each, WindowedAttention) and each.xpos and each.window < MIN_EXPORTED_WINDOW:
            raise UsageError(
                f"windows of {each.window} with xpos cannot be exported to ONNX",
                f"train with windows of {MIN_EXPORTED_WINDOW} or more, or dynamic_bias=true",
            )
    # torch.export treats sizes 0 and 1 as constants, and equal sizes as the same dimension.
    body = network.body.for_export()
    state = body.begin(2, 7)
    args = (_example(manifest.space, 2, 3), torch.zeros(2, 3, body.dim), *state)
    layout = slots(body)
    dynamic = [
        {axis: size for axis, size in enumerate(slot.shape) if isinstance(size, str)}
        for slot in layout
    ]
    with _quiet(), torch.no_grad():
        program: Any = torch.onnx.export(
            _Flat(network, body).eval(),
            args,
            dynamo=True,
            opset_version=OPSET,
            input_names=[SEQUENCE, CONDITION, *map(past, range(len(state)))],
            output_names=[LOGITS, *map(present, range(len(state)))],
            dynamic_shapes={
                "sequence": {0: "batch", 1: "time"},
                "condition": {0: "batch", 1: "time"},
                "state": tuple(dynamic),
            },
            verbose=False,
        )
        program.save(str(path), external_data=False)
    model = fuse(onnx.load(path))
    onnx.save(model, path)
    written = written_in_place(model)
    layout = tuple(
        replace(slot, in_place=(past(index), present(index)) in written)
        for index, slot in enumerate(layout)
    )
    return Written(replace(manifest, slots=layout), body.begin(1, 1))


class _Flat(nn.Module):
    """The state as separate tensors, because ONNX has no lists."""

    def __init__(self, network: Network, body: Architecture) -> None:
        super().__init__()
        self.network = copy.copy(network)
        self.network._modules = {**network._modules, "body": body}

    def forward(self, sequence: Tensor, condition: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        logits, after = self.network(sequence, condition, list(state))
        return logits, *after


def _example(space: Space, batch: int, time: int) -> Tensor:
    if isinstance(space, Frames):
        return torch.zeros(batch, time, space.width, dtype=torch.uint8)
    return torch.zeros(batch, time, dtype=torch.int64)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter: its warnings, and the graph that it prints before an error.

    Its trace log has thousands of records, which is slow if the root logger has a handler.
    """
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
