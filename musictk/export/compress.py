"""Smaller `model.onnx` files: int8 and half-precision weights. Free of torch."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from musictk.errors import MusictkError

SMALL = 4096  # elements; norms, biases and the like keep their precision


def int8(path: Path) -> None:
    """Replace the file by one whose matrix products have int8 weights, scaled per channel.

    Activations are quantized dynamically, so no calibration is needed. The file is about 4 times
    smaller, and steps that are bound by memory bandwidth are faster.
    """
    model = onnx.load(path)
    del model.graph.value_info[
        :
    ]  # the exporter's shapes are wrong after folding; inference fails on them
    fold_transposes(model)
    onnx.save(model, path)
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # it recommends preprocessing that is already done
    try:
        with _random_names():
            quantize_dynamic(
                path,
                path,
                op_types_to_quantize=["MatMul", "Gemm"],
                per_channel=True,
                weight_type=QuantType.QInt8,
                extra_options={"DefaultTensorType": TensorProto.FLOAT},
            )
    finally:
        logger.setLevel(level)
    if not any("MatMulInteger" in node.op_type for node in onnx.load(path).graph.node):
        raise MusictkError("nothing in this network could be quantized", "export without --int8")


def half(path: Path) -> None:
    """Replace the file by one whose large weights are stored in half precision.

    They are converted when the model is loaded, and it computes in single precision: the file is
    half as large, the speed is the same.
    """
    model = onnx.load(path)
    graph, casts = model.graph, []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < SMALL:
            continue
        wide = numpy_helper.to_array(tensor)
        if np.abs(wide).max() > np.finfo(np.float16).max:
            continue
        name, stored = tensor.name, f"{tensor.name}.half"
        tensor.CopyFrom(numpy_helper.from_array(wide.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    _prepend(model, casts)
    onnx.save(model, path)


def fold_transposes(model: ModelProto) -> None:
    """Replace transposed weights by weights, so that a head tied to the embedding is quantized."""
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in list(graph.node):
        if node.op_type != "Transpose" or node.input[0] not in weights:
            continue
        axes = next((list(a.ints) for a in node.attribute if a.name == "perm"), None)
        transposed = numpy_helper.to_array(weights[node.input[0]]).transpose(axes)
        folded = numpy_helper.from_array(np.ascontiguousarray(transposed), node.output[0])
        graph.initializer.append(folded)
        graph.node.remove(node)


@contextmanager
def _random_names() -> Iterator[None]:
    """The quantizer names a file by uuid1, which opens a socket to read the network address."""
    by_address = uuid.uuid1
    uuid.uuid1 = lambda *_: uuid.uuid4()
    try:
        yield
    finally:
        uuid.uuid1 = by_address


def _prepend(model: ModelProto, nodes: list[NodeProto]) -> None:
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
